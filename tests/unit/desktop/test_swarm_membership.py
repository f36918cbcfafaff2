"""The card "Your swarms": what it says, and what its buttons ask of the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QLabel, QLineEdit, QPushButton

from fakes.desktop_qt import settle, wait_until
from meadow_client.errors import BadAddressError, MeadowError, SwarmUnreachableError
from meadow_desktop.engine.link import EngineLink
from meadow_desktop.engine.link_state import Connected
from meadow_desktop.fake_engine import FakeEngine
from meadow_desktop.swarm.joining import is_swarm_name
from meadow_desktop.swarm.membership_desk import MembershipDesk
from meadow_desktop.swarm.membership_view import (
    MembershipView,
    explain_refusal,
    fault_of_name,
    present_membership,
)
from meadow_desktop.windows.swarm.membership_card import MembershipCard
from meadow_engine.api.errors import Problem
from meadow_engine.api.swarms import JoinSwarm, NewSwarm, SwarmEntry, SwarmsOverview

StartEngine = Callable[..., FakeEngine]

DEFAULT = SwarmEntry(
    name="default", is_default=True, is_in_use=False, is_own=False, invitation="meadow://join?a", computers=None
)
LAB = SwarmEntry(name="Lab 3", is_default=False, is_in_use=True, is_own=True, invitation="meadow://join?b", computers=2)


def view_of(*swarms: SwarmEntry, needs_restart: bool = False) -> MembershipView:
    view = present_membership(SwarmsOverview(swarms=list(swarms), needs_restart=needs_restart))
    assert view is not None
    return view


def test_the_swarm_in_use_comes_first_with_what_its_invitation_means() -> None:
    view = view_of(DEFAULT, LAB)
    assert (view.used.title, view.used.can_leave) == ("Lab 3", True)
    assert view.used.words == "In use · begun by this computer · 2 other computers are connected now."
    assert view.used.invitation_words.startswith("Whoever has the link can join")
    assert [other.title for other in view.others] == ["The swarm of your settings"]
    assert view.restart == ""


def test_a_swarm_that_waits_for_a_restart_is_not_said_to_be_in_use() -> None:
    view = view_of(DEFAULT, LAB.model_copy(update={"computers": None}), needs_restart=True)
    assert view.used.words == "In use from the next start on · begun by this computer."
    assert view.restart.startswith("The engine is still in the swarm where it was.")


def test_the_default_swarm_can_be_gone_back_to_and_cannot_be_left() -> None:
    (default,) = view_of(DEFAULT, LAB).others
    assert (default.can_use, default.can_leave) == (True, False)


def test_a_swarm_without_an_address_has_no_invitation() -> None:
    alone = DEFAULT.model_copy(update={"is_in_use": True, "invitation": "", "computers": 0})
    used = view_of(alone).used
    assert used.words == "In use · no other computer is connected now."
    assert used.invitation_words.startswith("There is no invitation yet")


def test_every_kept_swarm_but_the_one_in_use_can_be_used_again() -> None:
    others = LAB.model_copy(update={"is_in_use": False, "is_own": False, "computers": None})
    view = view_of(DEFAULT.model_copy(update={"is_in_use": True}), others)
    assert (view.used.can_use, view.others[0].can_use) == (False, True)


def test_nothing_is_shown_before_the_engine_has_spoken() -> None:
    assert present_membership(None) is None


def test_names_are_those_that_the_engine_takes() -> None:
    assert is_swarm_name("Lab 3")
    assert is_swarm_name("")
    assert not is_swarm_name("Café")
    assert fault_of_name("Lab 3") == ""
    assert fault_of_name("-x").startswith("A name has")


def test_advice_for_the_command_line_is_not_given_in_a_window() -> None:
    taken = Problem(
        code="swarm-name-taken",
        message="There is a swarm called x already",
        advice="Give another name with --name.",
    )
    assert explain_refusal(taken) == "There is a swarm called x already. Choose another name."


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SwarmUnreachableError(["/ip4/192.0.2.7/tcp/1/p2p/12D3KooWabc", "b"]), "Nobody answered at the computers of"),
        (BadAddressError("'meadow://join?peer=x' is not a Meadow invitation"), "This invitation is damaged, or a part"),
    ],
)
def test_why_an_invitation_is_no_use_is_said_without_addresses_and_commands(error: MeadowError, words: str) -> None:
    told = explain_refusal(Problem(code=error.code, message=str(error), advice=error.advice))
    assert told.startswith(words)
    assert not set("/`") & set(told)


@pytest.fixture
def desk(link: EngineLink) -> MembershipDesk:
    return MembershipDesk(link, parent=link)


@pytest.fixture
def card(desk: MembershipDesk) -> Iterator[MembershipCard]:
    card = MembershipCard(desk)
    card.resize(700, 300)
    yield card
    card.hide()
    card.deleteLater()
    settle()


def show(card: MembershipCard, desk: MembershipDesk, link: EngineLink) -> None:
    link.begin()
    wait_until(lambda: isinstance(link.state, Connected))
    desk.watch()
    wait_until(lambda: desk.view is not None)
    card.show()


def press(card: QDialog | MembershipCard, name: str) -> QPushButton:
    button = next(each for each in card.findChildren(QPushButton, name) if each.isVisible())
    assert button.isEnabled(), name
    button.click()
    settle()
    return button


def dialog() -> QDialog:
    found = QApplication.activeModalWidget()
    assert isinstance(found, QDialog)
    return found


def write(name: str, text: str) -> None:
    field = dialog().findChild(QLineEdit, name)
    assert field is not None
    field.clear()
    QTest.keyClicks(field, text)


def fault() -> str:
    label = dialog().findChild(QLabel, "trouble")
    assert label is not None
    return label.text()


def test_a_new_swarm_is_begun_its_invitation_copied_and_the_engine_restarted(
    card: MembershipCard, desk: MembershipDesk, link: EngineLink, start_engine: StartEngine
) -> None:
    engine = start_engine("sharing")
    show(card, desk, link)
    press(card, "new-swarm")
    write("new-swarm-name", "Lab/3")
    assert fault().startswith("A name has")
    write("new-swarm-name", "Lab 3")
    assert fault() == ""
    press(dialog(), "membership-do")
    wait_until(lambda: QApplication.activeModalWidget() is None)
    view = desk.view
    assert view is not None
    assert view.used.title == "Lab 3"
    assert view.restart.startswith("The engine is still")
    copy = press(card, "copy-invitation")
    assert (QGuiApplication.clipboard().text(), copy.text()) == (view.used.invitation, "Copied")
    press(card, "restart-engine")
    wait_until(lambda: desk.view is not None and desk.view.restart == "")
    assert [path for path, _body in engine.commands] == ["/api/swarms/new", "/api/restart"]


def test_why_a_swarm_cannot_be_joined_is_said_beside_the_field(
    card: MembershipCard, desk: MembershipDesk, link: EngineLink, start_engine: StartEngine
) -> None:
    start_engine("sharing")
    show(card, desk, link)
    told: list[Problem] = []
    card.problem_found.connect(told.append)
    press(card, "join-swarm")
    write("join-invitation", "https://example.org")
    assert fault().startswith("This is no invitation")
    write("join-invitation", "meadow://join?unreachable")
    press(dialog(), "membership-do")
    wait_until(lambda: fault().startswith("Nobody answered at the computers of this invitation. Check that"))
    label = dialog().findChild(QLabel, "trouble")
    assert label is not None
    assert label.toolTip() == "Nobody answers at this invitation."  # as the engine says it
    write("join-invitation", "meadow://join?somebody")
    assert not label.toolTip()
    press(dialog(), "membership-do")
    wait_until(lambda: QApplication.activeModalWidget() is None)
    assert not told  # the window behind the dialog has nothing to add
    assert desk.view is not None
    assert desk.view.used.invitation == "meadow://join?somebody"


def test_a_long_reason_why_a_swarm_cannot_be_joined_finds_room(
    card: MembershipCard, desk: MembershipDesk, link: EngineLink, start_engine: StartEngine
) -> None:
    start_engine("sharing")
    show(card, desk, link)
    press(card, "join-swarm")
    desk.refused.emit(Problem(code="usage", message="Too long to be read in one line. " * 12))
    settle()
    label = dialog().findChild(QLabel, "trouble")
    assert label is not None
    assert label.height() >= label.heightForWidth(label.width())
    dialog().reject()


def test_kept_swarms_are_switched_to_and_left_after_a_question(
    card: MembershipCard, desk: MembershipDesk, link: EngineLink, start_engine: StartEngine
) -> None:
    engine = start_engine("sharing")
    engine.swarms.new(NewSwarm(name="Lab 3"))
    engine.swarms.join(JoinSwarm(invitation="meadow://join?b", name="Lab 4"))
    show(card, desk, link)
    press(card, "use-swarm-1")
    wait_until(lambda: desk.view is not None and desk.view.used.title == "Lab 3")
    press(card, "leave-swarm")
    press(dialog(), "confirm-leave-no")
    assert desk.view is not None
    assert desk.view.used.title == "Lab 3"
    press(card, "leave-swarm")
    press(dialog(), "confirm-leave-yes")
    wait_until(lambda: desk.view is not None and desk.view.used.title == "The swarm of your settings")
    assert [other.title for other in desk.view.others] == ["Lab 4"]


def test_an_engine_that_goes_away_in_the_middle_leaves_nothing_waiting(
    card: MembershipCard, desk: MembershipDesk, link: EngineLink, start_engine: StartEngine
) -> None:
    start_engine("sharing")
    show(card, desk, link)
    told: list[Problem] = []
    card.problem_found.connect(told.append)
    desk.begin("Lab 3")
    assert link._stream is not None
    link._stream.close()  # as when the engine ends
    wait_until(lambda: not desk.is_busy)
    assert [problem.code for problem in told] == ["engine-absent"]
    assert not card.isVisible()
