"""Whoever sees nothing of it, or has no mouse, can use all of it: each control has a name, and Tab leads to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QAbstractButton, QApplication, QRadioButton, QScrollArea, QWidget

from fakes.desktop_qt import settle, wait_until
from meadow_desktop.desktop import Desktop
from meadow_desktop.engine.link import EngineLink
from meadow_desktop.engine.link_state import Connected
from meadow_desktop.event_log import EventLog
from meadow_desktop.fake_engine import FakeEngine
from meadow_desktop.options import Options
from meadow_desktop.settings.appearance import appearance_file, read_appearance
from meadow_desktop.settings.appearance_desk import AppearanceDesk
from meadow_desktop.swarm.membership_desk import MembershipDesk
from meadow_desktop.welcome.desk import WelcomeDesk
from meadow_desktop.windows.swarm.membership_dialog import JoinSwarmDialog, NewSwarmDialog
from meadow_desktop.windows.welcome.welcome_window import WelcomeWindow
from meadow_engine.api.downloads import FetchModel
from meadow_engine.api.places import Places
from meadow_engine.api.swarms import JoinSwarm, NewSwarm

StartEngine = Callable[..., FakeEngine]
PAGES = ("chat", "swarm", "credits", "settings")


@pytest.fixture
def desktop(application: QApplication, places: Places, start_engine: StartEngine) -> Iterator[Desktop]:
    engine = start_engine("sharing")
    engine.swarms.new(NewSwarm(name="Lab 3"))
    engine.swarms.join(JoinSwarm(invitation="meadow://join?b", name="Lab 4"))
    engine.downloads.obey("/api/downloads", FetchModel(model="meadow/large"))
    file = appearance_file(places)
    appearance = AppearanceDesk(file, read_appearance(file))
    options = Options(has_tray=False, opens_chat=True, attaches_only=True, colour_scheme="light")
    desktop = Desktop(application, options, places, EventLog(None), appearance)
    desktop.begin()
    wait_until(lambda: isinstance(desktop.link.state, Connected))
    yield desktop
    desktop.window.hide()
    desktop.desk.close()
    desktop.settings.close_files()
    desktop.link.close()
    desktop.window.deleteLater()
    desktop.deleteLater()
    settle()


def controls(window: QWidget) -> list[QWidget]:
    """What somebody can work with in a window: it is seen, it is switched on, and it takes the keyboard."""
    return [widget for widget in window.findChildren(QWidget) if widget.isVisible() and _is_control(widget)]


def _is_control(widget: QWidget) -> bool:
    # The fields inside spin boxes and combo boxes belong to them; areas that scroll pass the keyboard on.
    if widget.focusProxy() is not None or not widget.isEnabled() or isinstance(widget, QScrollArea):
        return False
    if widget.objectName().startswith("qt_"):
        return False
    return widget.focusPolicy() != Qt.FocusPolicy.NoFocus or isinstance(widget, QAbstractButton)


def without_name(window: QWidget) -> list[str]:
    """The controls of which a screen reader would not say what they are."""
    found = []
    for widget in controls(window):
        interface = QAccessible.queryAccessibleInterface(widget)
        if interface is None or not interface.text(QAccessible.Text.Name).strip():
            found.append(_describe(widget))
    return found


def beyond_tab(window: QWidget) -> list[str]:
    """The controls to which Tab does not lead: in Qt's chain of them, and willing to take the keyboard from it."""
    chain: list[QWidget] = []
    widget = window.nextInFocusChain()
    while widget is not None and widget is not window and widget not in chain:
        chain.append(widget)
        widget = widget.nextInFocusChain()
    reached = {widget for widget in chain if widget.focusPolicy() & Qt.FocusPolicy.TabFocus}
    return [_describe(each) for each in controls(window) if not reached.intersection(_reached_together(each))]


def _reached_together(widget: QWidget) -> list[QWidget]:
    """Of buttons that exclude one another Tab leads to one, and the arrow keys to the others."""
    group = widget.group() if isinstance(widget, QAbstractButton) else None
    return [*group.buttons()] if group is not None and group.exclusive() else [widget]


def _let_it_fill(window: QWidget) -> None:
    """Pages ask the engine when they are shown; wait until as many controls are there as before."""
    seen = -1
    while seen != len(controls(window)):
        seen = len(controls(window))
        for _round in range(20):
            settle()


def _describe(widget: QWidget) -> str:
    parents = []
    at: QWidget | None = widget
    while at is not None and len(parents) < 4:
        parents.append(at.objectName() or type(at).__name__)
        at = at.parentWidget()
    return f"{type(widget).__name__} {' < '.join(parents)}"


@pytest.mark.parametrize("page", PAGES)
def test_every_control_of_the_window_has_a_name_and_is_reached_by_tab(desktop: Desktop, page: str) -> None:
    window = desktop.window
    window.show_page(page)
    window.come_forward()
    _let_it_fill(window)
    assert len(controls(window)) > 5
    assert (without_name(window), beyond_tab(window)) == ([], [])


@pytest.fixture
def link(places: Places, start_engine: StartEngine) -> Iterator[EngineLink]:
    start_engine("off")
    link = EngineLink(places, None)
    link.begin()
    wait_until(lambda: isinstance(link.state, Connected))
    yield link
    link.close()
    settle()


def test_every_control_of_the_first_start_has_a_name_and_is_reached_by_tab(link: EngineLink) -> None:
    window = WelcomeWindow(WelcomeDesk(link, parent=link))
    window.show()
    for name in ("", "choose-share", "choose-new", ""):
        if name:
            chosen = window.findChild(QRadioButton, name)
            assert chosen is not None
            chosen.click()
        settle()
        assert controls(window)
        assert (without_name(window), beyond_tab(window)) == ([], [])
        go_on = window.findChild(QAbstractButton, "welcome-continue")
        assert go_on is not None
        if name or not window.choices.shares:
            go_on.click()
    window.hide()
    window.deleteLater()


@pytest.mark.parametrize("kind", [NewSwarmDialog, JoinSwarmDialog])
def test_every_control_of_the_small_windows_has_a_name_and_is_reached_by_tab(
    link: EngineLink, kind: type[NewSwarmDialog | JoinSwarmDialog]
) -> None:
    parent = QWidget()
    dialog = kind(MembershipDesk(link, parent=link), parent)
    dialog.show()
    settle()
    assert len(controls(dialog)) > 1
    assert (without_name(dialog), beyond_tab(dialog)) == ([], [])
    dialog.close()
    parent.deleteLater()
