"""What sessions sent is kept within a bound; who was used least lately loses it first."""

from __future__ import annotations

import torch

from meadow_engine.serving.retention import Retained, Retention

TOKEN_BYTES = 8 * 4


def outputs(tokens: int) -> dict[str, torch.Tensor]:
    return {"hidden": torch.ones(1, tokens, 8)}


def kept_tokens(retained: Retained) -> int:
    return retained.history.tokens if retained.is_whole else -1


def test_the_session_that_was_used_least_lately_makes_room() -> None:
    retention = Retention(limit_bytes=3 * 164 * TOKEN_BYTES)
    with retention.retaining() as first, retention.retaining() as second, retention.retaining() as third:
        for retained in (first, second, third):
            retention.put(retained, 0, outputs(100), 0)
        retention.put(first, 100, outputs(1), 0)
        with retention.retaining() as fourth:
            retention.put(fourth, 0, outputs(100), 0)
            assert [kept_tokens(retained) for retained in (first, second, third, fourth)] == [101, -1, 100, 100]
        assert retention.used_bytes <= 3 * 164 * TOKEN_BYTES
    assert retention.used_bytes == 0


def test_a_session_that_lost_something_keeps_nothing_until_it_begins_again() -> None:
    retention = Retention(limit_bytes=150 * TOKEN_BYTES)
    with retention.retaining() as retained:
        retention.put(retained, 0, outputs(200), 0)
        assert not retained.is_whole
        assert retention.used_bytes == 0
        retention.put(retained, 200, outputs(1), 0)
        assert not retained.is_whole
        retention.put(retained, 0, outputs(10), 0)
        assert kept_tokens(retained) == 10


def test_what_comes_after_a_session_s_end_is_not_kept() -> None:
    retention = Retention(limit_bytes=150 * TOKEN_BYTES)
    with retention.retaining() as retained:
        retention.put(retained, 0, outputs(10), 0)
    retention.put(retained, 0, outputs(10), 0)
    assert (retention.used_bytes, kept_tokens(retained)) == (0, -1)
