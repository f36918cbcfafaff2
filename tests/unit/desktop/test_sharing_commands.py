"""Pausing, resuming and sharing anyway: from a click in the window to the engine and back."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QPushButton

from fakes.clock import FakeClock
from fakes.desktop_qt import settle, wait_until
from fakes.engine_link import connect
from meadow_desktop.engine.link import EngineLink
from meadow_desktop.fake_engine import FakeEngine
from meadow_desktop.fakes_of_engine.sharing import FakeSharing
from meadow_desktop.tray.view import EngineView, present
from meadow_desktop.windows.status_strip import StatusStrip
from meadow_engine.api.errors import Problem
from meadow_engine.api.status import SharingState

StartEngine = Callable[..., FakeEngine]


@pytest.fixture
def strip(link: EngineLink) -> Iterator[StatusStrip]:
    """The strip of a wide window, wired as in the program."""
    strip = StatusStrip()
    strip.resize(1000, 60)

    def show() -> None:
        strip.show_view(present(link.state), is_pending=link.is_sharing_pending)

    link.changed.connect(show)
    strip.pause_asked.connect(link.pause)
    strip.resume_asked.connect(link.resume)
    strip.anyway_asked.connect(link.share_anyway)
    show()
    strip.show()
    settle()
    yield strip
    link.changed.disconnect(show)
    strip.hide()
    strip.deleteLater()
    settle()


def test_the_strip_is_as_high_for_one_line_as_for_two(strip: StatusStrip) -> None:
    heights = []
    for detail in ("", "Nothing is shared until you agree to it."):
        strip.show_view(EngineView("off", "Not sharing", detail), is_pending=False)
        settle()
        heights.append((strip.sizeHint().height(), strip.minimumSizeHint().height()))
    assert heights[0] == heights[1]


def headline(link: EngineLink) -> str:
    return present(link.state).headline


def button(strip: StatusStrip, name: str) -> QPushButton:
    found = strip.findChild(QPushButton, name)
    assert found is not None, name
    return found


def offered(strip: StatusStrip) -> set[str]:
    return {each.objectName() for each in strip.findChildren(QPushButton) if each.isVisible()}


def click(strip: StatusStrip, name: str) -> None:
    QTest.mouseClick(button(strip, name), Qt.MouseButton.LeftButton)


def test_a_pause_from_the_window_s_button_is_ended_by_the_button_in_its_place(
    link: EngineLink, strip: StatusStrip, start_engine: StartEngine
) -> None:
    start_engine("sharing")
    connect(link)
    assert offered(strip) == {"pause"}
    (four_hours,) = [action for action in button(strip, "pause").menu().actions() if action.text() == "4 hours"]
    four_hours.trigger()
    wait_until(lambda: headline(link) == "Paused: 4 hours left")
    wait_until(lambda: offered(strip) == {"resume"} and button(strip, "resume").isEnabled())
    click(strip, "resume")
    wait_until(lambda: present(link.state).shape == "sharing")
    wait_until(lambda: offered(strip) == {"pause"})


def test_sharing_that_waits_can_begin_anyway(link: EngineLink, strip: StatusStrip, start_engine: StartEngine) -> None:
    start_engine("waiting")
    connect(link)
    wait_until(lambda: offered(strip) == {"pause", "share-anyway"})
    click(strip, "share-anyway")
    wait_until(lambda: present(link.state).shape == "sharing")
    wait_until(lambda: offered(strip) == {"pause"})


def test_nothing_is_offered_without_an_engine_or_without_consent(
    link: EngineLink, strip: StatusStrip, start_engine: StartEngine
) -> None:
    assert offered(strip) == set()
    start_engine("off")
    connect(link)
    settle()
    assert offered(strip) == set()


def test_a_second_command_waits_for_the_answer_to_the_first(link: EngineLink, start_engine: StartEngine) -> None:
    start_engine("sharing")
    connect(link)
    link.pause("1h")
    link.resume()  # not heard: what it would end is not known yet
    assert link.is_sharing_pending
    wait_until(lambda: not link.is_sharing_pending)
    assert headline(link) == "Paused: 1 hour left"


def test_a_reason_that_cannot_be_left_out_is_a_sentence(link: EngineLink, start_engine: StartEngine) -> None:
    start_engine("paused")
    connect(link)
    problems: list[Problem] = []
    link.sharing_failed.connect(problems.append)
    link.share_anyway("paused")
    wait_until(lambda: bool(problems))
    assert problems[0].message == "This is no reason that can be left out."
    assert headline(link).startswith("Paused")


def test_what_else_there_is_to_know_has_a_line_of_its_own(strip: StatusStrip) -> None:
    strip.show_view(EngineView("off", "Waiting", "Because.", "Also: for another reason."), is_pending=False)
    settle()
    shown = [label.text() for label in strip.findChildren(QLabel) if label.isVisible() and label.text()]
    assert shown == ["Waiting", "Because.", "Also: for another reason."]


def ask(engine: FakeEngine, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
    """Status and body of the fake engine's answer."""
    request = urllib.request.Request(
        engine.url + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {engine.token}"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_fake_engine_finishes_until_it_is_resumed(start_engine: StartEngine) -> None:
    engine = start_engine("sharing")
    status, body = ask(engine, "POST", "/api/drain", {})
    assert (status, body["sharing"], body["reasons"][0]["code"]) == (200, "paused", "finishing")
    assert ask(engine, "POST", "/api/resume", {})[1]["sharing"] == "sharing"


def test_the_fake_engine_takes_settings_and_refuses_wrong_ones(start_engine: StartEngine) -> None:
    engine = start_engine("off")
    status, overview = ask(engine, "PATCH", "/api/settings", {"values": {"share": True, "port": 8000}})
    assert status == 200
    assert {row["name"] for row in overview["settings"] if row["source"] == "file"} == {"share", "port"}
    assert engine.status().sharing == "sharing"
    status, problem = ask(engine, "PATCH", "/api/settings", {"values": {"port": "many"}})
    assert (status, problem["code"]) == (400, "settings-refused")
    assert ask(engine, "GET", "/api/settings")[1] == overview


def test_the_fake_engine_s_pause_ends_by_itself() -> None:
    clock = FakeClock()
    sharing = FakeSharing("sharing", clock)
    sharing.pause("30m")
    clock.advance(1799)
    assert (sharing.state, sharing.may_begin_s) == ("paused", 1)
    clock.advance(1)
    assert (sharing.state, sharing.reasons) == ("sharing", [])


@pytest.mark.parametrize("state", ["off", "paused", "waiting", "failed"])
def test_the_fake_engine_s_consent_goes_and_comes_back(state: SharingState) -> None:
    sharing = FakeSharing(state, FakeClock())
    sharing.allow(False)
    assert sharing.state in {"off", "paused"}
    assert "no-consent" in [reason.code for reason in sharing.reasons]
    sharing.allow(True)
    assert sharing.state == ("sharing" if state in {"off", "paused"} else state)
