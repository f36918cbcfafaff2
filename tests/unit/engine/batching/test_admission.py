"""Room is made by those who miss it least, and never by those who compute."""

from __future__ import annotations

import random
from typing import Any

import pytest

from meadow_engine.batching.admission import RECENT_S, Holder, choose_spills


def holder(name: str, pages: int = 10, **others: Any) -> Holder:
    return Holder(name, **{"pages": pages, "priority": 1, "idle_s": 60.0, "is_busy": False, **others})


def test_nobody_moves_where_there_is_room() -> None:
    assert choose_spills(5, 5, 100, [holder("a")]) == []


def test_the_longest_idle_moves_first() -> None:
    holders = [holder("a", idle_s=10), holder("b", idle_s=99), holder("c", idle_s=50)]
    assert choose_spills(10, 0, 100, holders) == ["b"]
    assert choose_spills(15, 0, 100, holders) == ["b", "c"]


def test_the_least_urgent_moves_before_the_longest_idle() -> None:
    holders = [holder("urgent", priority=0, idle_s=999), holder("later", priority=2, idle_s=10), holder("usual")]
    assert choose_spills(25, 0, 100, holders) == ["later", "usual", "urgent"]


def test_no_more_move_than_are_needed() -> None:
    assert choose_spills(12, 5, 100, [holder("a"), holder("b"), holder("c")]) == ["a"]


@pytest.mark.parametrize("change", [{"is_busy": True}, {"idle_s": RECENT_S / 2}, {"pages": 0}])
def test_who_computes_or_just_did_stays(change: dict[str, Any]) -> None:
    assert choose_spills(5, 0, 100, [holder("a", **change)]) is None


def test_nobody_moves_where_the_host_has_no_room() -> None:
    assert choose_spills(5, 0, 9, [holder("a")]) is None
    assert choose_spills(5, 0, 9, [holder("large", idle_s=99), holder("small", 6)]) == ["small"]


def test_nobody_moves_in_vain() -> None:
    assert choose_spills(25, 0, 100, [holder("a"), holder("b")]) is None


@pytest.mark.parametrize("seed", range(10))
def test_whoever_is_chosen_makes_enough_room_and_fits_on_the_host(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(300):
        holders = [
            Holder(index, rng.randint(0, 20), rng.randint(0, 2), rng.uniform(0, 10), rng.random() < 0.3)
            for index in range(rng.randint(0, 8))
        ]
        needed, free, host = rng.randint(0, 40), rng.randint(0, 20), rng.randint(0, 60)
        chosen = choose_spills(needed, free, host, holders)
        if chosen is None:
            assert needed > free
            continue
        moved = [holders[index] for index in chosen]  # type: ignore[call-overload]
        assert free + sum(one.pages for one in moved) >= needed
        assert sum(one.pages for one in moved) <= host
        assert not any(one.is_busy or one.idle_s < RECENT_S for one in moved)
