"""Several chats of one process at once, beside one chat alone; or several chats before and during a long prompt.

Each chat is a thread with a greedy `generate` and a session of its own; all share one model object and one connection
to the swarm. Rates are taken while all of them run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch

from meadow_client.errors import MeadowError
from meadow_engine.bench.generation import Timing, generate, steady_rate, tokens_between
from meadow_engine.bench.report import Measured, percentile, ratios, spread
from meadow_engine.bench.settings import ConcurrentSettings
from meadow_engine.bench.sides import Sides
from meadow_engine.bench.texts import random_prompt

_MOST_TOKENS_MEANWHILE = 2000  # of one chat, while a long prompt is on its way
_POLL_S = 0.01
_LONG_SEED = 10_000  # another text than any chat's


def measure_concurrent(sides: Sides, settings: ConcurrentSettings) -> Measured:
    """Blocks; on a thread of its own."""
    sides.find_hops()
    prompts = [random_prompt(sides.vocabulary, settings.prompt_tokens, seed) for seed in range(settings.clients)]
    with ThreadPoolExecutor(settings.clients, thread_name_prefix="meadow-bench") as pool:
        if settings.long_prompt:
            return _beside_a_long_prompt(sides, settings, prompts, pool)
        return _together(sides, settings, prompts, pool)


def _together(
    sides: Sides, settings: ConcurrentSettings, prompts: list[torch.Tensor], pool: ThreadPoolExecutor
) -> Measured:
    alone = [generate(sides.ours, prompt, settings.tokens)[0] for prompt in prompts]  # also warms up
    one_s: list[float] = []
    all_s: list[float] = []
    step_ms: dict[str, list[float]] = {"one": [], "all": []}
    same: list[int] = []
    for run in range(settings.runs):
        _, timing = generate(sides.ours, prompts[run % len(prompts)], settings.tokens)
        one_s.append(timing.tokens_per_second)
        step_ms["one"].append(_step_ms([timing], 0.95))
        futures = [pool.submit(generate, sides.ours, prompt, settings.tokens) for prompt in prompts]
        done = [future.result() for future in futures]
        timings = [timing for _, timing in done]
        all_s.append(steady_rate(timings))
        step_ms["all"].append(_step_ms(timings, 0.95))
        same.append(sum(torch.equal(text, expected) for (text, _), expected in zip(done, alone, strict=True)))
    return Measured(
        {
            "tokens_per_second": spread(all_s),
            "tokens_per_second_each": spread([rate / len(prompts) for rate in all_s]),
            "p95_step_ms": spread(step_ms["all"]),
            "hops": sides.hops,
            "clients": len(prompts),
            "same_text": min(same) == len(prompts),
            "clients_with_same_text": min(same),
        },
        {"tokens_per_second": spread(one_s), "p95_step_ms": spread(step_ms["one"]), "clients": 1},
        ratios(all_s, one_s),
    )


def _beside_a_long_prompt(
    sides: Sides, settings: ConcurrentSettings, prompts: list[torch.Tensor], pool: ThreadPoolExecutor
) -> Measured:
    long_prompt = random_prompt(sides.vocabulary, settings.long_prompt, _LONG_SEED)
    room = sides.description.context_length - settings.prompt_tokens
    tokens = min(room, settings.tokens + _MOST_TOKENS_MEANWHILE)
    first_token_s: list[float] = []
    before: dict[str, list[float]] = {"rate": [], "p50": [], "p95": []}
    during: dict[str, list[float]] = {"rate": [], "p50": [], "p95": []}
    generate(sides.ours, long_prompt, 1)  # warms up
    for _run in range(settings.runs):
        timings = [Timing() for _ in prompts]
        over = threading.Event()
        chats = [
            pool.submit(generate, sides.ours, prompt, tokens, timing=timing, until=over.is_set)
            for prompt, timing in zip(prompts, timings, strict=True)
        ]
        try:
            _wait_until(lambda: all(len(one.arrivals) > settings.tokens for one in timings), chats, over)  # noqa: B023
            _, long = generate(sides.ours, long_prompt, 1)
        finally:
            over.set()
        for chat in chats:
            chat.result()
        begin, end = long.began_s, long.arrivals[0].at_s
        all_began = max(one.arrivals[0].at_s for one in timings)
        first_token_s.append(end - begin)
        _note(before, timings, all_began, begin, cut=True)
        first_end = min(one.arrivals[-1].at_s for one in timings)
        _note(during, timings, begin, min(end, first_end), cut=False)
    return Measured(
        {
            "tokens_per_second": spread(during["rate"]),
            "p50_step_ms": spread(during["p50"]),
            "p95_step_ms": spread(during["p95"]),
            "p50_step_slowdown": ratios(during["p50"], before["p50"]),
            "p95_step_slowdown": ratios(during["p95"], before["p95"]),
            "long_prompt_first_token_s": spread(first_token_s),
            "hops": sides.hops,
            "clients": len(prompts),
        },
        {
            "tokens_per_second": spread(before["rate"]),
            "p50_step_ms": spread(before["p50"]),
            "p95_step_ms": spread(before["p95"]),
        },
        ratios(during["rate"], before["rate"]),
    )


def _note(noted: dict[str, list[float]], timings: list[Timing], begin_s: float, end_s: float, *, cut: bool) -> None:
    """Rate and step times of one run between two moments.

    A step that only overlaps counts unless `cut`: one that the long prompt held up belongs to the time during it.
    """
    steps = [step for one in timings for step in one.steps() if step[0] < end_s and step[1] > begin_s]
    within = [step for step in steps if begin_s <= step[0] and step[1] <= end_s] if cut else steps
    if end_s <= begin_s or not within:
        raise MeadowError("The chats ended before the long prompt's first token came", "Use a shorter --long-prompt.")
    noted["rate"].append(tokens_between(timings, begin_s, end_s) / (end_s - begin_s))
    step_ms = [(last - first) * 1000 for first, last in within]
    noted["p50"].append(percentile(step_ms, 0.5))
    noted["p95"].append(percentile(step_ms, 0.95))


def _wait_until(is_so: Callable[[], bool], chats: list[Future[Any]], over: threading.Event) -> None:
    while not is_so():
        for chat in chats:
            if chat.done():
                chat.result()
                raise MeadowError("The chats ended before the long prompt was sent", "Use a smaller --tokens.")
        over.wait(_POLL_S)


def _step_ms(timings: list[Timing], share: float) -> float:
    return percentile([(last - first) * 1000 for one in timings for first, last in one.steps()], share)
