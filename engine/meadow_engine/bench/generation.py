"""One generation with a clock: when its tokens came, and how long the servers computed for each."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from transformers import StoppingCriteria
from transformers.generation.streamers import BaseStreamer

from meadow_client.session.inference import InferenceSession


@dataclass(frozen=True)
class Arrival:
    """Some tokens (one, unless they were guessed) that came at `at_s` and of which the servers say `compute_s`."""

    at_s: float
    tokens: int
    compute_s: float = 0.0
    ids: tuple[int, ...] = ()


@dataclass
class Timing:
    """What came when; times are those of `time.perf_counter`. Written by the generating thread, read by any."""

    began_s: float = 0.0
    arrivals: list[Arrival] = field(default_factory=list)

    @property
    def first_token_s(self) -> float:
        """From the call to the first token: opening a chain, and the prompt."""
        return self.arrivals[0].at_s - self.began_s

    @property
    def tokens_per_second(self) -> float:
        """After the first tokens; over everything where all tokens came at once."""
        if len(self.arrivals) == 1:
            return self.arrivals[0].tokens / self.first_token_s
        tokens = sum(arrival.tokens for arrival in self.arrivals[1:])
        return tokens / (self.arrivals[-1].at_s - self.arrivals[0].at_s)

    @property
    def tokens_per_step(self) -> float:
        return sum(arrival.tokens for arrival in self.arrivals) / len(self.arrivals)

    @property
    def compute_s(self) -> float:
        """Mean seconds that the servers computed for a step after the first."""
        later = self.arrivals[1:]
        return sum(arrival.compute_s for arrival in later) / max(1, len(later))

    @property
    def step_s(self) -> float:
        """Mean seconds from one arrival to the next."""
        return (self.arrivals[-1].at_s - self.arrivals[0].at_s) / max(1, len(self.arrivals) - 1)

    def steps(self) -> list[tuple[float, float]]:
        """Beginning and end of every step after the first."""
        times = [arrival.at_s for arrival in self.arrivals]
        return list(pairwise(times))


def tokens_between(timings: list[Timing], begin_s: float, end_s: float) -> int:
    """How many tokens of several generations came after `begin_s`, up to `end_s`."""
    return sum(arrival.tokens for one in timings for arrival in one.arrivals if begin_s < arrival.at_s <= end_s)


def steady_rate(timings: list[Timing]) -> float:
    """Tokens per second of all generations together while all of them run.

    That is from the last one's first token to the first one's last. Texts too short to overlap count from the first
    token to the last.
    """
    begin = max(one.arrivals[0].at_s for one in timings)
    end = min(one.arrivals[-1].at_s for one in timings)
    if end <= begin:
        begin = min(one.arrivals[0].at_s for one in timings)
        end = max(one.arrivals[-1].at_s for one in timings)
    return tokens_between(timings, begin, end) / (end - begin)


class _Clock(BaseStreamer):
    """Notes arrivals; the first thing that `generate` streams is the prompt."""

    def __init__(self, timing: Timing, compute_s: Callable[[], float], on_arrival: Callable[[], object]) -> None:
        self._timing, self._compute_s, self._on_arrival = timing, compute_s, on_arrival
        self._has_prompt = False

    def put(self, value: torch.Tensor) -> None:
        if self._has_prompt:
            at_s, ids = time.perf_counter(), tuple(value.flatten().tolist())
            self._timing.arrivals.append(Arrival(at_s, value.numel(), self._compute_s(), ids))
            self._on_arrival()
        self._has_prompt = True

    def end(self) -> None:
        pass


class _Until(StoppingCriteria):
    """Stops a generation from outside."""

    def __init__(self, is_over: Callable[[], bool]) -> None:
        self._is_over = is_over

    def __call__(self, input_ids: torch.Tensor, _scores: Any, **_kwargs: Any) -> torch.Tensor:
        return torch.full((input_ids.shape[0],), self._is_over(), dtype=torch.bool, device=input_ids.device)


def generate(
    model: Any,
    prompt: torch.Tensor,
    tokens: int,
    *,
    lookup: int = 0,
    timing: Timing | None = None,
    on_arrival: Callable[[], object] = lambda: None,
    until: Callable[[], bool] | None = None,
    session: InferenceSession | None = None,
) -> tuple[torch.Tensor, Timing]:
    """Greedy text of exactly `tokens` tokens after a prompt [1, T] (fewer when `until` says so), and its timing.

    `model` is Transformers' own or a distributed one, which gets a session of its own and of just this length
    unless it is given one.
    """
    timing = timing or Timing()
    options: dict[str, Any] = {}
    if lookup:
        options["prompt_lookup_num_tokens"] = lookup
    if until is not None:
        options["stopping_criteria"] = [_Until(until)]

    def run(compute_s: Callable[[], float], **more: Any) -> torch.Tensor:
        text: torch.Tensor = model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=tokens,
            min_new_tokens=tokens,
            do_sample=False,
            pad_token_id=0,
            streamer=_Clock(timing, compute_s, on_arrival),
            **options,
            **more,
        )
        return text

    timing.began_s = time.perf_counter()
    remote = getattr(model, "remote", None)
    if remote is None:
        return run(lambda: 0.0), timing
    if session is not None:
        return run(lambda: session.compute_s, session=session), timing
    with remote.inference_session(max_length=prompt.shape[1] + tokens + lookup) as own:
        return run(lambda: own.compute_s, session=own), timing
