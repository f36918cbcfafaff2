"""Sessions share one budget, and what a session took is free again when it ends, however it ends."""

from __future__ import annotations

import pytest
import torch
from transformers.cache_utils import DynamicCache

from fakes.models import FAMILIES, tiny_config
from meadow_engine.runtime.caches import CacheBudget, Reservation, ServerFullError, measure_bytes, new_cache


def budget(tokens: int) -> CacheBudget:
    return CacheBudget(tokens * 100, 100)


def test_a_session_grows_to_what_it_needs() -> None:
    pool = budget(10)
    with pool.reserve() as part:
        part.grow_to(3)
        part.grow_to(7)
        part.grow_to(5)
        assert pool.used_tokens == 7


def test_what_a_session_took_is_free_again_at_its_end() -> None:
    pool = budget(10)
    with pool.reserve() as part:
        part.grow_to(10)
    assert pool.used_tokens == 0
    with pool.reserve() as part:
        part.grow_to(10)


def test_what_a_session_took_is_free_again_when_it_fails() -> None:
    pool = budget(10)

    def fail() -> None:
        with pool.reserve() as part:
            part.grow_to(4)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert pool.used_tokens == 0


def test_a_session_that_asks_for_more_than_there_is_is_refused_and_keeps_what_it_has() -> None:
    pool = budget(10)
    with pool.reserve() as first, pool.reserve() as second:
        first.grow_to(6)
        second.grow_to(4)
        with pytest.raises(ServerFullError):
            second.grow_to(5)
        assert (pool.used_tokens, second.tokens) == (10, 4)
        first.grow_to(6)
    assert pool.used_tokens == 0


def test_what_one_session_gives_back_another_may_take() -> None:
    pool = budget(10)
    with pool.reserve() as first:
        with pool.reserve() as second:
            second.grow_to(10)
            with pytest.raises(ServerFullError):
                first.grow_to(1)
        first.grow_to(10)


def test_a_budget_of_nothing_refuses_the_first_token() -> None:
    with pytest.raises(ServerFullError):
        Reservation(CacheBudget(0, 100)).grow_to(1)


def test_the_limit_is_in_bytes() -> None:
    pool = CacheBudget(limit_bytes=1050, bytes_per_token=100)
    with pool.reserve() as part:
        part.grow_to(10)
        with pytest.raises(ServerFullError):
            part.grow_to(11)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_cache_of_plain_attention_can_be_rolled_back_by_any_number_of_tokens(family: str) -> None:
    cache = new_cache(tiny_config(family))
    for layer in range(6):
        cache.update(torch.zeros(1, 2, 40, 16), torch.zeros(1, 2, 40, 16), layer)
    cache.crop(-39)
    assert cache.get_seq_length() == 1


def test_a_cache_is_measured_by_its_keys_and_values() -> None:
    cache = DynamicCache()
    assert measure_bytes(cache) == 0
    for layer in range(3):
        cache.update(torch.zeros(2, 4, 5, 8), torch.zeros(2, 4, 5, 8), layer)
    assert measure_bytes(cache) == 3 * (2 * 4 * 5 * 8) * (4 + 4)
