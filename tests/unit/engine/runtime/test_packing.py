"""Sessions that share a pass get what they would have got alone, whatever their lengths, padding and past."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedConfig
from transformers.cache_utils import Cache

from fakes.models import FAMILIES, HIDDEN, tiny_config
from meadow_client.models.description import describe
from meadow_engine.runtime.packing import PackingRefusedError, Part, may_pack
from meadow_engine.runtime.span import LoadOptions, Span, SpanView

TinyModel = Callable[[str], Path]
CPU = torch.device("cpu")
FIRST, LAST = 1, 5
# These have attention code of their own.
ALONE = {"bloom", "falcon"}
PACKED = [family for family in FAMILIES if family not in ALONE]


@pytest.fixture(scope="session")
def view_of(tiny_model: TinyModel) -> Callable[[str], SpanView]:
    @cache
    def load(family: str) -> SpanView:
        return Span.load(describe(str(tiny_model(family))), FIRST, LAST, CPU, LoadOptions("float32")).view(FIRST, LAST)

    return load


class Conversation:
    """A session of known hidden states [B, N, D], taken through packed passes a few tokens at a time."""

    def __init__(
        self,
        view: SpanView,
        batch: int,
        tokens: int,
        seed: int,
        padding: int = 0,
        side: str = "left",
        ids: bool = False,
    ) -> None:
        self.view = view
        self.hidden = torch.randn(batch, tokens, HIDDEN, generator=torch.Generator().manual_seed(seed))
        self.cache: Cache = view.new_cache()
        self.position = 0
        self.outputs: list[torch.Tensor] = []
        self.visible = torch.ones(batch, tokens, dtype=torch.bool)
        self.is_padded = padding > 0
        self.ids: torch.Tensor | None = None
        if padding and side == "left":
            self.visible[0, :padding] = False
        elif padding:
            self.visible[0, -padding:] = False
        if padding or ids:
            self.ids = (self.visible.cumsum(dim=1) - 1).clamp(min=0)
        if ids:
            self.ids = 3 * torch.arange(tokens).expand(batch, -1) + 5

    def part(self, tokens: int) -> Part:
        end = self.position + tokens
        return Part(
            self.cache,
            self.hidden[:, self.position : end],
            self.position,
            None if self.ids is None else self.ids[:, self.position : end],
            self.visible[:, :end] if self.is_padded else None,
        )

    def take(self, output: torch.Tensor) -> None:
        self.outputs.append(output)
        self.position += output.shape[1]

    def check(self) -> None:
        """What came out is what the session alone gets for everything at once, in the plain way."""
        ours = torch.cat(self.outputs, dim=1)
        seen = slice(0, self.position)
        mask = self.visible[:, seen] if self.is_padded else None
        ids = None if self.ids is None else self.ids[:, seen]
        expected = self.view.step(self.hidden[:, seen], self.view.new_cache(), 0, ids, mask)
        assert torch.isfinite(ours).all()
        close(ours[self.visible[:, seen]], expected[self.visible[:, seen]])


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def run(sessions: list[Conversation], tokens: list[int]) -> None:
    """One packed pass in which each session goes on by so many tokens; none where that is 0."""
    going = [(session, count) for session, count in zip(sessions, tokens, strict=True) if count]
    view = sessions[0].view
    for (session, _count), output in zip(
        going, view.step_together([session.part(count) for session, count in going]), strict=True
    ):
        session.take(output)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_span_says_honestly_whether_it_can_pack(view_of: Any, family: str) -> None:
    assert view_of(family).can_pack == (family not in ALONE)


@pytest.mark.parametrize("family", sorted(ALONE))
def test_a_span_that_cannot_pack_refuses_and_goes_on_step_by_step(view_of: Any, family: str) -> None:
    view = view_of(family)
    session = Conversation(view, 1, 9, seed=0)
    with pytest.raises(PackingRefusedError):
        view.step_together([session.part(4)])
    for tokens in (4, 1, 4):
        part = session.part(tokens)
        session.take(view.step(part.hidden, part.cache, part.position))
    session.check()


@pytest.mark.parametrize("family", PACKED)
def test_prompts_in_chunks_and_single_tokens_go_together(view_of: Any, family: str) -> None:
    view = view_of(family)
    # Longer than the windows of gemma3 and gpt_oss, which are 16 tokens wide.
    sessions = [Conversation(view, 1, 48, seed) for seed in range(3)]
    for tokens in ([30, 5, 0], [1, 9, 7], [1, 20, 20], [1, 1, 1], [2, 1, 6], [1, 1, 1]):
        run(sessions, tokens)
    for session in sessions:
        session.check()


@pytest.mark.parametrize("family", PACKED)
@pytest.mark.parametrize("side", ["left", "right"])
def test_padded_batches_go_together_with_others(view_of: Any, family: str, side: str) -> None:
    view = view_of(family)
    padded = Conversation(view, 3, 24, seed=0, padding=4, side=side)
    sessions = [padded, Conversation(view, 1, 24, seed=1), Conversation(view, 2, 24, seed=2)]
    for tokens in ([10, 1, 3], [9, 19, 1], [1, 1, 1], [4, 1, 16]):
        run(sessions, tokens)
    for session in sessions:
        session.check()


@pytest.mark.parametrize("family", PACKED)
def test_a_padded_batch_by_itself_is_computed_without_a_nan(view_of: Any, family: str) -> None:
    session = Conversation(view_of(family), 2, 12, seed=0, padding=11)
    for tokens in (5, 6, 1):
        run([session], [tokens])
    session.check()


@pytest.mark.parametrize("family", PACKED)
def test_tokens_stand_where_a_client_says(view_of: Any, family: str) -> None:
    view = view_of(family)
    sessions = [Conversation(view, 2, 12, 0, ids=True), Conversation(view, 1, 12, 1)]
    alone = Conversation(view, 1, 12, 2, ids=True)
    for tokens in (7, 1, 4):
        run(sessions, [tokens, tokens])
        run([alone], [tokens])
    for session in (*sessions, alone):
        session.check()


@pytest.mark.parametrize("family", PACKED)
def test_a_session_that_was_rolled_back_goes_on_among_others(view_of: Any, family: str) -> None:
    view = view_of(family)
    back, other = Conversation(view, 1, 40, seed=0), Conversation(view, 1, 40, seed=1)
    run([back, other], [30, 8])
    back.position, back.outputs = 20, [back.outputs[0][:, :20]]
    back.hidden = torch.cat([back.hidden[:, :20], torch.randn(1, 20, HIDDEN)], dim=1)
    view.prepare(back.cache, 20)
    for tokens in ([3, 1], [1, 5]):
        run([back, other], tokens)
    back.check()
    other.check()


@pytest.mark.parametrize("family", PACKED)
def test_beams_take_another_order_among_others(view_of: Any, family: str) -> None:
    view = view_of(family)
    beams, other = Conversation(view, 3, 10, seed=0), Conversation(view, 1, 10, seed=1)
    run([beams, other], [6, 2])
    order = torch.tensor([2, 0, 0])
    view.prepare(beams.cache, 6, order)
    beams.hidden = torch.cat([beams.hidden[order, :6], beams.hidden[:, 6:]], dim=1)
    beams.outputs = [beams.outputs[0][order]]
    for tokens in ([1, 1], [2, 1]):
        run([beams, other], tokens)
    beams.check()
    other.check()


@pytest.mark.parametrize("family", PACKED)
def test_a_session_may_change_between_the_packed_and_the_plain_way(view_of: Any, family: str) -> None:
    view = view_of(family)
    session, other = Conversation(view, 1, 30, seed=0), Conversation(view, 1, 30, seed=1)
    run([session, other], [18, 4])
    part = session.part(3)
    session.take(view.step(part.hidden, part.cache, part.position))
    run([session, other], [1, 6])
    session.check()
    other.check()


@pytest.mark.parametrize("family", PACKED)
def test_a_part_of_a_span_packs_too(tiny_model: TinyModel, family: str) -> None:
    span = Span.load(describe(str(tiny_model(family))), FIRST, LAST, CPU, LoadOptions("float32"))
    sessions = [Conversation(span.view(2, 4), 1, 24, seed) for seed in range(2)]
    for tokens in ([20, 3], [1, 4], [1, 1]):
        run(sessions, tokens)
    for session in sessions:
        session.check()


def test_what_a_session_has_cached_is_untouched_by_anothers_pass(view_of: Any) -> None:
    view = view_of("llama")
    first, second = Conversation(view, 1, 20, seed=0), Conversation(view, 1, 20, seed=1)
    run([first, second], [9, 9])
    before = [(layer.keys.clone(), layer.values.clone(), layer.length) for layer in first.cache.layers]
    run([second], [5])
    for layer, (keys, values, length) in zip(first.cache.layers, before, strict=True):
        assert layer.length == length
        assert torch.equal(layer.keys[:, :, :length], keys[:, :, :length])
        assert torch.equal(layer.values[:, :, :length], values[:, :, :length])


def test_a_forward_pass_without_a_cache_keeps_its_own_attention(view_of: Any) -> None:
    view = view_of("llama")
    hidden = torch.randn(1, 9, HIDDEN)
    with torch.no_grad():
        before = view.forward(hidden)
        run([Conversation(view, 1, 9, seed=0)], [9])
        assert torch.equal(view.forward(hidden), before)
    assert torch.isfinite(view.backward(hidden, torch.ones_like(hidden))).all()


def test_long_prompts_whose_scores_do_not_fit_at_once_give_the_same(
    view_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meadow_engine.runtime.packed_attention._MOST_SCORES", 4 * 25 * 3)
    session = Conversation(view_of("gpt_oss"), 1, 25, seed=0)
    for tokens in (10, 15):
        run([session], [tokens])
    session.check()


def base_of(config: PreTrainedConfig) -> Any:
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config).base_model


@pytest.mark.parametrize("rope", ["dynamic", "longrope"])
def test_models_whose_positions_depend_on_the_longest_session_are_not_packed(rope: str) -> None:
    config = tiny_config("llama", 1)
    assert may_pack(base_of(config), config)
    settings: dict[str, Any] = {"rope_type": rope, "rope_theta": 1e4, "factor": 2.0}
    if rope == "longrope":
        settings |= {"short_factor": [1.0] * 8, "long_factor": [2.0] * 8, "original_max_position_embeddings": 64}
    changing = LlamaConfig(**{**config.to_dict(), "rope_parameters": settings})
    assert not may_pack(base_of(changing), changing)


def test_a_model_whose_packed_pass_differs_runs_one_session_at_a_time(
    tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    right = SpanView.step_together
    monkeypatch.setattr(SpanView, "step_together", lambda self, parts: [1.01 * out for out in right(self, parts)])
    with caplog.at_level(logging.INFO, logger="meadow_engine.runtime.packing"):
        span = Span.load(describe(str(tiny_model("llama"))), FIRST, LAST, CPU, LoadOptions("float32"))
    assert not span.view(FIRST, LAST).can_pack
    assert "one at a time" in caplog.text
