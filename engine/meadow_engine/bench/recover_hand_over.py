"""What chats notice when a server leaves on purpose (SIGTERM) in mid-answer: four of them are on it.

The gap is the longest pause between two tokens of any chat after the signal; the reference is the longest pause of the
same chats, side by side, when nobody leaves.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch

from meadow_engine.bench.breakable import Breakable, BreakableClient
from meadow_engine.bench.generation import Timing, generate
from meadow_engine.bench.report import Measured, ratios, spread
from meadow_engine.bench.series import say
from meadow_engine.bench.texts import random_prompt

_CHATS = 4


@dataclass
class _Round:
    """Four chats side by side."""

    texts: list[torch.Tensor]
    timings: list[Timing]
    moved: int = 0
    recomputed: int = 0

    @property
    def longest_gap_s(self) -> float:
        return max(later.at_s - earlier.at_s for one in self.timings for earlier, later in pairwise(one.arrivals))


def measure_hand_over(breakable: Breakable) -> Measured:
    settings = breakable.settings
    client = breakable.client()
    model = breakable.model(client)
    vocabulary = int(breakable.description.text_config.vocab_size)
    prompts = [random_prompt(vocabulary, settings.context, seed) for seed in range(_CHATS)]
    undisturbed: list[float] = []
    gaps: list[float] = []
    moved = recomputed = 0
    is_same = True
    for run in range(settings.runs):
        for place in (0,) if settings.quick else range(settings.engines):
            breakable.make_whole([place])
            usual = _chat(breakable, client, model, prompts, None)
            found = _chat(breakable, client, model, prompts, place)
            is_same = is_same and all(map(torch.equal, usual.texts, found.texts))
            undisturbed.append(usual.longest_gap_s)
            gaps.append(found.longest_gap_s)
            moved, recomputed = moved + found.moved, recomputed + found.recomputed
            say(f"  run {run + 1}, server {place + 1}: {gaps[-1]:.3f} s, undisturbed {undisturbed[-1]:.3f} s")
    results: dict[str, Any] = {
        "hand_over_gap_s": spread(gaps),
        "hand_over_moved": moved,
        "hand_over_recomputed": recomputed,
        "hand_over_same_text": is_same,
    }
    return Measured(results, {"hand_over_gap_s": spread(undisturbed)}, ratios(undisturbed, gaps))


def _chat(
    breakable: Breakable, client: BreakableClient, model: Any, prompts: list[torch.Tensor], leaving: int | None
) -> _Round:
    """All chats at once; when each has said a third, the server at `leaving` of the latest chain is told to leave."""
    tokens = breakable.settings.tokens
    sessions = [model.remote.inference_session(prompt.shape[1] + tokens) for prompt in prompts]
    timings = [Timing() for _ in prompts]
    lock = threading.Lock()
    ready = 0

    def answer(index: int) -> torch.Tensor:
        def on_arrival() -> None:
            nonlocal ready
            if len(timings[index].arrivals) != tokens // 3:
                return
            with lock:
                ready += 1
                if ready == len(prompts) and leaving is not None:
                    breakable.leave(client.hops[leaving].leg.peer)

        return generate(
            model, prompts[index], tokens, timing=timings[index], on_arrival=on_arrival, session=sessions[index]
        )[0]

    with ThreadPoolExecutor(len(prompts)) as pool:
        texts = list(pool.map(answer, range(len(prompts))))
    recoveries = [recovery for session in sessions for recovery in session.recoveries]
    for session in sessions:
        session.close()
    planned = sum(recovery.is_planned for recovery in recoveries)
    return _Round(texts, timings, planned, len(recoveries) - planned)
