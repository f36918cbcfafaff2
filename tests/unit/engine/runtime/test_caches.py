"""A cache keeps what was put into it, grows by pages, goes back, and moves."""

from __future__ import annotations

import pytest
import torch
from transformers.cache_utils import Cache, DynamicCache

from fakes.models import FAMILIES, tiny_config
from meadow_engine.runtime.caches import (
    PAGE_TOKENS,
    SessionCache,
    capacity_for,
    measure_bytes,
    move_cache,
    new_cache,
)


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


def states(tokens: int, batch: int = 2, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 4, tokens, 8, generator=generator), torch.randn(batch, 4, tokens, 8, generator=generator)


def fill(cache: Cache, tokens: int, seed: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """What three layers give back for as many new tokens, copied."""
    updates = [cache.update(*states(tokens, seed=10 * seed + layer), layer) for layer in range(3)]
    return [(keys.clone(), values.clone()) for keys, values in updates]


def same(ours: list[tuple[torch.Tensor, torch.Tensor]], theirs: list[tuple[torch.Tensor, torch.Tensor]]) -> bool:
    return all(
        torch.equal(a, b) for mine, other in zip(ours, theirs, strict=True) for a, b in zip(mine, other, strict=True)
    )


def test_capacity_is_whole_pages_and_grows_by_a_quarter_at_least() -> None:
    assert capacity_for(0, 0) == 0
    assert capacity_for(1, 0) == PAGE_TOKENS
    assert capacity_for(PAGE_TOKENS, 0) == PAGE_TOKENS
    assert capacity_for(PAGE_TOKENS + 1, PAGE_TOKENS) == 2 * PAGE_TOKENS
    assert capacity_for(65, 64) == 80
    assert capacity_for(1601, 1600) == 2000
    assert capacity_for(5000, 1600) == 5008


def test_capacity_never_shrinks() -> None:
    assert capacity_for(3, 64) == 64


def test_a_session_takes_exactly_the_memory_that_the_rule_says() -> None:
    cache, capacity, position = SessionCache(), 0, 0
    for tokens in (5, 1, 20, 1, 1, 100, 1):
        position += tokens
        capacity = capacity_for(position, capacity)
        fill(cache, tokens)
        assert cache.capacity == capacity
        assert measure_bytes(cache) == 3 * (2 * 4 * capacity * 8) * (4 + 4)


def test_a_session_cache_gives_what_transformers_own_gives() -> None:
    ours, theirs = SessionCache(), DynamicCache()
    for seed, tokens in enumerate((5, 1, 20, 1)):
        assert same(fill(ours, tokens, seed), fill(theirs, tokens, seed))
    for cache in (ours, theirs):
        cache.crop(0)
        cache.crop(-9)
        cache.reorder_cache(torch.tensor([1, 1]))
    assert ours.get_seq_length() == theirs.get_seq_length() == 18
    assert ours.get_mask_sizes(4, 0) == theirs.get_mask_sizes(4, 0) == (22, 0)
    assert same(fill(ours, 3, 7), fill(theirs, 3, 7))


def test_a_positive_crop_keeps_so_many_tokens_as_in_older_releases() -> None:
    cache = SessionCache()
    fill(cache, 20)
    cache.crop(12)
    assert cache.get_seq_length() == 12


def test_room_that_was_made_ahead_is_not_made_again() -> None:
    early, late = SessionCache(), SessionCache()
    early.grow_to(100)
    assert early.capacity == 112
    fill(early, 1)
    fill(late, 1)
    late.grow_to(100)
    for cache in (early, late):
        assert cache.capacity == 112
        before = cache.layers[0].keys.data_ptr()
        fill(cache, 99)
        assert cache.layers[0].keys.data_ptr() == before


def test_a_pass_that_broke_off_leaves_nothing_behind_after_a_truncation() -> None:
    cache, expected = SessionCache(), SessionCache()
    fill(cache, 7)
    fill(expected, 7)
    cache.update(*states(4, seed=99), 0)
    cache.truncate(7)
    assert same(fill(cache, 2, 1), fill(expected, 2, 1))


@pytest.mark.parametrize("make", [SessionCache, DynamicCache])
def test_a_cache_that_moved_goes_on_where_it_was(make: type[Cache]) -> None:
    moved, stayed = make(), make()
    for cache in (moved, stayed):
        fill(cache, 100)
        cache.crop(-60)
    move_cache(moved, torch.device("cpu"))
    assert same(fill(moved, 5, 1), fill(stayed, 5, 1))


def test_a_cache_moves_with_every_tensor_and_without_pages_that_it_does_not_use() -> None:
    cache = SessionCache()
    fill(cache, 100)
    cache.truncate(20)
    move_cache(cache, torch.device("meta"))
    assert {layer.keys.device.type for layer in cache.layers} == {"meta"}
    assert cache.capacity == 32
    assert measure_bytes(cache) == 3 * (2 * 4 * 32 * 8) * (4 + 4)


def test_a_cache_of_another_kind_moves_with_every_tensor() -> None:
    cache = DynamicCache()
    fill(cache, 3)
    move_cache(cache, torch.device("meta"))
    assert {tensor.device.type for layer in cache.layers for tensor in (layer.keys, layer.values)} == {"meta"}
    assert {layer.device.type for layer in cache.layers} == {"meta"}
