"""What must never happen, whatever the window does: foreign weight, and foreign hands on its widgets."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QWidget

from fakes.desktop_qt import settle, wait_until
from fakes.desktop_window import PAGES, opened_desktop
from fakes.one_thread import watched_widgets
from meadow_desktop.fake_engine import FakeEngine
from meadow_engine.api.places import Places

StartEngine = Callable[..., FakeEngine]

HEAVY = {"torch", "transformers", "hivemind", "fastapi", "uvicorn", "numpy", "http.server", "meadow_client"}
_LOADED = (
    "import json, sys; import meadow_desktop.__main__, meadow_desktop.application; print(json.dumps([*sys.modules]))"
)


def test_starting_the_desktop_loads_nothing_of_the_engine_but_its_api() -> None:
    found = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True, check=True)
    loaded = set(json.loads(found.stdout))
    assert not loaded & HEAVY
    engine = {name for name in loaded if name.startswith("meadow_engine.")}
    assert {name for name in engine if not name.startswith("meadow_engine.api")} == set()


def test_a_widget_that_another_thread_touches_is_noticed(application: QApplication) -> None:
    label = QLabel()
    with watched_widgets() as touches:
        label.setText("from here")
        assert (touches.count, touches.strangers) == (1, [])
        other = threading.Thread(target=label.setToolTip, args=("from there",), name="other")
        other.start()
        other.join()
    assert touches.strangers == ["QWidget.setToolTip on other"]
    label.setText("not watched any more")
    assert touches.count == 2


def test_chat_search_and_all_pages_touch_widgets_from_one_thread_only(
    application: QApplication, places: Places, start_engine: StartEngine
) -> None:
    engine = start_engine("sharing")
    with watched_widgets() as touches, opened_desktop(application, places) as desktop:
        window, desk = desktop.window, desktop.desk
        (composer,) = window.findChildren(QWidget, "composer-text")
        QTest.keyClicks(composer, "What is a swarm?")
        QTest.keyClick(composer, Qt.Key.Key_Return)
        wait_until(lambda: engine.answers_begun == 1)
        wait_until(lambda: desk.conversations != [] and not desk.is_busy(desk.conversations[0].id))

        found: list[int] = []
        desk.found.connect(lambda _query, hits: found.append(len(hits)))
        fields = [each for each in window.findChildren(QLineEdit) if each.isVisible() and "search" in each.objectName()]
        QTest.keyClicks(fields[0], "volunteer")
        wait_until(lambda: bool(found) and found[-1] > 0)

        for page in PAGES:
            window.show_page(page)
            for _round in range(5):
                settle()
        for name in ("storage", "api", "logs", "about", "desktop"):
            desktop.settings.show_section(name)
            settle()
        engine.set_sharing(False)
        wait_until(lambda: not engine.status().is_sharing_allowed)
        settle()
    assert touches.count > 500
    assert touches.strangers == []
