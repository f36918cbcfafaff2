"""A defect of PySide6 6.12.0 that aborts the program after some thousand calls: it must not come back."""

from __future__ import annotations

import sys

from PySide6.QtWidgets import QLabel


def test_calls_that_return_none_do_not_use_none_up() -> None:
    label = QLabel()
    before = sys.getrefcount(None)
    for number in range(300):
        label.setText(str(number))
    assert sys.getrefcount(None) > before - 50
