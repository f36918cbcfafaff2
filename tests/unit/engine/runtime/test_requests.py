"""A session's cache follows its steps, wherever it lies, and takes no more room than was counted."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fakes.models import HIDDEN
from meadow_client.errors import BrokenFrameError
from meadow_client.models.description import describe
from meadow_client.session.codec import pack, unpack
from meadow_client.session.job import slice_step
from meadow_engine.runtime.caches import PAGE_TOKENS, measure_bytes
from meadow_engine.runtime.packing import PackingRefusedError
from meadow_engine.runtime.requests import SessionState, SessionWork, StatelessState, run_works
from meadow_engine.runtime.span import LoadOptions, Span, SpanView

FIRST, LAST = 1, 5


@pytest.fixture(scope="module", params=["llama", "bloom"])
def span(request: pytest.FixtureRequest, tiny_model: Callable[[str], Path]) -> Span:
    """A span whose sessions share passes, and one whose sessions go alone."""
    description = describe(str(tiny_model(request.param)))
    return Span.load(description, FIRST, LAST, torch.device("cpu"), LoadOptions("float32"))


@pytest.fixture(scope="module")
def llama(tiny_model: Callable[[str], Path]) -> Span:
    return Span.load(describe(str(tiny_model("llama"))), FIRST, LAST, torch.device("cpu"), LoadOptions("float32"))


def hidden(batch: int = 1, tokens: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, tokens, HIDDEN, generator=torch.Generator().manual_seed(seed))


def new_state(span: Span) -> SessionState:
    return SessionState(span, FIRST, LAST)


def run(state: SessionState, position: int, entering: torch.Tensor, **others: torch.Tensor) -> torch.Tensor:
    (output,) = run_works([SessionWork(state, position, {"hidden": entering, **others})])  # type: ignore[dict-item]
    assert isinstance(output, torch.Tensor), output
    return output


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_sessions_in_one_pass_get_what_each_would_get_alone(span: Span) -> None:
    texts = [hidden(tokens=7), hidden(2, 3, seed=1), hidden(tokens=1, seed=2)]
    states = [new_state(span) for _ in texts]
    works = [SessionWork(state, 0, {"hidden": text}) for state, text in zip(states, texts, strict=True)]
    for output, text in zip(run_works(works), texts, strict=True):
        close(output, span.view(FIRST, LAST).forward(text))  # type: ignore[arg-type]


def test_a_session_goes_on_goes_back_and_begins_anew(span: Span) -> None:
    text, other, state = hidden(tokens=8), hidden(tokens=3, seed=1), new_state(span)
    view = span.view(FIRST, LAST)
    close(torch.cat([run(state, 0, text[:, :5]), run(state, 5, text[:, 5:])], dim=1), view.forward(text))
    close(run(state, 2, other), view.forward(torch.cat([text[:, :2], other], dim=1))[:, 2:])
    close(run(state, 0, other), view.forward(other))


def test_hidden_states_of_int8_are_unpacked(span: Span) -> None:
    packed: Any = pack(hidden(), "int8")
    expected = span.view(FIRST, LAST).forward(unpack(packed, torch.float32, torch.device("cpu")))
    close(run(new_state(span), 0, packed["hidden"], scale=packed["scale"]), expected)


def test_hidden_states_of_another_float_are_computed_in_the_spans_own(span: Span) -> None:
    output = run(new_state(span), 0, hidden().bfloat16())
    assert output.dtype == torch.float32
    close(output, span.view(FIRST, LAST).forward(hidden().bfloat16().float()))


def test_a_cache_that_was_away_comes_back_with_all_it_held(span: Span) -> None:
    text, state = hidden(tokens=8), new_state(span)
    run(state, 0, text[:, :5])
    state.move_out()
    assert state.is_away
    state.move_back()
    assert not state.is_away
    output = run(state, 5, text[:, 5:])
    close(output, span.view(FIRST, LAST).forward(text)[:, 5:])


def test_a_step_for_a_cache_that_is_away_brings_it_back_first(span: Span) -> None:
    text, state = hidden(tokens=8), new_state(span)
    run(state, 0, text[:, :5])
    state.move_out()
    close(run(state, 5, text[:, 5:]), span.view(FIRST, LAST).forward(text)[:, 5:])
    assert not state.is_away


def test_a_session_that_fails_does_not_hurt_the_others(span: Span) -> None:
    good, bad, view = new_state(span), new_state(span), span.view(FIRST, LAST)
    run(bad, 0, hidden(2))
    outputs = run_works(
        [
            SessionWork(good, 0, {"hidden": hidden(tokens=5)}),
            SessionWork(bad, 4, {"hidden": hidden(2, 1), "beam_idx": torch.tensor([0, 2])}),
            SessionWork(new_state(span), 0, {"hidden": torch.zeros(1, 2, HIDDEN + 1)}),
        ]
    )
    close(outputs[0], view.forward(hidden(tokens=5)))  # type: ignore[arg-type]
    assert isinstance(outputs[1], BrokenFrameError)
    assert isinstance(outputs[2], RuntimeError)
    text = torch.cat([hidden(tokens=5), hidden(tokens=1, seed=1)], dim=1)
    close(run(good, 5, text[:, 5:]), view.forward(text)[:, 5:])


@pytest.mark.parametrize("count", [1, 3])
def test_a_pass_that_cannot_be_packed_after_all_is_run_one_by_one(
    llama: Span, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    def refuse(_view: SpanView, _parts: Any) -> Any:
        raise PackingRefusedError("a surprise")

    monkeypatch.setattr(SpanView, "step_together", refuse)
    texts = [hidden(tokens=3, seed=seed) for seed in range(count)]
    outputs = run_works([SessionWork(new_state(llama), 0, {"hidden": text}) for text in texts])
    for output, text in zip(outputs, texts, strict=True):
        close(output, llama.view(FIRST, LAST).forward(text))  # type: ignore[arg-type]


def test_beams_are_taken_in_their_order(span: Span) -> None:
    text, state, order = hidden(2, 4), new_state(span), torch.tensor([1, 1])
    run(state, 0, text)
    following = hidden(2, 1, seed=1)
    expected = span.view(FIRST, LAST).forward(torch.cat([text[order], following], dim=1))[:, 4:]
    close(run(state, 4, following, beam_idx=order), expected)


def test_pages_are_counted_over_all_rows(llama: Span) -> None:
    state = new_state(llama)
    assert state.pages_for(3, 0, PAGE_TOKENS) == 3
    assert state.pages_for(3, PAGE_TOKENS, 1) == 6
    assert state.pages_for(3, 5, 1) == 6
    assert state.pages_for(1, 0, 1) == 1


@pytest.mark.parametrize("seed", range(8))
def test_a_cache_takes_no_more_room_than_was_counted_for_it(llama: Span, seed: int) -> None:
    """However its steps are cut, rolled back, restarted and moved about."""
    rng, state, length, rows = random.Random(seed), new_state(llama), 0, 1
    page_bytes = llama.bytes_per_token * PAGE_TOKENS
    for _ in range(25):
        position = rng.choice([0, length, length, length, length, rng.randint(0, length)])
        rows = rng.randint(1, 3) if position == 0 else rows
        tokens = rng.choice([1, 1, 15, 16, 17, 90])
        pages = state.pages_for(rows, position, tokens)
        if rng.random() < 0.3:
            state.move_out()
            pages = state.pages_for(rows, position, tokens)
        whole: Any = {"hidden": hidden(rows, tokens)}
        size = rng.choice([tokens, 7, 32])
        for first in range(0, tokens, size):
            last = min(first + size, tokens)
            part = slice_step(whole, first, last)
            run(state, position + first, part["hidden"])
            assert measure_bytes(state._cache) <= pages * page_bytes
        length = position + tokens
        if rng.random() < 0.3:
            state.move_out()
            assert measure_bytes(state._cache) <= pages * page_bytes


def test_a_dropped_cache_takes_no_room(llama: Span) -> None:
    state = new_state(llama)
    run(state, 0, hidden(tokens=30))
    state.drop_cache()
    assert measure_bytes(state._cache) == 0


def test_stateless_passes_give_what_the_layers_give(span: Span) -> None:
    text, grad, state, view = hidden(2), hidden(2, seed=1), StatelessState(span, FIRST, LAST), span.view(FIRST, LAST)
    assert torch.equal(state.forward({"hidden": text}), view.forward(text))
    assert torch.equal(state.backward({"hidden": text, "grad": grad}), view.backward(text, grad))
