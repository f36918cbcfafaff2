"""Cut a Transformers model: keep some of its layers, or keep everything but the layers.

`cut_class` makes a subclass of the model's own class that builds the whole model (on the meta device, where that
costs nothing), drops the parts that are not wanted and then loads like any other model: `from_pretrained` reads,
converts, casts and quantises only the tensors that are left, by their names in the checkpoint.

A cut model runs through the base model's own `forward`, so masks, rotary embeddings, sliding windows and experts stay
Transformers' code. What it does to the embeddings before the first layer, or to the output after the last, must
happen once for the whole chain, at the client's end: `Gates` carries hidden states past it inside a span.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from meadow_client.errors import ModelUnusableError

_LIST_ITEM = re.compile(r"(^|\.)\d+(\.|$)")


_NOT_BY_LAYER = re.compile(r"^_|token|label|architectures|pruned")


class Absent(nn.Module):
    """Stands where a part was that this computer does not hold, and has no parameters.

    An absent embedding (of tokens or positions) contributes nothing; any other part hands its input on.
    """

    def __init__(self, is_embedding: bool) -> None:
        super().__init__()
        self._is_embedding = is_embedding

    def forward(self, first: torch.Tensor, *_others: Any, **_named: Any) -> torch.Tensor:
        return torch.zeros((), device=first.device) if self._is_embedding else first


@dataclass(frozen=True)
class LayerList:
    """Where a model keeps its transformer layers: the attribute `name` of `owner`."""

    owner: nn.Module
    name: str

    @property
    def layers(self) -> nn.ModuleList:
        found = getattr(self.owner, self.name)
        assert isinstance(found, nn.ModuleList)  # noqa: S101 - for the type checker
        return found

    def replace(self, layers: nn.ModuleList) -> None:
        setattr(self.owner, self.name, layers)


def find_layers(base: nn.Module, num_layers: int) -> LayerList:
    """The list of `num_layers` transformer layers inside a base model.

    Raises:
        ModelUnusableError: there is not exactly one such list.
    """
    found = [
        LayerList(owner, name)
        for path, owner in base.named_modules()
        for name, child in owner.named_children()
        if isinstance(child, nn.ModuleList) and len(child) == num_layers and not _LIST_ITEM.search(path)
    ]
    if len(found) != 1:
        raise ModelUnusableError(f"{type(base).__name__} does not keep its layers in one list, so it cannot be cut")
    return found[0]


def cut_class(model_class: type[PreTrainedModel], keep: range | None) -> type[PreTrainedModel]:
    """A subclass of `model_class` that holds only the layers in `keep`, or only what is not a layer if None.

    Layers stay where they were in the list while loading, so that the checkpoint's names fit; `renumber` closes
    the gaps afterwards.
    """

    def build(self: PreTrainedModel, config: PreTrainedConfig, *args: Any, **kwargs: Any) -> None:
        model_class.__init__(self, config, *args, **kwargs)
        layers = find_layers(self.base_model, config.get_text_config(decoder=True).num_hidden_layers).layers
        for index in range(len(layers)):
            if keep is None or index not in keep:
                layers[index] = Absent(is_embedding=False)
        if keep is not None:
            _drop_all_but(self, layers)
            # Nothing is tied any more: both ends of every tie are gone.
            self._tied_weights_keys = {}
            self.all_tied_weights_keys = {}

    members = {
        "__init__": build,
        "__module__": model_class.__module__,
        # The tensors of the other layers are in the checkpoint and not in this model, as they should be.
        "_keys_to_ignore_on_load_unexpected": [r".*"],
    }
    return type(model_class.__name__, (model_class,), members)


def renumber(model: PreTrainedModel, keep: range) -> None:
    """Shrink a loaded span to its own layers: list, per-layer lists of the config, and the layers' own indices."""
    base = model.base_model
    config = base.config.get_text_config(decoder=True)
    place = find_layers(base, config.num_hidden_layers)
    layers = [place.layers[index] for index in keep]
    place.replace(nn.ModuleList(layers))
    slice_config(config, keep)
    for position, layer in enumerate(layers):
        set_layer_index(layer, position)


def slice_config(config: PreTrainedConfig, keep: range) -> None:
    """Cut every list of the config that has one entry for each layer, and the number of layers."""
    num_layers = config.num_hidden_layers
    for name, value in vars(config).items():
        if isinstance(value, list | tuple) and len(value) == num_layers and not _NOT_BY_LAYER.search(name):
            setattr(config, name, [value[index] for index in keep])
    config.num_hidden_layers = len(keep)


def set_layer_index(layer: nn.Module, position: int) -> None:
    """Caches count layers from 0, so every module of a layer that knows its index must, too."""
    for module in layer.modules():
        if isinstance(getattr(module, "layer_idx", None), int):
            module.layer_idx = position  # type: ignore[assignment]


def share_copy(module: nn.Module) -> nn.Module:
    """A copy of a module tree that shares every tensor with the original but may be changed in its structure."""
    twin = copy.copy(module)
    twin.__dict__ = dict(module.__dict__)
    twin._parameters = dict(module._parameters)
    twin._buffers = dict(module._buffers)
    twin._modules = {name: None if child is None else share_copy(child) for name, child in module._modules.items()}
    twin._forward_hooks = type(module._forward_hooks)()
    twin._forward_pre_hooks = type(module._forward_pre_hooks)()
    return twin


class Gates:
    """Carries hidden states past what a base model does before its first layer and after its last one."""

    def __init__(self, layers: nn.ModuleList) -> None:
        self._entering: torch.Tensor | None = None
        self._leaving: torch.Tensor | None = None
        layers[0].register_forward_pre_hook(self._enter, with_kwargs=True)
        layers[-1].register_forward_hook(self._leave)

    @contextmanager
    def passing(self, hidden: torch.Tensor) -> Iterator[Gates]:
        """Within this block one forward pass takes `hidden` [B, T, D] to the first layer."""
        self._entering, self._leaving = hidden, None
        try:
            yield self
        finally:
            self._entering = self._leaving = None

    @property
    def output(self) -> torch.Tensor:
        """What the last layer gave, [B, T, D]."""
        if self._leaving is None:
            raise ModelUnusableError("The model's forward pass did not reach its last layer")
        return self._leaving

    def _enter(self, _layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if "hidden_states" in kwargs:
            return args, {**kwargs, "hidden_states": self._entering}
        return (self._entering, *args[1:]), kwargs

    def _leave(self, _layer: nn.Module, _args: Any, output: Any) -> None:
        self._leaving = output[0] if isinstance(output, tuple) else output


def _drop_all_but(model: nn.Module, layers: nn.ModuleList) -> None:
    """Replace every part with weights that is neither the layers nor above them; rotary embeddings have none."""
    for name, child in list(model.named_children()):
        if child is layers:
            continue
        if any(module is layers for module in child.modules()):
            _drop_all_but(child, layers)
        elif any(True for _ in child.parameters()):
            setattr(model, name, Absent(isinstance(child, nn.Embedding)))
