"""A window with only the settings page, linked to a fake engine over real sockets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton, QWidget

from fakes.desktop_qt import settle, wait_until
from fakes.engine_link import connect
from meadow_desktop.engine.link import EngineLink
from meadow_desktop.fake_engine import FakeEngine
from meadow_desktop.settings.appearance import Appearance, appearance_file
from meadow_desktop.settings.appearance_desk import AppearanceDesk
from meadow_desktop.settings.desk import SettingsDesk
from meadow_desktop.settings.storage import StorageDesk
from meadow_desktop.windows.main_window import MainWindow
from meadow_desktop.windows.settings.settings_page import SettingsPage
from meadow_desktop.windows.status_strip import Switch
from meadow_engine.api.places import Places
from meadow_engine.api.settings_overview import Value

Widget = TypeVar("Widget", bound=QWidget)
LEFT = Qt.MouseButton.LeftButton


@dataclass
class Opened:
    """A window with only this page, linked to an engine."""

    engine: FakeEngine
    link: EngineLink
    desk: SettingsDesk
    page: SettingsPage
    window: MainWindow

    def find(self, kind: type[Widget], name: str) -> Widget:
        found = self.page.findChild(kind, name)
        assert found is not None, name
        return found

    def click(self, name: str) -> None:
        QTest.mouseClick(self.find(QPushButton, name), LEFT)

    def press(self, switch: str) -> None:
        QTest.mouseClick(self.find(Switch, switch), LEFT)

    def value(self, name: str) -> Value:
        assert self.desk.overview is not None
        return next(each.value for each in self.desk.overview.settings if each.name == name)

    def seen(self, name: str) -> bool:
        return self.find(QWidget, name).isVisible()

    def close(self) -> None:
        self.link.close()
        self.page.close_files()
        self.window.hide()
        self.window.deleteLater()


def open_settings(engine: FakeEngine, places: Places) -> Opened:
    """Show the page, and wait until all of it is there."""
    link = EngineLink(places, factory=None)
    connect(link)
    desk = SettingsDesk(link)
    appearance = AppearanceDesk(appearance_file(places), Appearance())
    page = SettingsPage(desk, appearance, StorageDesk(link), places)
    window = MainWindow()
    window.add_page("settings", "Settings", page)
    window.come_forward()
    wait_until(lambda: desk.overview is not None and desk.autostart is not None and page.is_complete)
    settle()
    return Opened(engine, link, desk, page, window)


OpenPage = Callable[..., Opened]
