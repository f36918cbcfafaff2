"""Switch hosting on and off while the engine runs, and say in which state it is.

Layers are hosted by a process of their own (`host/`): what fails there ends no chat, and what it took is free again
when it has ended, whatever it was doing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from meadow_client.errors import describe_layers
from meadow_engine.api.status import SharingState, Span
from meadow_engine.host.child import COMMAND, HostChild, running_host
from meadow_engine.host.protocol import Ending, Failed, Helped, Limits, Loading, Order, Served, Serving

LEAVE_S = 30.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0
# Who has been hosting for so long did not fail at the start: the next failure is counted as the first.
_STEADY_S = 120.0

# Somebody who has ended the host process by hand does not want to see it again at once.
_ENDED_BY_HAND_PAUSE_S = 60.0
# An expected failure may be gone by itself: a network that is down, memory that others hold.
_TRY_AGAIN_S = 600.0

_BY_HAND = "Somebody has ended the part that hosts layers"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hosted:
    """What is hosted now."""

    span: Span
    peer: str
    address: list[str]
    parameters: int = 0


@dataclass(frozen=True)
class _Ended:
    """The host process is gone though it is wanted: a sentence, and how long it stays away at least."""

    why: str
    pause_s: float = 0.0


class Sharing:
    """Hosts a span while it is wanted. `run` is its one task."""

    def __init__(self, order: Callable[[], Order], command: Sequence[str] = COMMAND) -> None:
        """`order` says what to host, at the time when that begins; `command` starts the host process."""
        self._order = order
        self._command = command
        self._wanted = False
        self._leave_within_s = LEAVE_S
        self._why_not = "Sharing is switched off"
        self._changed = asyncio.Event()
        self._child: HostChild | None = None
        self._tokens_before = 0
        self.state: SharingState = "off"
        self.detail = self._why_not
        self.hosted: Hosted | None = None
        self.sessions = 0
        self.tokens = 0
        self.on_change: Callable[[], None] = lambda: None
        self.on_traffic: Callable[[int, int], None] = lambda _sent_bytes, _received_bytes: None
        """Hears of bytes that were sent and received for others since it was called last."""
        self.on_helped: Callable[[Helped], None] = lambda _helped: None
        """Hears what was computed for others."""

    def want(self, enabled: bool, why_not: str = "Sharing is switched off", within_s: float = LEAVE_S) -> None:
        """Ask for sharing, or for its end within some seconds; `state` follows."""
        self._why_not, self._leave_within_s = why_not, within_s
        if enabled != self._wanted or (enabled and self.state == "failed"):
            self._wanted = enabled
            self._changed.set()
        elif not enabled:
            self._changed.set()  # the reason may be another one, or the time shorter

    def limit(self, limits: Limits) -> None:
        """Change the limits of what is hosted now; the next order has them anyway."""
        if self._child is not None:
            self._child.order(limits)

    async def run(self) -> None:
        """Follow `want` until cancelled; then conversations are handed over, too."""
        pause_s = _FIRST_PAUSE_S
        while True:
            self._changed.clear()
            if not self._wanted:
                pause_s = _FIRST_PAUSE_S
                self._say("off", self._why_not)
                await self._changed.wait()
                continue
            began_s = _now()
            ended = await self._share()
            if ended is None:
                continue
            if _now() - began_s > _STEADY_S:
                pause_s = _FIRST_PAUSE_S
            log.warning("%s", ended.why)
            now_pause_s = max(pause_s, ended.pause_s)
            self._say("starting", f"{ended.why}. Starting again in {now_pause_s:.0f} s")
            await self._pause(now_pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _share(self) -> _Ended | None:
        """Host until it is not wanted any more, or until the host process has ended without that."""
        self._say("starting", "Starting")
        order = self._order()
        try:
            async with running_host(order, self._command) as child:
                self._child = child
                try:
                    return await self._follow(child)
                except asyncio.CancelledError:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self._hear_of_help(child))
                        await self._end(child, self._leave_within_s)
                    raise
        except OSError as error:
            return _Ended(f"The part that hosts layers cannot be started ({error.strerror or error})")
        finally:
            self._tokens_before, self.sessions = self.tokens, 0
            self._child, self.hosted = None, None

    async def _follow(self, child: HostChild) -> _Ended | None:
        async with asyncio.TaskGroup() as group:
            hearing = group.create_task(self._hear(child))
            changing = group.create_task(self._until_unwanted())
            await asyncio.wait((hearing, changing), return_when=asyncio.FIRST_COMPLETED)
            was_left = not hearing.done()
            if was_left:
                await self._end(child, self._leave_within_s)
            changing.cancel()
        if isinstance(last_word := hearing.result(), Failed):
            log.warning("Sharing failed: %s", last_word.message)
            if self._wanted:
                self._changed.clear()
                self._say("failed", f"{last_word.message}. {last_word.advice}".strip())
                with suppress(TimeoutError):
                    async with asyncio.timeout(_TRY_AGAIN_S):
                        await self._changed.wait()
            return None
        code = await child.wait()
        if was_left or not self._wanted:
            return None
        if isinstance(last_word, Ending):
            return _Ended(f"{_BY_HAND}; pause Meadow if it shall stay away", _ENDED_BY_HAND_PAUSE_S)
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return _Ended(f"The part that hosts layers ended unexpectedly ({how})")

    async def _until_unwanted(self) -> None:
        while self._wanted:
            await self._changed.wait()
            self._changed.clear()

    async def _end(self, child: HostChild, within_s: float) -> None:
        self._say("stopping", "Giving the memory back")
        async with asyncio.TaskGroup() as group:
            leaving = group.create_task(child.leave(within_s))
            while not leaving.done():
                self._changed.clear()
                changing = group.create_task(self._changed.wait())
                await asyncio.wait((leaving, changing), return_when=asyncio.FIRST_COMPLETED)
                changing.cancel()
                if not leaving.done() and self._leave_within_s < within_s:  # the person cannot wait any more
                    within_s = self._leave_within_s
                    group.create_task(child.leave(within_s))
        self._changed.set()

    async def _hear(self, child: HostChild) -> Failed | Ending | None:
        """Follow its reports until it ends; its last word, if it said why it ends."""
        last_word: Failed | Ending | None = None
        sent_before, received_before = 0, 0
        async for report in child.reports():
            match report:
                case Loading(model) if self.state == "starting":
                    self._say("starting", f"Loading layers of {model}")
                case Serving(model, start, end, peer, address, parameters) if self.state == "starting":
                    self.hosted = Hosted(Span(start=start, end=end), peer, address, parameters)
                    self._say("sharing", f"Holding {describe_layers([(start, end)])} of {model}")
                case Served(sessions, tokens, sent_bytes, received_bytes):
                    self.sessions, self.tokens = sessions, self._tokens_before + tokens
                    self.on_traffic(sent_bytes - sent_before, received_bytes - received_before)
                    sent_before, received_before = sent_bytes, received_bytes
                    self.on_change()
                case Helped():
                    self.on_helped(report)
                case Failed():
                    last_word = report
                case Ending():
                    last_word = report
                    self._say("stopping", f"{_BY_HAND}; conversations move on")
        return last_word

    async def _hear_of_help(self, child: HostChild) -> None:
        """What it still computes for others while everything ends."""
        async for report in child.reports():
            if isinstance(report, Helped):
                self.on_helped(report)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._until_unwanted()
        except TimeoutError:
            pass

    def _say(self, state: SharingState, detail: str) -> None:
        if (state, detail) != (self.state, self.detail):
            self.state, self.detail = state, detail
            self.on_change()


def _now() -> float:
    return asyncio.get_running_loop().time()
