"""What a chat notices when servers are lost: a pause, and never another text.

- Kills: engines are killed (`kill -9`) in mid-answer and in mid-prompt, each place of the chain in turn, then two
  neighbours at once. The stall is the longest pause between two tokens, or what the prompt takes longer than usual.
- Hang: an engine and its p2pd are stopped (SIGSTOP), so that no connection ends.
- Hand-over, failures and retention: `recover_hand_over.py`, `recover_failures.py`, `recover_retention.py`.

Text is compared with that of an undisturbed run every time.
"""

from __future__ import annotations

import asyncio
import logging
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch

from meadow_engine.bench.breakable import Breakable, BreakableClient, open_breakable
from meadow_engine.bench.generation import Timing, generate
from meadow_engine.bench.recover_failures import measure_failures
from meadow_engine.bench.recover_hand_over import measure_hand_over
from meadow_engine.bench.recover_retention import measure_retention
from meadow_engine.bench.report import Measured, ratios, report, spread
from meadow_engine.bench.series import say
from meadow_engine.bench.settings import RecoverSettings
from meadow_engine.bench.texts import random_prompt

_KILL_IN_PROMPT = 0.4
"""Which part of the usual time of a prompt has passed when a server is killed."""
_POLL_S = 0.001
_TRIES = 5

Lose = Callable[[str], None]


async def bench_recover(model: str, join: Sequence[str], settings: RecoverSettings) -> dict[str, Any]:
    """Measure and report, as `bench` does.

    Raises: as `bench`.
    """
    settings = settings.shortened()
    logging.getLogger("meadow_client.session").setLevel(logging.WARNING)  # every loss would be told of
    async with open_breakable(model, join, settings) as breakable:
        measured = await asyncio.to_thread(measure_recover, breakable)
        return report("recover", breakable.description.name, settings, measured)


def measure_recover(breakable: Breakable) -> Measured:
    """Blocks; on a thread of its own. The ratio is that of the last thing that was measured."""
    what = breakable.settings.what
    results: dict[str, Any] = {}
    reference: dict[str, Any] = {}
    ratio = spread([1.0])
    parts: dict[str, Callable[[Breakable], Measured]] = {
        "kills": measure_kills,
        "hang": measure_hang,
        "hand-over": measure_hand_over,
        "retention": measure_retention,
        "failures": measure_failures,
    }
    for name, measure in parts.items():
        if what in ("all", name):
            measured = measure(breakable)
            results |= measured.results
            reference |= measured.reference
            ratio = measured.ratio
    results["same_text"] = all(value for name, value in results.items() if name.endswith("_same_text"))
    return Measured(results, reference, ratio)


@dataclass
class _Chat:
    """One prompt, and what a client says to it when nothing happens."""

    breakable: Breakable
    client: BreakableClient
    model: Any
    prompt: torch.Tensor
    text: torch.Tensor = field(init=False)
    usual: list[Timing] = field(default_factory=list)

    def __post_init__(self) -> None:
        tokens = self.breakable.settings.tokens
        self.text, _ = generate(self.model, self.prompt, tokens)
        for _run in range(self.breakable.settings.runs):
            text, timing = generate(self.model, self.prompt, tokens)
            if torch.equal(text, self.text):
                self.usual.append(timing)

    @property
    def usual_first_token_s(self) -> float:
        return statistics.median(timing.first_token_s for timing in self.usual)

    def peers(self, places: Sequence[int]) -> list[str]:
        return [self.client.hops[place].leg.peer for place in places]


@dataclass
class _Outcome:
    """One run during which servers were lost."""

    stall_s: float
    tokens_per_second: float
    is_same_text: bool


def measure_kills(breakable: Breakable) -> Measured:
    settings = breakable.settings
    last = settings.engines - 1
    losses = [[place] for place in ((0, last) if settings.quick else range(settings.engines))]
    losses.append([last - 1, last])
    results: dict[str, Any] = {}
    reference: dict[str, Any] = {}
    disturbed: list[float] = []
    undisturbed: list[float] = []
    for retain in (True, False):
        chat = _chat(breakable, retain=retain)
        words = "" if retain else "_not_retained"
        stalls: dict[str, list[float]] = {"decode": [], "prefill": []}
        same: list[bool] = []
        for phase, run in (("decode", _lose_in_answer), ("prefill", _lose_in_prompt)):
            outcomes: list[list[_Outcome]] = [[] for _ in losses]
            for _run in range(settings.runs):
                for places, some in zip(losses, outcomes, strict=True):
                    breakable.make_whole(places)
                    some.append(run(chat, places, breakable.kill))
            for places, some in zip(losses, outcomes, strict=True):
                name = f"kill_{phase}_server_{'_and_'.join(str(place + 1) for place in places)}_stall_s{words}"
                results[name] = spread([outcome.stall_s for outcome in some])
                say(f"  {name}: {', '.join(f'{outcome.stall_s:.3f}' for outcome in some)}")
                stalls[phase] += [outcome.stall_s for outcome in some]
                same += [outcome.is_same_text for outcome in some]
                if phase == "decode" and retain:
                    disturbed += [outcome.tokens_per_second for outcome in some]
        for phase, values in stalls.items():
            results[f"kill_{phase}_stall_s{words}"] = spread(values)
        results[f"kills{words}"] = len(same)
        results[f"kills{words}_same_text"] = all(same)
        if retain:
            reference["kill_decode_stall_s"] = spread([_longest_gap_s(timing) for timing in chat.usual])
            undisturbed = [timing.tokens_per_second for timing in chat.usual]
    typical = statistics.median(undisturbed)
    return Measured(results, reference, ratios(disturbed, [typical] * len(disturbed)))


def measure_hang(breakable: Breakable) -> Measured:
    settings = breakable.settings
    chat = _chat(breakable)
    results: dict[str, Any] = {}
    outcomes: list[_Outcome] = []
    for place in (0,) if settings.quick else range(settings.engines):
        some = []
        for _run in range(settings.runs):
            breakable.make_whole([place])
            try:
                some.append(_lose_in_answer(chat, [place], breakable.hang))
            finally:
                breakable.wake()
                time.sleep(1.0)
        name = f"hang_server_{place + 1}_stall_s"
        results[name] = spread([outcome.stall_s for outcome in some])
        say(f"  {name}: {', '.join(f'{outcome.stall_s:.3f}' for outcome in some)}")
        outcomes += some
    results["hang_stall_s"] = spread([outcome.stall_s for outcome in outcomes])
    results["hang_same_text"] = all(outcome.is_same_text for outcome in outcomes)
    typical = statistics.median(timing.tokens_per_second for timing in chat.usual)
    return Measured(results, {}, spread([outcome.tokens_per_second / typical for outcome in outcomes]))


def _chat(breakable: Breakable, *, retain: bool = True) -> _Chat:
    say(f"Measuring undisturbed runs, {'with' if retain else 'without'} retained outputs")
    client = breakable.client(retain=retain)
    prompt = random_prompt(int(breakable.description.text_config.vocab_size), breakable.settings.context)
    return _Chat(breakable, client, breakable.model(client), prompt)


def _lose_in_answer(chat: _Chat, places: Sequence[int], lose: Lose) -> _Outcome:
    """Lose servers after a third of the answer; the stall is the longest pause after that."""
    tokens = chat.breakable.settings.tokens
    arrived = 0

    def on_arrival() -> None:
        nonlocal arrived
        arrived += 1
        if arrived == tokens // 3:
            for peer in chat.peers(places):
                lose(peer)

    text, timing = generate(chat.model, chat.prompt, tokens, on_arrival=on_arrival)
    return _Outcome(_longest_gap_s(timing), timing.tokens_per_second, torch.equal(text, chat.text))


def _lose_in_prompt(chat: _Chat, places: Sequence[int], lose: Lose) -> _Outcome:
    """Lose servers while the prompt is computed; the stall is what the first token then takes longer than usual."""
    for _try in range(_TRIES):
        chat.breakable.make_whole(places)
        chat.client.hops = []
        timing = Timing()
        lost_s = 0.0

        def lose_soon(timing: Timing = timing) -> None:
            nonlocal lost_s
            while not chat.client.hops and not timing.arrivals:
                time.sleep(_POLL_S)
            time.sleep(_KILL_IN_PROMPT * chat.usual_first_token_s)
            if not timing.arrivals:
                lost_s = time.perf_counter()
                for peer in chat.peers(places):
                    lose(peer)

        losing = threading.Thread(target=lose_soon)
        losing.start()
        text, _ = generate(chat.model, chat.prompt, chat.breakable.settings.tokens, timing=timing)
        losing.join()
        if 0 < lost_s < timing.arrivals[0].at_s:
            break
    stall_s = timing.first_token_s - chat.usual_first_token_s
    return _Outcome(stall_s, timing.tokens_per_second, torch.equal(text, chat.text))


def _longest_gap_s(timing: Timing) -> float:
    return max(later.at_s - earlier.at_s for earlier, later in pairwise(timing.arrivals))
