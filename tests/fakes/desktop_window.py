"""The whole desktop inside the test's process: its window with all pages, linked to a fake engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from PySide6.QtWidgets import QApplication

from fakes.desktop_qt import settle, wait_until
from meadow_desktop.desktop import Desktop
from meadow_desktop.engine.link_state import Connected
from meadow_desktop.event_log import EventLog
from meadow_desktop.options import Options
from meadow_desktop.settings.appearance import appearance_file, read_appearance
from meadow_desktop.settings.appearance_desk import AppearanceDesk
from meadow_engine.api.places import Places

PAGES = ("chat", "swarm", "credits", "settings")


@contextmanager
def opened_desktop(application: QApplication, places: Places) -> Iterator[Desktop]:
    """A desktop that shows its window and has found the engine; nothing of it is left afterwards."""
    file = appearance_file(places)
    options = Options(has_tray=False, opens_chat=True, attaches_only=True, colour_scheme="light")
    desktop = Desktop(application, options, places, EventLog(None), AppearanceDesk(file, read_appearance(file)))
    try:
        desktop.begin()
        wait_until(lambda: isinstance(desktop.link.state, Connected))
        yield desktop
    finally:
        desktop.window.hide()
        desktop.desk.close()
        desktop.settings.close_files()
        desktop.link.close()
        desktop.window.deleteLater()
        desktop.deleteLater()
        settle()
