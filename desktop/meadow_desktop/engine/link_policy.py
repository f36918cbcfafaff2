"""Decides whether to connect to an engine, to start one, or to wait, and says so in words. Pure.

Times are seconds that have passed ("how long ago"), never clock readings, so that nothing here needs a clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from meadow_desktop.engine.link_state import LinkState, Searching, Unreachable
from meadow_desktop.language import _
from meadow_engine.api.errors import Problem

Step = Literal["connect", "start", "wait"]

RECONNECT_PAUSE_S = 0.5
# Somebody else's engine that vanished may be restarting (an update, a supervisor): give it a moment.
COMEBACK_PATIENCE_S = 2.0
LOOK_AROUND_S = 3.0
ALREADY_RUNS_PAUSE_S = 10.0
START_AGAIN_PAUSE_S = 30.0
ALREADY_RUNS_EXIT_CODE = 3


@dataclass(frozen=True)
class EngineExit:
    """How an engine that this desktop started has ended."""

    code: int | None  # None: it could not even be started
    last_words: Problem | None
    had_connected: bool
    ago_s: float
    in_a_row: int = 1  # ends of engines since the last one that lived for a while


@dataclass(frozen=True)
class LinkFacts:
    """Everything the decision depends on."""

    has_record: bool  # engine.json is there and readable
    record_failed_s: float | None  # how long ago an attempt with this very record failed
    child_runs: bool
    may_start: bool
    searching_s: float
    lost_s: float | None = None  # how long ago an engine that answered went away
    last_exit: EngineExit | None = None


def decide(facts: LinkFacts) -> Step:
    """The next step while no engine is connected."""
    if facts.has_record and (facts.record_failed_s is None or facts.record_failed_s >= RECONNECT_PAUSE_S):
        return "connect"
    if facts.child_runs or not facts.may_start:
        return "wait"
    if facts.last_exit is not None:
        return "start" if facts.last_exit.ago_s >= pause_after(facts.last_exit) else "wait"
    if facts.lost_s is not None and facts.lost_s < COMEBACK_PATIENCE_S:
        return "wait"
    return "start"


def pause_after(ended: EngineExit) -> float:
    """Seconds to wait before another engine is started."""
    if ended.code == ALREADY_RUNS_EXIT_CODE:
        return ALREADY_RUNS_PAUSE_S
    if not ended.had_connected:
        return START_AGAIN_PAUSE_S
    return min(START_AGAIN_PAUSE_S, 0.25 * 4.0 ** (ended.in_a_row - 1))


def present(facts: LinkFacts) -> LinkState:
    """The same facts in words."""
    ended = facts.last_exit
    if ended is not None and not facts.child_runs:
        if ended.code == ALREADY_RUNS_EXIT_CODE:
            if ended.ago_s < LOOK_AROUND_S:
                return Searching(_("Another engine runs on this computer; waiting for it to answer…"))
            return Unreachable(_deaf(), can_retry=True)
        if not ended.had_connected:
            return Unreachable(ended.last_words or _ended_silently(ended), can_retry=True)
        if pause_after(ended) >= START_AGAIN_PAUSE_S:
            return Unreachable(ended.last_words or _ended_silently(ended), can_retry=True)
    if facts.may_start:
        if facts.lost_s is not None:
            return Searching(_("The engine stopped; starting it again…"))
        return Searching(_("Starting the engine…"))
    if facts.lost_s is not None:
        return Unreachable(_gone(), can_retry=False)
    if facts.searching_s < LOOK_AROUND_S:
        return Searching(_("Looking for the engine…"))
    return Unreachable(_absent(), can_retry=False)


def _ended_silently(ended: EngineExit) -> Problem:
    if ended.code is None:
        message = _("The engine could not be started")
    else:
        message = _("The engine ended with exit code {code}").format(code=ended.code)
    return Problem(
        code="engine-ended", message=message, advice=_("The file engine.log in Meadow's log folder may say why.")
    )


def _deaf() -> Problem:
    return Problem(
        code="engine-deaf",
        message=_("An engine already runs on this computer but does not answer"),
        advice=_("End it, or wait until it is ready; Meadow keeps looking for it."),
    )


def _gone() -> Problem:
    return Problem(
        code="engine-lost",
        message=_("The engine stopped"),
        advice=_("Meadow goes on by itself as soon as an engine runs again."),
    )


def _absent() -> Problem:
    return Problem(
        code="engine-absent",
        message=_("No engine runs on this computer"),
        advice=_("This window finds one by itself as soon as it runs."),
    )
