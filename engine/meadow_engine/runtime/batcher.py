"""Merges what sessions wait for into passes over the weights, one after the other.

Event loop only; passes run on the compute thread. Which steps share a pass is decided in `batching/passes.py`. A long
step takes several passes, and each part of its output is handed on as soon as it is there.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from weakref import WeakSet

import torch

from meadow_client.session.job import slice_step
from meadow_engine.batching.passes import SHORT_STEP_TOKENS, Candidate, PassCosts, plan_pass
from meadow_engine.batching.rhythm import (
    FEWEST_ALONE_TOKENS,
    LONGEST_RIDE_S,
    Rhythm,
    Utilisation,
    alone_tokens,
    expected_in,
    hold_s,
)
from meadow_engine.runtime.device import ComputeThread, Done
from meadow_engine.runtime.requests import SessionState, SessionWork, Tensors, run_works

_T = TypeVar("_T")
_SERVED_HALF_LIFE_S = 10.0


@dataclass(frozen=True)
class Output:
    """A part of a step's output: `hidden` [B, T, D] from token `position` on, and the pass's times in seconds."""

    position: int
    hidden: torch.Tensor
    queue_s: float
    compute_s: float


@dataclass(eq=False)
class Customer:
    """A session, as the batcher sees it. Priority 0 is the most urgent."""

    state: SessionState
    priority: int = 1
    served_tokens: float = 0.0
    served_at: float = 0.0
    rhythm: Rhythm = field(default_factory=Rhythm)


@dataclass(eq=False)
class _Waiting:
    customer: Customer
    position: int
    tensors: Tensors
    on_output: Callable[[Output], None]
    done: asyncio.Future[None]
    arrived: float
    is_part: bool = False
    taken: int = 0
    running: bool = False
    pass_ended: asyncio.Future[None] | None = None

    @property
    def rows(self) -> int:
        return int(self.tensors["hidden"].shape[0])

    @property
    def is_short(self) -> bool:
        return not self.is_part and self.rows * int(self.tensors["hidden"].shape[1]) <= SHORT_STEP_TOKENS

    @property
    def tokens_left(self) -> int:
        return int(self.tensors["hidden"].shape[1]) - self.taken


@dataclass
class BatchCounts:
    """Passes and tokens (of all rows) since the start; tokens / passes is how well sessions merge."""

    passes: int = 0
    tokens: int = 0
    steps: int = 0


class Batcher:
    """The one door to the compute thread while a span is served."""

    def __init__(self, compute: ComputeThread) -> None:
        self._compute = compute
        self._waiting: list[_Waiting] = []
        self._alone: deque[tuple[Callable[[], Any], asyncio.Future[Done[Any]]]] = deque()
        self._is_running = False
        self._alone_was_last = False
        # Weak: a session that is over must not keep its cache's memory until the next step comes.
        self._chats: WeakSet[Customer] = WeakSet()
        self._utilisation = Utilisation()
        self._will_look_again = False
        self.costs = PassCosts()
        self.counts = BatchCounts()

    async def step(
        self,
        customer: Customer,
        position: int,
        tensors: Tensors,
        on_output: Callable[[Output], None],
        *,
        is_part: bool = False,
    ) -> None:
        """Run a step of a session (one at a time for each); `on_output` gets its parts in order.

        `is_part` if it is a part of a prompt, and not the next step of a chat, however short it is.

        When this is cancelled, what has not begun is dropped, and it returns when the pass under way has ended: the
        session's cache is in use until then.

        Raises: what the layers raised.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(customer, position, tensors, on_output, loop.create_future(), loop.time(), is_part)
        self._waiting.append(waiting)
        if waiting.is_short and position > 0:
            customer.rhythm.came(waiting.arrived)
            self._chats.add(customer)
        self._next_pass()
        try:
            await waiting.done
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            if waiting.running:
                waiting.on_output = _ignore
                waiting.pass_ended = loop.create_future()
                await asyncio.wait([waiting.pass_ended])
            raise

    def forget(self, customer: Customer) -> None:
        """The session is over: nobody waits for its next step any more."""
        self._chats.discard(customer)
        self._next_pass()

    async def run_alone(self, function: Callable[..., _T], *args: Any) -> Done[_T]:
        """Run something else on the compute thread, between two passes."""
        future: asyncio.Future[Done[_T]] = asyncio.get_running_loop().create_future()
        self._alone.append((lambda: function(*args), future))
        self._next_pass()
        return await future

    def _next_pass(self) -> None:
        if self._is_running:
            return
        if self._alone and not (self._alone_was_last and self._waiting):
            self._run_alone()
        elif self._waiting:
            now = asyncio.get_running_loop().time()
            if self._is_one_alone(now):
                self._run_pass([(self._waiting[0], self._waiting[0].tokens_left)], now)
                return
            candidates = self._candidates(now)
            rest_s = self._rest_s(candidates, now)
            if rest_s <= 0:
                self._run_pass(self._choose(candidates), now)
            elif not self._will_look_again:
                self._will_look_again = True
                asyncio.get_running_loop().call_later(rest_s, self._look_again)

    def _is_one_alone(self, now: float) -> bool:
        """Whether a step of a chat waits while there is no other chat: nothing to choose, and nobody to wait for."""
        only = self._waiting[0] if len(self._waiting) == 1 else None
        if only is None or not only.is_short:
            return False
        return all(chat is only.customer or not chat.rhythm.is_going(now) for chat in self._chats)

    def _rest_s(self, candidates: Sequence[Candidate], now: float) -> float:
        """How much longer it pays to wait for the steps of chats that are not here."""
        away = self._chats_away(now)
        if not away or not all(candidate.can_pack for candidate in candidates):
            return 0.0
        short = [waiting for waiting in self._waiting if waiting.is_short]
        if not short:
            waited_s = now - min(waiting.arrived for waiting in self._waiting)
            expected = [chat.rhythm.next_in(now) for chat in away]
            return 0.0 if alone_tokens(expected, waited_s, self.costs) else LONGEST_RIDE_S - waited_s
        oldest = min(short, key=lambda waiting: waiting.arrived)
        others = [expected_in(chat.rhythm, oldest.customer.rhythm, now) for chat in away]
        expected = [seconds for seconds in others if seconds is not None]
        chats, waited_s = len(away) + len(short), now - oldest.arrived
        return hold_s(len(short), chats, waited_s, expected, self.costs.short_s, self._utilisation.share)

    def _chats_away(self, now: float) -> list[Customer]:
        """The chats that go on, but have no step here now."""
        here = {waiting.customer for waiting in self._waiting}
        return [chat for chat in self._chats if chat not in here and chat.rhythm.is_going(now)]

    def _look_again(self) -> None:
        self._will_look_again = False
        self._next_pass()

    def _run_alone(self) -> None:
        function, future = self._alone.popleft()
        if future.done():
            self._next_pass()
            return
        self._is_running = self._alone_was_last = True

        def on_done(value: Any, error: BaseException | None, queue_s: float, compute_s: float) -> None:
            self._is_running = False
            if isinstance(error, asyncio.CancelledError):
                future.cancel()
            elif not future.done():
                if error is None:
                    future.set_result(Done(value, queue_s, compute_s))
                else:
                    future.set_exception(error)
            self._next_pass()

        self._compute.submit(function, on_done)

    def _run_pass(self, chosen: list[tuple[_Waiting, int]], now: float) -> None:
        works = [
            SessionWork(
                waiting.customer.state,
                waiting.position + waiting.taken,
                _part(waiting.tensors, waiting.taken, waiting.taken + tokens),
            )
            for waiting, tokens in chosen
        ]
        for waiting, _tokens in chosen:
            waiting.running = True
        self._is_running, self._alone_was_last = True, False

        def on_done(value: Any, error: BaseException | None, _queue_s: float, compute_s: float) -> None:
            self._is_running = False
            try:
                self._deliver(chosen, value if error is None else [error] * len(chosen), now, compute_s)
            finally:
                self._next_pass()

        self._compute.submit(lambda: run_works(works), on_done)

    def _choose(self, candidates: Sequence[Candidate]) -> list[tuple[_Waiting, int]]:
        by_key: dict[Hashable, _Waiting] = {id(waiting): waiting for waiting in self._waiting}
        now = asyncio.get_running_loop().time()
        away = self._chats_away(now)
        if any(candidate.is_short for candidate in candidates):
            prompt_tokens = self.costs.prompt_tokens(bool(away) or len(candidates) > 1)
        else:
            waited_s = now - min(waiting.arrived for waiting in self._waiting)
            expected = [chat.rhythm.next_in(now) for chat in away]
            prompt_tokens = alone_tokens(expected, waited_s, self.costs) or FEWEST_ALONE_TOKENS
        return [(by_key[share.session], share.tokens) for share in plan_pass(candidates, prompt_tokens)]

    def _candidates(self, now: float) -> list[Candidate]:
        return [
            Candidate(
                id(waiting),
                waiting.customer.state.group,
                waiting.rows,
                waiting.tokens_left,
                waiting.customer.state.view.can_pack,
                waiting.customer.priority,
                _served(waiting.customer, now),
                waiting.arrived,
                waiting.is_short,
            )
            for waiting in self._waiting
        ]

    def _deliver(
        self,
        chosen: list[tuple[_Waiting, int]],
        values: Sequence[torch.Tensor | BaseException],
        began: float,
        compute_s: float,
    ) -> None:
        now = asyncio.get_running_loop().time()
        total = short = 0
        for (waiting, tokens), value in zip(chosen, values, strict=True):
            waiting.running = False
            total += waiting.rows * tokens
            short += waiting.rows * tokens if waiting.is_short else 0
            if not isinstance(value, torch.Tensor):
                self._end(waiting, value)
                continue
            position = waiting.position + waiting.taken
            waiting.taken += tokens
            failed = _hand_on(waiting, Output(position, value, began - waiting.arrived, compute_s))
            _serve(waiting.customer, waiting.rows * tokens, now)
            self.counts.steps += waiting.tokens_left == 0
            waiting.arrived = now
            if failed is not None:
                self._end(waiting, failed)
            elif waiting.tokens_left == 0 or waiting not in self._waiting:
                self._end(waiting, None)
        # After the outputs are on their way.
        self.costs.observe(short, total - short, compute_s)
        self._utilisation.ended(now, compute_s)
        self.counts.passes += 1
        self.counts.tokens += total

    def _end(self, waiting: _Waiting, error: BaseException | None) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)
        if waiting.pass_ended is not None and not waiting.pass_ended.done():
            waiting.pass_ended.set_result(None)
        if waiting.done.done():
            return
        if isinstance(error, asyncio.CancelledError):
            waiting.done.cancel()
        elif error is not None:
            waiting.done.set_exception(error)
            waiting.done.exception()
        else:
            waiting.done.set_result(None)


def _part(tensors: Tensors, first: int, last: int) -> Tensors:
    return tensors if first == 0 and last == tensors["hidden"].shape[1] else slice_step(tensors, first, last)


def _hand_on(waiting: _Waiting, output: Output) -> Exception | None:
    """One session's trouble with its output must not keep the others from theirs."""
    try:
        waiting.on_output(output)
    except Exception as error:  # noqa: BLE001 - it is raised where the step is awaited
        return error
    return None


def _ignore(_output: Output) -> None:
    """Nobody wants it any more."""


def _served(customer: Customer, now: float) -> float:
    """Tokens this session was given lately; what lies back counts half for every half-life."""
    return customer.served_tokens * math.pow(0.5, (now - customer.served_at) / _SERVED_HALF_LIFE_S)


def _serve(customer: Customer, tokens: int, now: float) -> None:
    customer.served_tokens = _served(customer, now) + tokens
    customer.served_at = now
