"""A cut model computes what the uncut one does, and holds nothing but its own layers."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.cache_utils import DynamicCache

from fakes.models import FAMILIES, VOCABULARY, tiny_config, write_tiny_model
from meadow_client.errors import ModelUnusableError
from meadow_client.models.cutting import (
    Gates,
    cut_class,
    find_layers,
    renumber,
    set_layer_index,
    share_copy,
    slice_config,
)

TinyModel = Callable[[str], Path]
SPANS = [range(0, 1), range(1, 4), range(4, 6)]
LAYERS = 6


class Uncut:
    """A whole model, and what goes into its first layer and comes out of its last one."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model.eval()
        layers = find_layers(model.base_model, LAYERS).layers
        layers[0].register_forward_pre_hook(self._note_entering, with_kwargs=True)
        layers[-1].register_forward_hook(self._note_leaving)

    def run(self, ids: torch.Tensor, cache: DynamicCache) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            self.model.base_model(ids, past_key_values=cache, use_cache=True)
        return self.entering, self.leaving

    def _note_entering(self, _layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.entering = args[0] if args else kwargs["hidden_states"]

    def _note_leaving(self, _layer: nn.Module, _args: Any, output: Any) -> None:
        self.leaving = output[0] if isinstance(output, tuple) else output


class Part:
    """Some layers of a model, with a cache."""

    def __init__(self, model: PreTrainedModel, keep: range) -> None:
        self.model = model.eval()
        self.base = model.base_model
        self.gates = Gates(find_layers(self.base, len(keep)).layers)
        self.cache = DynamicCache()

    def run(self, hidden: torch.Tensor, position: int) -> torch.Tensor:
        arguments: dict[str, Any] = {"inputs_embeds": hidden, "past_key_values": self.cache, "use_cache": True}
        if "position_ids" in inspect.signature(self.base.forward).parameters:
            positions = torch.arange(position, position + hidden.shape[1])
            arguments["position_ids"] = positions.expand(hidden.shape[0], -1)
        with torch.no_grad(), self.gates.passing(hidden):
            self.base(**arguments)
            return self.gates.output


def load_whole(folder: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)  # type: ignore[no-any-return]


def load_part(folder: Path, keep: range) -> tuple[PreTrainedModel, dict[str, Any]]:
    model_class = _class_of(folder)
    loaded: Any = cut_class(model_class, keep).from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    return loaded


@cache
def _class_of(folder: Path) -> type[PreTrainedModel]:
    return type(load_whole(folder))


@pytest.mark.parametrize("family", FAMILIES)
def test_spans_in_a_row_compute_what_the_whole_model_does(tiny_model: TinyModel, family: str) -> None:
    folder = tiny_model(family)
    uncut, whole_cache = Uncut(load_whole(folder)), DynamicCache()
    parts = []
    for keep in SPANS:
        model, report = load_part(folder, keep)
        assert not report["missing_keys"]
        renumber(model, keep)
        parts.append(Part(model, keep))
    ids = torch.randint(0, VOCABULARY, (2, 40), generator=torch.Generator().manual_seed(1))
    for first, last in ((0, 30), (30, 31), (31, 36), (36, 40)):
        hidden, expected = uncut.run(ids[:, first:last], whole_cache)
        for part in parts:
            hidden = part.run(hidden, first)
        torch.testing.assert_close(hidden, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_span_holds_the_weights_of_its_own_layers_only(tiny_model: TinyModel, family: str) -> None:
    whole = load_whole(tiny_model(family))
    kept = find_layers(whole.base_model, LAYERS).layers[1:4]
    model, _ = load_part(tiny_model(family), range(1, 4))
    renumber(model, range(1, 4))
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in kept.parameters())
    held = find_layers(model.base_model, 3).layers
    for ours, theirs in zip(held, kept, strict=True):
        assert ours.state_dict().keys() == theirs.state_dict().keys()
        for name, tensor in ours.state_dict().items():
            assert torch.equal(tensor, theirs.state_dict()[name])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_clients_end_holds_everything_but_the_layers(tiny_model: TinyModel, family: str) -> None:
    folder = tiny_model(family)
    whole = load_whole(folder)
    in_layers = sum(p.numel() for p in find_layers(whole.base_model, LAYERS).layers.parameters())
    loaded: Any = cut_class(type(whole), None).from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    model, report = loaded
    assert not report["missing_keys"]
    assert isinstance(model, type(whole))
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in whole.parameters()) - in_layers
    assert torch.equal(model.get_output_embeddings().weight, whole.get_output_embeddings().weight)


def test_weights_that_are_not_in_the_files_are_reported(tmp_path: Path) -> None:
    short = write_tiny_model(tmp_path / "short", "llama", layers=3)
    shutil.copy(write_tiny_model(tmp_path / "long", "llama", layers=6) / "config.json", short / "config.json")
    _, report = load_part(short, range(2, 4))
    assert report["missing_keys"]
    assert all(".3." in name for name in report["missing_keys"])


@pytest.mark.parametrize("family", FAMILIES)
def test_every_module_of_a_span_counts_its_layers_from_zero(tiny_model: TinyModel, family: str) -> None:
    keep = range(4, 6)
    model, _ = load_part(tiny_model(family), keep)
    renumber(model, keep)
    for position, layer in enumerate(find_layers(model.base_model, 2).layers):
        for module in layer.modules():
            assert getattr(module, "layer_idx", None) in (None, position)


def test_a_config_is_cut_with_its_layers() -> None:
    config = tiny_config("gemma3")
    slice_config(config, range(1, 4))
    assert config.num_hidden_layers == 3
    assert config.layer_types == ["full_attention", "sliding_attention", "full_attention"]


def test_lists_of_another_length_stay_as_they_are() -> None:
    config = tiny_config("llama")
    config.layer_marks = ["a", "b", "c", "d", "e", "f"]
    config.eos_token_id = [1, 2]
    slice_config(config, range(5, 6))
    assert (config.num_hidden_layers, config.layer_marks, config.eos_token_id) == (1, ["f"], [1, 2])


def test_end_tokens_stay_where_there_are_as_many_of_them_as_layers() -> None:
    config = tiny_config("llama", layers=3)
    config.eos_token_id = [1, 2, 3]
    slice_config(config, range(0, 1))
    assert config.eos_token_id == [1, 2, 3]


class Twice(nn.Module):
    """A model with two lists of the same length."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
        self.others = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))


@pytest.mark.parametrize("num_layers", [3, 4])
def test_a_model_without_one_list_of_layers_cannot_be_cut(num_layers: int) -> None:
    with pytest.raises(ModelUnusableError, match="one list"):
        find_layers(Twice(), num_layers)


def test_lists_inside_the_layers_are_not_mistaken_for_them(tiny_model: TinyModel) -> None:
    base = AutoModelForCausalLM.from_config(tiny_config("mixtral", layers=4)).base_model  # four experts, too
    assert find_layers(base, 4).name == "layers"


def test_a_copy_shares_its_tensors_and_not_its_structure(tiny_model: TinyModel) -> None:
    base = load_whole(tiny_model("llama")).base_model
    twin: Any = share_copy(base)
    assert [t.data_ptr() for t in twin.state_dict().values()] == [t.data_ptr() for t in base.state_dict().values()]
    twin.layers = nn.ModuleList(list(twin.layers)[2:4])
    for position, layer in enumerate(twin.layers):
        set_layer_index(layer, position)
    assert len(base.layers) == LAYERS
    assert [layer.self_attn.layer_idx for layer in base.layers] == list(range(LAYERS))


def test_a_copy_does_not_run_the_hooks_of_the_original() -> None:
    module = nn.Sequential(nn.Linear(2, 2))
    calls: list[str] = []
    module[0].register_forward_hook(lambda *_: calls.append("hook"))
    module[0].register_forward_pre_hook(lambda *_: calls.append("pre"))
    twin = share_copy(module)
    twin(torch.zeros(1, 2))
    assert calls == []
    module(torch.zeros(1, 2))
    assert calls == ["pre", "hook"]


def test_gates_forget_what_passed() -> None:
    layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    gates = Gates(layers)
    with gates.passing(torch.ones(1, 2)):
        layers[1](layers[0](torch.zeros(1, 2)))
        assert gates.output.shape == (1, 2)
    with pytest.raises(ModelUnusableError, match="last layer"):
        _ = gates.output
