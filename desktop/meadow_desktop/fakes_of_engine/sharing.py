"""What the fake engine pretends about sharing: a state, made-up reasons for it, and the person's commands.

No computer is looked at: somebody is always "here" in the state `waiting`, and every command is obeyed at once.
Times are on the clock that is handed in. Threads: none of its own; the caller keeps a lock.
"""

from __future__ import annotations

from collections.abc import Callable

from meadow_desktop.fakes_of_engine.asked import Asked, Routes, refusal
from meadow_engine.api.commands import Pause, PauseLength, SetSharing, ShareAnyway
from meadow_engine.api.status import SharingState, WhyNot

_PAUSE_S: dict[PauseLength, float] = {"30m": 1800.0, "1h": 3600.0, "4h": 14400.0}
_PERSON_HERE = WhyNot(
    code="person-here",
    sentence="You are using this computer. Sharing waits until you have been away for 3 minutes.",
    template="You are using this computer. Sharing waits until you have been away for {idle}.",
    words={"idle": "3 minutes"},
    may_end_s=180.0,
    can_share_anyway=True,
)
_NO_CONSENT = WhyNot(
    code="no-consent",
    sentence="Nothing is shared until you agree to it.",
    template="Nothing is shared until you agree to it.",
    may_end_s=None,
    can_share_anyway=False,
)
_FINISHING = WhyNot(
    code="finishing",
    sentence="You asked Meadow to finish what is under way and to stop.",
    template="You asked Meadow to finish what is under way and to stop.",
    may_end_s=None,
    can_share_anyway=False,
)
_DETAILS: dict[SharingState, str] = {
    "starting": "Reading layers 0–2",
    "sharing": "",
    "stopping": "Handing conversations to other computers",
    "failed": "The graphics memory was full before all layers were read",
}


class FakeSharing:
    """`state` and `reasons` as the status shows them; it begins in `state`, and resuming leads back to it."""

    def __init__(self, state: SharingState, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._here: SharingState = "sharing" if state in ("off", "paused") else state
        self._pause: tuple[PauseLength, float | None] | None = None
        self._is_finishing = False
        self.is_allowed = state != "off"
        if state == "paused":
            self.pause("1h")

    @property
    def state(self) -> SharingState:
        """What it pretends to do now."""
        if self._is_finishing or self._left_s() != 0.0:
            return "paused"
        return self._here if self.is_allowed else "off"

    @property
    def reasons(self) -> list[WhyNot]:
        """Why nothing is shared."""
        found = []
        left_s = self._left_s()
        if self._pause is not None and left_s != 0.0:
            found.append(_paused(self._pause[0], left_s))
        found += [_NO_CONSENT] if not self.is_allowed else []
        found += [_FINISHING] if self._is_finishing else []
        found += [_PERSON_HERE] if self._here == "waiting" else []
        return found

    @property
    def detail(self) -> str:
        """The state in one line."""
        reasons = self.reasons
        return reasons[0].sentence if reasons else _DETAILS[self.state]

    @property
    def may_begin_s(self) -> float | None:
        """Seconds until the last of the reasons ends."""
        ends = [reason.may_end_s for reason in self.reasons]
        return None if None in ends else max((end for end in ends if end is not None), default=None)

    def routes(self) -> Routes:
        """Who does what; the caller keeps the lock meanwhile, and answers with the state."""
        return {
            ("POST", "/api/sharing"): lambda asked: self.allow(SetSharing.model_validate_json(asked.body).enabled),
            ("POST", "/api/pause"): lambda asked: self.pause(Pause.model_validate_json(asked.body).length),
            ("POST", "/api/resume"): lambda asked: self.resume(),
            ("POST", "/api/drain"): lambda asked: self.finish(),
            ("POST", "/api/share-anyway"): self._share_anyway,
        }

    def allow(self, enabled: bool) -> None:
        """The consent; given anew it ends a pause, and what fails goes on failing."""
        self.is_allowed = enabled
        if enabled:
            self.resume()

    def pause(self, length: PauseLength) -> None:
        """Share nothing for a while."""
        seconds = _PAUSE_S.get(length)
        self._pause = (length, None if seconds is None else self._clock() + seconds)

    def resume(self) -> None:
        """End pause and finishing."""
        self._pause, self._is_finishing = None, False

    def finish(self) -> None:
        """What is under way ends at once here."""
        self._is_finishing = True

    def share_anyway(self, code: str) -> bool:
        """Leave a reason out; False for one that is not here."""
        if code != _PERSON_HERE.code or self._here != "waiting":
            return False
        self._here = "sharing"
        return True

    def _share_anyway(self, asked: Asked) -> None:
        if not self.share_anyway(ShareAnyway.model_validate_json(asked.body).code):
            raise refusal("usage", "This is no reason that can be left out.")

    def _left_s(self) -> float | None:
        """Seconds the pause still lasts: 0 when there is none, None when time alone does not end it."""
        if self._pause is None:
            return 0.0
        until_s = self._pause[1]
        return None if until_s is None else max(0.0, until_s - self._clock())


def _paused(length: PauseLength, left_s: float | None) -> WhyNot:
    until = "until Meadow is started again" if length == "restart" else "until you resume it"
    detail = until if left_s is None else "for a while"
    return WhyNot(
        code="paused",
        sentence=f"You paused sharing {detail}.",
        template="You paused sharing {detail}.",
        words={"detail": detail},
        may_end_s=left_s,
        can_share_anyway=False,
    )
