"""At the first start nothing is decided for the person and nothing happens before the last click."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QLabel, QLineEdit, QPushButton, QRadioButton

from fakes.desktop_qt import settle, wait_until
from fakes.engine_link import connect
from meadow_desktop.engine.link import EngineLink
from meadow_desktop.engine.link_state import Connected
from meadow_desktop.fake_engine import FakeEngine
from meadow_desktop.fakes_of_engine.first_start import fake_computer, fake_size
from meadow_desktop.swarm.joining import looks_like_invitation
from meadow_desktop.welcome.choices import Choices, can_leave
from meadow_desktop.welcome.desk import WelcomeDesk
from meadow_desktop.welcome.view import (
    describe_computer,
    describe_default_swarm,
    describe_size,
    explain_when,
    fault_of_choice,
    present_frame,
    summarise,
)
from meadow_desktop.windows.notice_bar import NoticeBar
from meadow_desktop.windows.welcome.welcome_window import WelcomeWindow

StartEngine = Callable[..., FakeEngine]
LEFT = Qt.MouseButton.LeftButton


def test_neither_sharing_nor_chatting_alone_is_chosen_for_anybody() -> None:
    assert not can_leave("share", Choices())
    assert can_leave("share", Choices(shares=False))
    assert present_frame("summary", Choices(shares=True), is_busy=False).continue_words == "Start sharing"
    assert present_frame("summary", Choices(shares=False), is_busy=False).continue_words == "Start"


def test_nothing_can_be_pressed_twice_while_something_is_under_way() -> None:
    busy = present_frame("summary", Choices(shares=True), is_busy=True)
    assert not (busy.can_continue)
    assert not (busy.can_go_back)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("meadow://join?peer=%2Fip4%2F192.0.2.7", True),
        (" /ip4/192.0.2.7/tcp/1/p2p/12D3Koo ", True),
        ("meadow://", False),
        ("https://example.org", False),
        ("", False),
    ],
)
def test_an_invitation_is_a_link_or_an_address(text: str, fits: bool) -> None:
    assert looks_like_invitation(text) == fits
    assert can_leave("where", Choices(swarm="join", invitation=text)) == fits


def test_what_was_found_is_told_in_plain_words() -> None:
    assert describe_computer(fake_computer()) == (
        "Found: NVIDIA GeForce RTX 4070 with 12.9 GB. "
        "At most 9.3 GB of memory would be lent, and less when you need more."
    )
    without = fake_computer().model_copy(update={"graphics": [], "lends_graphics": False, "lent_bytes": 0})
    assert describe_computer(without).startswith("Found no graphics card")
    assert describe_computer(None) == "Looking at this computer…"


def test_a_system_that_does_not_tell_when_the_person_is_away_is_named() -> None:
    assert len(explain_when(fake_computer())) == 3
    silent = fake_computer().model_copy(update={"tells_presence": False, "idle_s": 60})
    lines = explain_when(silent)
    assert lines[0].endswith("for 1 minute.")
    assert "only while the screen is locked" in lines[-1]


def test_the_summary_says_what_the_last_click_does() -> None:
    lines = summarise(
        Choices(shares=True, swarm="new", model="meadow/large"), fake_computer(), fake_size("meadow/large"), "default"
    )
    assert lines[0] == "This computer is shared while you are away."
    assert "2.5 GB are fetched to chat with it (212 GB are free on the disk)." in lines
    chats = summarise(Choices(shares=False), None, None, describe_default_swarm(0))
    assert chats[0] == "Nothing is shared; you chat."
    assert "this computer alone" in chats[1]
    begun = summarise(Choices(shares=False, swarm="new"), None, None, "default")
    assert begun[1].endswith("is on the page “Swarm”.")  # where it is indeed


def test_a_name_that_no_swarm_can_have_is_told_where_it_is_written() -> None:
    unfit = Choices(swarm="new", swarm_name="Café")
    assert not can_leave("where", unfit)
    assert fault_of_choice(unfit).startswith("A name has")
    assert can_leave("where", Choices(swarm="default", swarm_name="Café"))  # it is not used
    assert fault_of_choice(Choices(swarm="join", invitation="https://example.org")).startswith("This is no invitation")
    assert fault_of_choice(Choices(swarm="join")) == ""


@pytest.mark.parametrize(("size", "words"), [(1, "1 MB"), (312e6, "312 MB"), (1.44e9, "1.4 GB"), (212e9, "212 GB")])
def test_sizes_are_round(size: float, words: str) -> None:
    assert describe_size(size) == words


@pytest.fixture
def window(link: EngineLink) -> Iterator[WelcomeWindow]:
    window = WelcomeWindow(WelcomeDesk(link, parent=link))
    window.show()
    settle()
    yield window
    window.hide()
    window.deleteLater()
    settle()


def press(window: WelcomeWindow, name: str) -> None:
    kinds = (QPushButton, QRadioButton, QAbstractButton)
    button = next(found for kind in kinds if (found := window.findChild(kind, name)) is not None)
    assert button.isEnabled(), name
    button.click()
    settle()


def write(window: WelcomeWindow, name: str, text: str) -> None:
    line = window.findChild(QLineEdit, name)
    assert line is not None
    QTest.keyClicks(line, text)


def test_a_volunteer_joins_a_swarm_with_a_model_and_starts_at_login(
    window: WelcomeWindow, link: EngineLink, start_engine: StartEngine
) -> None:
    engine = start_engine("off")
    connect(link)
    wait_until(lambda: window._desk.computer is not None and window._desk.autostart is not None)
    ended: list[bool] = []
    window.finished_all.connect(lambda: ended.append(True))
    press(window, "welcome-continue")
    press(window, "choose-share")
    press(window, "welcome-continue")
    press(window, "choose-join")
    write(window, "invitation", "meadow://join?peer=x")
    write(window, "model", "meadow/large")
    press(window, "welcome-continue")
    wait_until(lambda: window._place == 3)
    press(window, "start-at-login")
    assert (engine.commands, engine.sharing.is_allowed) == ([], False)  # nothing before the last click
    press(window, "welcome-continue")
    wait_until(lambda: bool(ended))
    assert engine.sharing.is_allowed
    assert engine.disk.autostart.is_on
    assert [path for path, _body in engine.commands] == ["/api/swarms/join", "/api/downloads", "/api/restart"]
    assert engine.settings_value("model") == "meadow/large"


def test_an_invitation_to_nobody_is_told_and_can_be_mended(
    window: WelcomeWindow, link: EngineLink, start_engine: StartEngine
) -> None:
    engine = start_engine("off")
    connect(link)
    for name in ("welcome-continue", "choose-share", "welcome-continue", "choose-join"):
        press(window, name)
    write(window, "invitation", "meadow://join?peer=unreachable")
    press(window, "welcome-continue")
    wait_until(lambda: window._place == 3)
    press(window, "welcome-continue")
    notice = window.findChild(NoticeBar)
    assert notice is not None
    wait_until(notice.isVisible)
    assert not engine.sharing.is_allowed  # what failed comes before sharing
    press(window, "welcome-back")
    press(window, "choose-default-swarm")
    press(window, "welcome-continue")
    wait_until(lambda: window._place == 3)
    press(window, "welcome-continue")
    wait_until(lambda: engine.sharing.is_allowed)


def test_a_model_that_is_none_is_told_before_the_summary(
    window: WelcomeWindow, link: EngineLink, start_engine: StartEngine
) -> None:
    start_engine("off")
    connect(link)
    for name in ("welcome-continue", "choose-chat", "welcome-continue"):
        press(window, name)
    write(window, "model", "nothing")
    press(window, "welcome-continue")
    notice = window.findChild(NoticeBar)
    assert notice is not None
    wait_until(notice.isVisible)
    assert window._place == 2


def test_without_an_engine_the_screens_can_be_read_and_the_last_click_waits(window: WelcomeWindow) -> None:
    for name in ("welcome-continue", "choose-chat", "welcome-continue", "welcome-continue", "welcome-continue"):
        press(window, name)
    notice = window.findChild(NoticeBar)
    assert notice is not None
    assert notice.isVisible()
    assert window.isVisible()


def test_an_engine_that_goes_away_in_the_middle_is_told_and_the_last_click_can_be_repeated(
    window: WelcomeWindow, link: EngineLink, start_engine: StartEngine
) -> None:
    engine = start_engine("off")
    connect(link)
    for name in ("welcome-continue", "choose-share", "welcome-continue", "welcome-continue", "welcome-continue"):
        press_at_once(window, name)
    assert link._stream is not None
    link._stream.close()  # as when the engine ends
    notice = window.findChild(NoticeBar)
    assert notice is not None
    assert notice.isVisible()
    wait_until(lambda: isinstance(link.state, Connected))
    ended: list[bool] = []
    window.finished_all.connect(lambda: ended.append(True))
    press(window, "welcome-continue")
    wait_until(lambda: bool(ended))
    assert engine.sharing.is_allowed


def press_at_once(window: WelcomeWindow, name: str) -> None:
    """Without waiting for what comes of it."""
    button = window.findChild(QAbstractButton, name)
    assert button is not None
    button.click()


def test_what_is_wrong_with_an_invitation_is_said_right_below_it(
    window: WelcomeWindow, link: EngineLink, start_engine: StartEngine
) -> None:
    start_engine("off")
    connect(link)
    for name in ("welcome-continue", "choose-chat", "welcome-continue", "choose-join"):
        press(window, name)
    write(window, "invitation", "https://example.org")
    settle()
    places = [window.findChild(QLineEdit, name) for name in ("invitation", "swarm-name")]
    told = next(each for each in window.findChildren(QLabel) if each.isVisible() and "no invitation" in each.text())
    tops = [each.mapTo(window, QPoint(0, 0)).y() for each in (places[0], told, places[1]) if each is not None]
    assert tops == sorted(tops)
    assert len(tops) == 3
