"""A defect of PySide6 6.12.0 that aborts the program after some thousand calls: it must not come back.

Such a call takes one reference to None too many away. Where None is immortal (Python 3.12) none of this can happen.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable

from PySide6.QtWidgets import QApplication, QLabel

from fakes.desktop_qt import settle
from fakes.desktop_window import PAGES, opened_desktop
from meadow_desktop.fake_engine import FakeEngine
from meadow_engine.api.places import Places

WINDOWS = 4


def test_calls_that_return_none_do_not_use_none_up() -> None:
    label = QLabel()
    before = sys.getrefcount(None)
    for number in range(300):
        label.setText(str(number))
    assert sys.getrefcount(None) > before - 50


def test_windows_that_come_and_go_neither_use_none_up_nor_stay(
    application: QApplication, places: Places, start_engine: Callable[..., FakeEngine]
) -> None:
    start_engine("sharing")
    _open_and_close(application, places)  # what is made once and kept
    nones, widgets = sys.getrefcount(None), _count_widgets()
    for _window in range(WINDOWS):
        _open_and_close(application, places)
    assert sys.getrefcount(None) > nones - 50
    assert _count_widgets() <= widgets


def _open_and_close(application: QApplication, places: Places) -> None:
    with opened_desktop(application, places) as desktop:
        for page in PAGES:
            desktop.window.show_page(page)
            settle()
    gc.collect()


def _count_widgets() -> int:
    return len(QApplication.allWidgets())
