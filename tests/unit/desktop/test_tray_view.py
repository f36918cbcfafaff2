"""What the tray says, and whether its icons can be told apart without colour."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any, get_args

import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from meadow_desktop.engine.link_state import Connected, Searching, Unreachable
from meadow_desktop.tray.icon import draw_pixmap
from meadow_desktop.tray.icon_files import write_icons
from meadow_desktop.tray.view import EngineView, IconShape, describe_for_tooltip, present
from meadow_desktop.tray.waiting_words import describe_reason, describe_remaining, describe_waiting
from meadow_engine.api.errors import Problem
from meadow_engine.api.status import EngineStatus, SharingState, Span, WhyNot
from meadow_engine.policy.reasons import REASON_KINDS

ICONS = Path(__file__).resolve().parents[3] / "assets" / "meadow_assets" / "icons"
STATUS = EngineStatus(
    version="1",
    pid=1,
    peer="12D3",
    name="me",
    address=[],
    uptime_s=1,
    device="cpu",
    is_sharing_allowed=True,
    sharing="sharing",
    model="models/meadow-demo",
    span=Span(start=0, end=3),
    sessions=2,
    tokens_served=1234,
    peers=1,
    base_url="http://127.0.0.1:1/v1",
)


HERE = WhyNot(code="person-here", sentence="You are using this computer.", may_end_s=170, can_share_anyway=True)
BATTERY = WhyNot(code="on-battery", sentence="The computer runs on its battery.", may_end_s=None, can_share_anyway=True)


def why_not(code: str, sentence: str, may_end_s: float | None = None, *, can_share_anyway: bool = False) -> WhyNot:
    return WhyNot(code=code, sentence=sentence, may_end_s=may_end_s, can_share_anyway=can_share_anyway)


def view_of(**members: Any) -> EngineView:
    """What is shown of an engine in this state."""
    return present(Connected(STATUS.model_copy(update=members), is_ours=False))


def test_sharing_says_which_layers_and_whom_it_helps() -> None:
    view = present(Connected(STATUS, is_ours=True))
    assert view.headline == "Sharing layers 0–2 of meadow-demo"
    assert (
        view.detail == "2 conversations helped now · 1,234 tokens computed for others · 1 other computer in the swarm"
    )
    assert (view.shape, view.is_share_checked) == ("sharing", True)
    assert describe_for_tooltip(view).startswith("Meadow: Sharing")


@pytest.mark.parametrize(
    ("sharing", "shape"),
    [
        ("off", "off"),
        ("waiting", "waiting"),
        ("paused", "paused"),
        ("starting", "starting"),
        ("stopping", "starting"),
        ("failed", "attention"),
    ],
)
def test_each_state_has_words(sharing: SharingState, shape: str) -> None:
    view = view_of(sharing=sharing, sharing_detail="because")
    assert view.shape == shape
    assert view.headline
    assert view.detail == "Because."


@pytest.mark.parametrize("sharing", get_args(SharingState))
def test_the_switch_shows_the_consent_whatever_the_engine_does(sharing: SharingState) -> None:
    assert view_of(sharing=sharing).is_share_checked
    withdrawn = view_of(sharing=sharing, is_sharing_allowed=False)
    assert withdrawn.is_share_checked is False
    assert not withdrawn.can_pause


def test_waiting_says_for_what_and_until_when_and_what_else_there_is_to_wait_for() -> None:
    view = view_of(sharing="waiting", reasons=[HERE, BATTERY], may_begin_s=170)
    assert view.headline == "Waiting: you are here"
    assert view.detail == "Sharing may begin in 3 minutes. You are using this computer."
    assert view.notes == "Also: The computer runs on its battery."
    assert (view.anyway_code, view.can_pause, view.can_resume) == ("person-here", True, False)


def test_waiting_for_nobody_knows_how_long_names_no_time() -> None:
    view = view_of(sharing="waiting", reasons=[BATTERY])
    assert (view.headline, view.detail) == ("Waiting: running on battery", "The computer runs on its battery.")


def test_a_reason_of_a_newer_engine_is_shown_in_its_own_words() -> None:
    view = view_of(sharing="waiting", reasons=[why_not("full-moon", "The moon is full.", can_share_anyway=False)])
    assert (view.headline, view.detail, view.anyway_code) == ("Waiting", "The moon is full.", "")


def test_every_reason_to_wait_has_short_words() -> None:
    own_decisions = {"paused", "no-consent", "switched-off", "finishing"}
    for kind in REASON_KINDS:
        if kind.code not in own_decisions:
            assert describe_waiting(kind.code) != "Waiting", kind.code
            assert len(describe_waiting(kind.code)) <= 40, kind.code


def test_a_pause_says_when_it_ends_even_if_sharing_cannot_begin_then() -> None:
    view = view_of(sharing="paused", reasons=[why_not("paused", "You paused sharing.", 3541), BATTERY])
    assert view.headline == "Paused: 1 hour left"
    assert (view.can_resume, view.can_pause, view.anyway_code) == (True, False, "")
    assert view_of(sharing="paused", reasons=[why_not("paused", "You paused.")]).headline == "Paused"


def test_a_pause_can_be_taken_back_while_sharing_still_ends() -> None:
    view = view_of(sharing="stopping", reasons=[why_not("paused", "You paused sharing.", 3600)])
    assert (view.can_resume, view.can_pause) == (True, False)


def test_advice_and_what_is_wrong_with_the_settings_are_told_in_every_state() -> None:
    for sharing in get_args(SharingState):
        view = view_of(sharing=sharing, advice="lock the screen", problems=["idle_s: must be a number"])
        assert view.notes == "idle_s: must be a number. Lock the screen."
        assert describe_for_tooltip(view).endswith(view.notes)


def test_a_tooltip_says_everything_in_short_lines() -> None:
    view = EngineView("waiting", "Waiting", "You are using this computer. " * 6, "https://example.org/" + "a" * 80)
    lines = describe_for_tooltip(view).splitlines()
    assert lines[0] == "Meadow: Waiting"
    assert " ".join(lines[1:]) == f"{view.detail.strip()} {view.notes}"
    assert max(map(len, lines[:-1])) <= 64  # what cannot be broken stays whole


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute"),
        (59.9, "less than a minute"),
        (60, "1 minute"),
        (61, "2 minutes"),
        (3599, "1 hour"),
        (5400, "1 hour 30 minutes"),
        (14400, "4 hours"),
    ],
)
def test_time_to_come_is_rounded_up_to_minutes(seconds: float, words: str) -> None:
    assert describe_remaining(seconds) == words


def test_without_an_engine_the_switch_cannot_be_used() -> None:
    searching = present(Searching("Starting the engine…"))
    assert (searching.shape, searching.can_share) == ("starting", False)
    gone = present(Unreachable(Problem(code="x", message="No engine runs", advice="Start one"), can_retry=True))
    assert (gone.shape, gone.headline, gone.detail) == ("attention", "No engine runs", "Start one.")
    assert gone.can_retry
    for view in (searching, gone):
        assert not (view.can_share)
        assert not (view.can_pause)
        assert not (view.can_resume)
        assert not (view.anyway_code)


@pytest.mark.parametrize("size", [16, 22, 64])
def test_icons_differ_in_shape_and_not_only_in_colour(application: QApplication, size: int) -> None:
    def outline(shape: IconShape) -> list[bool]:
        image = draw_pixmap(shape, size).toImage()
        return [image.pixelColor(x, y).alpha() > 127 for x in range(size) for y in range(size)]

    outlines = {shape: outline(shape) for shape in get_args(IconShape)}
    for one, other in combinations(outlines, 2):
        different = sum(a != b for a, b in zip(outlines[one], outlines[other], strict=True))
        assert different > 0.12 * size * size, (one, other)


def test_the_icon_files_are_those_that_the_program_draws(application: QApplication, tmp_path: Path) -> None:
    for drawn in write_icons(tmp_path):
        kept = ICONS / drawn.name
        if drawn.suffix == ".svg":
            assert kept.read_text(encoding="utf-8") == drawn.read_text(encoding="utf-8")
        else:
            assert QImage(str(kept)) == QImage(str(drawn)), drawn.name


def test_a_reason_is_told_in_the_engines_words_or_put_together_from_its_template() -> None:
    told = WhyNot(code="person-here", sentence="You are here.", may_end_s=None, can_share_anyway=True)
    assert describe_reason(told) == "You are here."
    words = {"idle": "3 minutes", "other": "1.5 hours"}
    template = told.model_copy(update={"template": "Away for {idle}, or {other}.", "words": words})
    assert describe_reason(template) == "Away for 3 minutes, or 1.5 hours."
    newer = told.model_copy(update={"template": "Away for {unknown}.", "words": words})
    assert describe_reason(newer) == "You are here."
