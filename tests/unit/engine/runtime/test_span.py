"""A span computes what the uncut model's layers do: in parts, step by step, rolled back, and backward."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, Gemma3Config, SiglipVisionConfig

from fakes.models import FAMILIES, HIDDEN, tiny_config, write_tiny_model
from meadow_client.errors import ModelUnusableError
from meadow_client.models.cutting import find_layers
from meadow_client.models.description import describe
from meadow_engine.runtime.packing import Part
from meadow_engine.runtime.span import LoadOptions, Span, layer_bytes

TinyModel = Callable[[str], Path]
CPU = torch.device("cpu")
FLOAT32 = LoadOptions("float32")
FIRST, LAST = 1, 5


@pytest.fixture(scope="session")
def span_of(tiny_model: TinyModel) -> Callable[[str], Span]:
    @cache
    def load(family: str) -> Span:
        return Span.load(describe(str(tiny_model(family))), FIRST, LAST, CPU, FLOAT32)

    return load


class Uncut:
    """A whole model that takes hidden states before layer `first` and tells those after layer `last`."""

    def __init__(self, folder: Path, first: int, last: int) -> None:
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        layers = find_layers(self.model.base_model, 6).layers
        layers[first].register_forward_pre_hook(self._enter, with_kwargs=True)
        layers[last - 1].register_forward_hook(self._leave)

    def run(self, hidden: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        self.entering = hidden
        ids = torch.zeros(hidden.shape[:2], dtype=torch.int64)
        arguments: dict[str, Any] = {} if mask is None else {"attention_mask": mask.long()}
        self.model.base_model(ids, use_cache=False, **arguments)
        return self.leaving

    def _enter(self, _layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if "hidden_states" in kwargs:
            return args, {**kwargs, "hidden_states": self.entering}
        return (self.entering, *args[1:]), kwargs

    def _leave(self, _layer: nn.Module, _args: Any, output: Any) -> None:
        self.leaving = output[0] if isinstance(output, tuple) else output


def random_hidden(batch: int = 1, tokens: int = 24, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, tokens, HIDDEN, generator=torch.Generator().manual_seed(seed))


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_forward_gives_what_the_uncut_layers_give(span_of: Any, tiny_model: TinyModel, family: str) -> None:
    hidden = random_hidden(batch=2)
    with torch.no_grad():
        expected = Uncut(tiny_model(family), FIRST, LAST).run(hidden)
        close(span_of(family).view(FIRST, LAST).forward(hidden), expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_on_the_left_is_not_seen(span_of: Any, tiny_model: TinyModel, family: str) -> None:
    view = span_of(family).view(FIRST, LAST)
    text = random_hidden(tokens=20)
    padded = torch.cat([torch.randn(1, 4, HIDDEN), text], dim=1)
    mask = torch.ones(1, 24, dtype=torch.bool)
    mask[0, :4] = False
    positions = torch.arange(-4, 20).clamp(min=0)[None]
    with torch.no_grad():
        alone = view.forward(text)
        close(view.forward(padded, positions, mask)[:, 4:], alone)
        state = view.new_cache()
        view.step(padded[:, :10], state, 0, positions[:, :10], mask[:, :10])
        close(view.step(padded[:, 10:], state, 10, positions[:, 10:], mask), alone[:, 6:])


@pytest.mark.parametrize("family", FAMILIES)
def test_steps_with_a_cache_give_what_one_pass_gives(span_of: Any, family: str) -> None:
    view = span_of(family).view(FIRST, LAST)
    hidden = random_hidden(batch=2)
    state = view.new_cache()
    with torch.no_grad():
        expected = view.forward(hidden)
    parts = [view.step(hidden[:, a:b], state, a) for a, b in ((0, 18), (18, 19), (19, 20), (20, 24))]
    close(torch.cat(parts, dim=1), expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_after_a_rollback_a_session_goes_on_as_if_nothing_had_been_there(span_of: Any, family: str) -> None:
    view = span_of(family).view(FIRST, LAST)
    hidden, other = random_hidden(), random_hidden(seed=1)
    state, fresh = view.new_cache(), view.new_cache()
    view.step(hidden, state, 0)
    view.step(hidden[:, :7], fresh, 0)
    close(view.step(other[:, :3], state, 7), view.step(other[:, :3], fresh, 7))
    close(view.step(other[:, :1], state, 10), view.step(other[:, :1], fresh, 10))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_beam_order_takes_the_caches_rows_in_that_order(span_of: Any, family: str) -> None:
    view = span_of(family).view(FIRST, LAST)
    hidden, following = random_hidden(batch=3, tokens=6), random_hidden(batch=3, tokens=1, seed=1)
    order = torch.tensor([2, 0, 0])
    state, expected = view.new_cache(), view.new_cache()
    view.step(hidden, state, 0)
    view.step(hidden[order], expected, 0)
    close(view.step(following, state, 6, beam_idx=order), view.step(following, expected, 6))


@pytest.mark.parametrize("family", FAMILIES)
def test_sessions_that_go_together_get_what_the_uncut_layers_give(
    span_of: Any, tiny_model: TinyModel, family: str
) -> None:
    view = span_of(family).view(FIRST, LAST)
    if not view.can_pack:
        pytest.skip("runs one session at a time")
    uncut = Uncut(tiny_model(family), FIRST, LAST)
    texts = [random_hidden(batch=2), random_hidden(tokens=9, seed=1)]
    states, positions = [view.new_cache() for _text in texts], [0, 0]
    got: list[list[torch.Tensor]] = [[], []]
    for counts in ((18, 3), (1, 5), (5, 1)):
        ends = [position + count for position, count in zip(positions, counts, strict=True)]
        parts = [Part(state, text[:, a:b], a) for state, text, a, b in zip(states, texts, positions, ends, strict=True)]
        for outputs, output in zip(got, view.step_together(parts), strict=True):
            outputs.append(output)
        positions = ends
    with torch.no_grad():
        for text, outputs in zip(texts, got, strict=True):
            close(torch.cat(outputs, dim=1), uncut.run(text))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pass_that_broke_off_is_forgotten_when_the_session_is_prepared(span_of: Any, family: str) -> None:
    view = span_of(family).view(FIRST, LAST)
    hidden = random_hidden(tokens=12)
    state, expected = view.new_cache(), view.new_cache()
    view.step(hidden[:, :8], state, 0)
    view.step(hidden[:, :8], expected, 0)
    with torch.inference_mode():
        first = state.layers[0]
        first.update(first.keys[:, :, :3].clone(), first.values[:, :, :3].clone())
    close(view.step(hidden[:, 8:], state, 8), view.step(hidden[:, 8:], expected, 8))


@pytest.mark.parametrize("family", FAMILIES)
def test_parts_of_a_span_in_a_row_are_the_span(span_of: Any, family: str) -> None:
    span = span_of(family)
    hidden = random_hidden()
    with torch.no_grad():
        whole = span.view(1, 5).forward(hidden)
        parts = span.view(3, 5).forward(span.view(2, 3).forward(span.view(1, 2).forward(hidden)))
    assert torch.equal(parts, whole)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_part_of_a_span_keeps_a_cache_of_its_own(span_of: Any, family: str) -> None:
    view = span_of(family).view(3, 5)
    hidden = random_hidden()
    state = view.new_cache()
    with torch.no_grad():
        expected = view.forward(hidden)
    parts = [view.step(hidden[:, a:b], state, a) for a, b in ((0, 20), (20, 24))]
    close(torch.cat(parts, dim=1), expected)
    assert len(state.layers) == 2


@pytest.mark.parametrize("family", FAMILIES)
def test_the_gradient_is_autograds_of_the_uncut_layers(span_of: Any, tiny_model: TinyModel, family: str) -> None:
    hidden, grad = random_hidden(batch=2, tokens=9), random_hidden(batch=2, tokens=9, seed=1)
    entering = hidden.clone().requires_grad_(True)
    output = Uncut(tiny_model(family), FIRST, LAST).run(entering)
    (expected,) = torch.autograd.grad(output, entering, grad)
    ours = span_of(family).view(FIRST, LAST).backward(hidden, grad)
    torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-4)


def test_the_gradient_does_not_touch_what_was_given(span_of: Any) -> None:
    hidden, grad = random_hidden(tokens=3), random_hidden(tokens=3, seed=1)
    before = hidden.clone()
    span_of("llama").view(FIRST, LAST).backward(hidden, grad)
    assert torch.equal(hidden, before)
    assert not hidden.requires_grad


def test_views_share_the_spans_weights(span_of: Any) -> None:
    span = span_of("llama")
    loaded = {p.data_ptr() for p in span._model.parameters()}
    for layers in ((1, 5), (2, 4), (4, 5)):
        view = span.view(*layers)
        held = {p.data_ptr() for p in view._base.parameters()}
        assert held <= loaded
        assert span.view(*layers) is view


@pytest.mark.parametrize("family", FAMILIES)
def test_a_token_takes_as_much_of_the_cache_as_it_is_said_to(span_of: Any, family: str) -> None:
    span = span_of(family)
    heads = {"bloom": 4, "falcon": 1, "gpt2": 4, "opt": 4}.get(family, 2)
    assert span.bytes_per_token == (LAST - FIRST) * 2 * heads * 16 * 4


def test_a_span_knows_its_size_and_dtype(span_of: Any, tiny_model: TinyModel) -> None:
    assert (span_of("llama").width, span_of("llama").dtype) == (HIDDEN, torch.float32)
    half = Span.load(describe(str(tiny_model("llama"))), 0, 1, CPU, LoadOptions("bfloat16"))
    assert half.dtype == torch.bfloat16
    assert half.bytes_per_token == 2 * 2 * 16 * 2


def test_a_step_of_a_span_can_be_timed(span_of: Any) -> None:
    assert span_of("llama").time_step(repeats=2) > 0


def test_weights_that_are_missing_are_an_error(tmp_path: Path) -> None:
    short = write_tiny_model(tmp_path / "short", "llama", layers=3)
    shutil.copy(write_tiny_model(tmp_path / "long", "llama") / "config.json", short / "config.json")
    with pytest.raises(ModelUnusableError, match="lack"):
        Span.load(describe(str(short)), 2, 4, CPU, FLOAT32)


@pytest.mark.parametrize("damage", ["gone", "empty", "cut short", "no weights at all"])
def test_weights_that_cannot_be_read_are_an_error(tiny_model: TinyModel, tmp_path: Path, damage: str) -> None:
    folder = shutil.copytree(tiny_model("llama"), tmp_path / "tiny")
    weights = folder / "model.safetensors"
    match damage:
        case "gone":
            weights.unlink()
        case "empty":
            weights.write_bytes(b"")
        case "cut short":
            weights.write_bytes(weights.read_bytes()[:5000])
        case _:
            weights.write_bytes(b"hello" * 1000)
    with pytest.raises(ModelUnusableError, match="cannot be read"):
        Span.load(describe(str(folder)), 0, 2, CPU, FLOAT32)


def test_weights_of_another_size_are_an_error(tiny_model: TinyModel, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model("llama"), tmp_path / "tiny")
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"intermediate_size": 96', '"intermediate_size": 128'))
    with pytest.raises(ModelUnusableError):
        Span.load(describe(str(folder)), 0, 2, CPU, FLOAT32)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_size_of_a_layer_is_known_before_it_is_loaded(tiny_model: TinyModel, family: str) -> None:
    description = describe(str(tiny_model(family)))
    span = Span.load(description, 0, 1, CPU, FLOAT32)
    expected = sum(p.numel() for p in span._model.parameters())
    assert layer_bytes(description, FLOAT32) == 4 * expected
    assert layer_bytes(description, LoadOptions("auto")) == 4 * expected
    assert layer_bytes(description, LoadOptions("bfloat16")) == 2 * expected
    assert layer_bytes(description, LoadOptions("auto", "int8")) == expected
    assert layer_bytes(description, LoadOptions("auto", "nf4")) == expected // 2


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_without_a_wish_weights_are_kept_as_their_files_have_them(
    tiny_model: TinyModel, tmp_path: Path, dtype: torch.dtype
) -> None:
    AutoModelForCausalLM.from_pretrained(tiny_model("llama"), dtype=dtype).save_pretrained(tmp_path / "tiny")
    description = describe(str(tmp_path / "tiny"))
    span = Span.load(description, 0, 1, CPU, LoadOptions("auto"))
    assert span.dtype == dtype
    assert layer_bytes(description, LoadOptions("auto")) == sum(p.nbytes for p in span._model.parameters())
    assert Span.load(description, 0, 1, CPU, FLOAT32).dtype == torch.float32


def test_parts_of_a_span_of_a_model_that_sees_are_the_span(tmp_path: Path) -> None:
    text = tiny_config("gemma3")
    text.layer_types = ["sliding_attention", "full_attention", "full_attention"] * 2
    sight = SiglipVisionConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=32, patch_size=8
    )
    config = Gemma3Config(text_config=text.to_dict(), vision_config=sight.to_dict(), mm_tokens_per_image=4)
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(tmp_path / "sees")
    span = Span.load(describe(str(tmp_path / "sees")), 0, 6, CPU, FLOAT32)
    hidden = random_hidden()
    with torch.no_grad():
        whole = span.view(0, 6).forward(hidden)
        parts = span.view(3, 6).forward(span.view(1, 3).forward(span.view(0, 1).forward(hidden)))
    assert torch.equal(parts, whole)
