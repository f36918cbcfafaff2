"""Chats wait for nobody long, prompts get what is left, and nobody waits for ever."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from meadow_engine.batching.passes import (
    FEWEST_PROMPT_TOKENS,
    MOST_SHORT_TOKENS,
    MOST_TOKENS,
    SHORT_STEP_TOKENS,
    Candidate,
    PassCosts,
    Share,
    plan_pass,
)


def chat(name: str | int, **others: Any) -> Candidate:
    settings: dict[str, Any] = {"group": "g", "rows": 1, "tokens": 1, "can_pack": True, **others}
    return Candidate(name, **{"is_short": settings["rows"] * settings["tokens"] <= SHORT_STEP_TOKENS, **settings})


def prompt(name: str, tokens: int = 500, **others: Any) -> Candidate:
    return chat(name, tokens=tokens, **others)


def planned(candidates: list[Candidate], prompt_tokens: int = 64) -> dict[Any, int]:
    return {share.session: share.tokens for share in plan_pass(candidates, prompt_tokens)}


def test_nothing_waits_and_nothing_is_planned() -> None:
    assert plan_pass([], 64) == []


def test_chats_share_a_pass() -> None:
    assert planned([chat("a"), chat("b", rows=3), chat("c", tokens=5)]) == {"a": 1, "b": 1, "c": 5}


def test_a_prompt_gets_what_the_budget_leaves_beside_chats() -> None:
    assert planned([prompt("p"), chat("a"), chat("b")], 64) == {"a": 1, "b": 1, "p": 64}


def test_chats_come_before_prompts_in_a_pass() -> None:
    shares = plan_pass([prompt("p", arrived_s=-5.0), chat("a"), chat("b")], 64)
    assert [share.session for share in shares] == ["a", "b", "p"]


def test_a_budget_is_counted_over_all_rows() -> None:
    assert planned([prompt("p", rows=4)], 64) == {"p": 16}


def test_prompts_share_the_budget_in_their_order() -> None:
    assert planned([prompt("second", 100, arrived_s=2), prompt("first", 30, arrived_s=1)], 64) == {
        "first": 30,
        "second": 34,
    }


def test_who_was_served_less_goes_first() -> None:
    greedy, modest = prompt("greedy", served_tokens=900, arrived_s=1), prompt("modest", served_tokens=10, arrived_s=2)
    assert list(planned([greedy, modest], 64)) == ["modest"]


def test_who_is_more_urgent_goes_first() -> None:
    usual, urgent = prompt("usual", arrived_s=1), prompt("urgent", priority=0, served_tokens=900, arrived_s=2)
    assert list(planned([usual, urgent], 64)) == ["urgent"]


def test_sessions_of_other_layers_wait_for_another_pass() -> None:
    assert planned([chat("a", arrived_s=1), chat("b", group="h", arrived_s=2), chat("c", arrived_s=3)]) == {
        "a": 1,
        "c": 1,
    }


def test_a_session_that_cannot_be_packed_goes_alone() -> None:
    assert planned([chat("alone", can_pack=False, arrived_s=1), chat("b", arrived_s=2)]) == {"alone": 1}
    assert planned([prompt("alone", can_pack=False, arrived_s=1)], 64) == {"alone": 64}


def test_no_more_chats_share_a_pass_than_fit() -> None:
    count = MOST_SHORT_TOKENS // SHORT_STEP_TOKENS + 3
    shares = planned([chat(str(index), tokens=SHORT_STEP_TOKENS) for index in range(count)])
    assert sum(shares.values()) == MOST_SHORT_TOKENS


def some_candidates(rng: random.Random) -> list[Candidate]:
    return [
        chat(
            index,
            group=rng.choice("gh"),
            rows=rng.choice([1, 1, 1, 2, 8, 40, 300]),
            tokens=rng.choice([1, 1, 1, 2, 5, 17, 300, 5000]),
            can_pack=rng.random() < 0.7,
            priority=rng.choice([0, 1, 1, 2]),
            served_tokens=rng.choice([0.0, rng.uniform(0, 1000)]),
            arrived_s=rng.uniform(0, 10),
        )
        for index in range(rng.randint(1, 12))
    ]


@pytest.mark.parametrize("seed", range(20))
def test_a_pass_always_has_something_and_never_more_than_waits(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(200):
        candidates, budget = some_candidates(rng), rng.choice([0, 1, 8, 32, 64, 1024])
        shares = plan_pass(candidates, budget)
        by_session = {candidate.session: candidate for candidate in candidates}
        chosen = [by_session[share.session] for share in shares]
        assert shares
        assert len({share.session for share in shares}) == len(shares)
        assert all(1 <= share.tokens <= by_session[share.session].tokens for share in shares)
        assert len({candidate.group for candidate in chosen}) == 1
        assert len(chosen) == 1 or all(candidate.can_pack for candidate in chosen)
        assert all(s.tokens == c.tokens for s, c in zip(shares, chosen, strict=True) if c.is_short)
        assert sum(c.rows * c.tokens for c in chosen if c.is_short) <= MOST_SHORT_TOKENS
        # Beyond the budget there is at most the one token for each row that keeps somebody from starving.
        long_tokens = sum(s.tokens * c.rows for s, c in zip(shares, chosen, strict=True) if not c.is_short)
        assert long_tokens <= max(budget, 1) + max((c.rows for c in chosen if not c.is_short), default=0)


@pytest.mark.parametrize("can_pack", [True, False])
@pytest.mark.parametrize("group", ["g", "h"])
@pytest.mark.parametrize("rows", [1, 40])
def test_no_prompt_starves_though_chats_always_wait(can_pack: bool, group: str, rows: int) -> None:
    long = prompt("long", 100, rows=rows, group=group, can_pack=can_pack, arrived_s=0.0)
    chats = [chat(name, can_pack=can_pack, arrived_s=0.1) for name in "abc"]
    for now in range(1, 200):
        shares = planned([long, *chats], FEWEST_PROMPT_TOKENS)
        chats = [replace(one, arrived_s=float(now)) if one.session in shares else one for one in chats]
        if "long" in shares:
            left = long.tokens - shares["long"]
            if left == 0:
                return
            long = replace(long, tokens=left, arrived_s=float(now), served_tokens=now * 10.0)
    # Where all go alone, every fourth pass is the prompt's.
    assert long.tokens <= 50


@pytest.mark.parametrize("seed", range(5))
def test_everybody_who_waits_is_served_sooner_or_later(seed: int) -> None:
    """Everybody of one priority comes back at once after each pass; nobody is passed over for long."""
    rng = random.Random(seed)
    waiting = {c.session: replace(c, priority=1, served_tokens=0.0) for c in some_candidates(rng)}
    last_served = dict.fromkeys(waiting, 0)
    for now in range(1, 300):
        for share in plan_pass(list(waiting.values()), 32):
            one = waiting[share.session]
            served = one.served_tokens + share.tokens * one.rows
            waiting[share.session] = replace(one, served_tokens=served, arrived_s=10.0 + now)
            last_served[share.session] = now
    assert min(last_served.values()) > 200


def test_a_session_that_asks_for_much_gets_no_more_than_its_part_beside_others() -> None:
    """Three prompts without end, one of them twice as wide: in the long run all get as many tokens."""
    waiting = {name: prompt(name, 10_000, rows=rows) for name, rows in (("a", 1), ("b", 1), ("wide", 4))}
    for _ in range(300):
        for share in plan_pass(list(waiting.values()), 64):
            one = waiting[share.session]
            waiting[share.session] = replace(one, served_tokens=one.served_tokens + share.tokens * one.rows)
    served = [one.served_tokens for one in waiting.values()]
    assert max(served) - min(served) <= 64


def test_without_chats_a_prompt_takes_all_there_is() -> None:
    assert PassCosts().prompt_tokens(chats_are_about=False) == MOST_TOKENS


def test_before_anything_was_measured_a_few_tokens_of_prompts_are_tried() -> None:
    assert FEWEST_PROMPT_TOKENS <= PassCosts().prompt_tokens(chats_are_about=True) < MOST_TOKENS


def measured(short_s: float, token_s: float, seed: int = 0) -> PassCosts:
    costs, rng = PassCosts(), random.Random(seed)
    for _ in range(200):
        costs.observe(rng.randint(1, SHORT_STEP_TOKENS), 0, short_s * rng.uniform(0.9, 1.1))
        tokens = rng.randint(100, 500)
        costs.observe(rng.randint(0, 3), tokens, short_s + tokens * token_s)
    return costs


@pytest.mark.parametrize("short_s", [0.001, 0.02, 0.3])
@pytest.mark.parametrize("tokens_per_short", [30, 100, 1000])
@pytest.mark.parametrize("slowdown", [1.5, 2.0])
def test_a_prompt_slows_chats_by_the_factor_that_was_asked_for(
    short_s: float, tokens_per_short: int, slowdown: float
) -> None:
    token_s = short_s / tokens_per_short
    tokens = measured(short_s, token_s).prompt_tokens(True, slowdown)
    wanted = tokens_per_short * (slowdown - 1)
    assert 0.7 * wanted <= tokens <= 1.3 * wanted


def test_a_slow_device_still_moves_on_with_prompts() -> None:
    assert measured(0.01, 1.0).prompt_tokens(True) == FEWEST_PROMPT_TOKENS


def test_what_a_pass_costs_is_learned_anew_when_the_device_slows_down() -> None:
    costs = measured(0.01, 0.0001)
    for _ in range(50):
        costs.observe(1, 0, 0.04)
    assert costs.short_s == pytest.approx(0.04, rel=0.05)


@pytest.mark.parametrize("seed", range(10))
def test_whatever_was_measured_a_budget_stays_in_its_bounds(seed: int) -> None:
    rng, costs = random.Random(seed), PassCosts()
    for _ in range(300):
        costs.observe(rng.choice([0, 1, 16]), rng.choice([0, 1, 17, 100_000]), rng.choice([0.0, 1e-9, 0.01, 3.0, 1e6]))
        assert FEWEST_PROMPT_TOKENS <= costs.prompt_tokens(True) <= MOST_TOKENS


def test_shares_are_plain_values() -> None:
    assert Share("a", 1) == Share("a", 1)
