"""Run consecutive transformer layers of a model: hidden states in, hidden states out.

Tokens and logits never appear here. A span may be asked for a part of its layers; such a part shares its weights.

Shapes: B sequences, T new tokens, P tokens already cached, D model width.

    hidden          [B, T, D]   the span's dtype and device, in and out
    position_ids    [B, T]      int64
    attention_mask  [B, P + T]  bool, false is padding

Threads: the compute thread only (`device.py`).
"""

from __future__ import annotations

import copy
import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedConfig, PreTrainedModel
from transformers.cache_utils import Cache

from meadow_client.errors import MeadowError, ModelUnusableError, WeightsUnreadableError
from meadow_client.models.auto import find_class
from meadow_client.models.cutting import (
    Gates,
    cut_class,
    find_layers,
    renumber,
    set_layer_index,
    share_copy,
    slice_config,
)
from meadow_client.models.description import ModelDescription
from meadow_client.models.files import is_in_layers
from meadow_client.models.products import choose_forms, plain_linears, use_forms
from meadow_engine.runtime.caches import CannotGoBackError, SessionCache, StatesCache, measure_bytes, new_cache
from meadow_engine.runtime.packing import NAME, PackedModel, PackingRefusedError, Part, agrees, may_pack
from meadow_engine.runtime.widening import widen


class OutOfMemoryError(MeadowError):
    code = "out-of-memory"
    advice = "Host fewer layers (--layers A:B), or use --quantization int8 or nf4."


@dataclass(frozen=True)
class LoadOptions:
    """How weights are kept: `dtype` as in the contract's --dtype, `quantization` none, int8 or nf4.

    With `auto` they stay as their files have them, also in bfloat16 on a CPU that has no instructions for it: half the
    bytes make one row twice as fast as in float32, and many rows take slices in float32 (`widening.py`).
    """

    dtype: str = "auto"
    quantization: str = "none"


class SpanView:
    """Some or all layers of a loaded span, ready to run, and ready for packed passes if `packed` is given."""

    def __init__(self, base: nn.Module, config: PreTrainedConfig, num_layers: int, packed: PackedModel | None) -> None:
        self._base = base
        self._forward: Callable[..., Any] = base
        self._config = config
        self._packed = packed
        self._gates = Gates(find_layers(base, num_layers).layers)
        self._takes = set(inspect.signature(base.forward).parameters)

    @property
    def can_pack(self) -> bool:
        """Whether `step_together` may be called; where not, sessions go through `step` one at a time."""
        return self._packed is not None

    def use_bare_forward(self) -> None:
        """Step through the base model's `forward` without what Transformers wraps around it to shape its answers.

        They are thrown away here (`Gates` has the output), but they take a part of a millisecond of every step.
        """
        self._forward = partial(inspect.unwrap(type(self._base).forward), self._base)

    def new_cache(self) -> Cache:
        return new_cache(self._config)

    def prepare(self, cache: Cache, position: int, beam_idx: torch.Tensor | None = None) -> None:
        """Make a cache of at least `position` tokens ready to go on there, its rows in the order `beam_idx` [B].

        Raises:
            CannotGoBackError: it holds more, and states that do not forget; it is of no use any more.
        """
        with torch.inference_mode():
            if isinstance(cache, SessionCache):
                cache.truncate(position)
            elif (surplus := cache.get_seq_length() - position) > 0:
                try:
                    cache.crop(-surplus)
                except RuntimeError as error:
                    raise CannotGoBackError from error
            if beam_idx is not None and position > 0:
                cache.reorder_cache(beam_idx)

    def step_together(self, parts: Sequence[Part]) -> list[torch.Tensor]:
        """Continue many sessions in one pass over the weights, [B, T, D] for each; their caches are prepared.

        Raises:
            PackingRefusedError: these layers cannot (see `can_pack`).
        """
        if self._packed is None:
            raise PackingRefusedError("These layers run one session at a time")
        with torch.inference_mode():
            return self._packed.run(parts)

    def step(
        self,
        hidden: torch.Tensor,
        cache: Cache,
        position: int,
        position_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        beam_idx: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Continue a session whose cache holds at least `position` tokens; what lies behind is dropped first."""
        self.prepare(cache, position, beam_idx)
        with torch.inference_mode():
            return self._run(hidden, position, position_ids, attention_mask, cache)

    def forward(
        self,
        hidden: torch.Tensor,
        position_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Run without a cache; gradients flow if `hidden` asks for them."""
        return self._run(hidden, 0, position_ids, attention_mask, None)

    def backward(
        self,
        hidden: torch.Tensor,
        grad: torch.Tensor,
        position_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The gradient with respect to `hidden`, by running forward again."""
        with torch.enable_grad():
            entering = hidden.detach().requires_grad_(True)
            output = self._run(entering, 0, position_ids, attention_mask, None)
            (result,) = torch.autograd.grad(output, entering, grad)
        return result

    def _run(
        self,
        hidden: torch.Tensor,
        position: int,
        position_ids: torch.Tensor | None,
        attention_mask: torch.Tensor | None,
        cache: Cache | None,
    ) -> torch.Tensor:
        batch, tokens, _width = hidden.shape
        arguments: dict[str, Any] = {"inputs_embeds": hidden, "use_cache": cache is not None}
        if cache is not None:
            arguments["past_key_values"] = cache
        if attention_mask is not None:
            arguments["attention_mask"] = attention_mask.to(torch.int64)
        if "position_ids" in self._takes:
            if position_ids is None:
                ids = torch.arange(position, position + tokens, device=hidden.device)
                position_ids = ids.unsqueeze(0).expand(batch, -1)
            arguments["position_ids"] = position_ids
        with self._gates.passing(hidden) as gates:
            (self._base if cache is None else self._forward)(**arguments)
            if isinstance(cache, StatesCache):
                cache.seen = position + tokens
            return gates.output


class Span:
    """Layers [start, end) of a model, loaded on a device."""

    def __init__(self, model: PreTrainedModel, start: int, end: int, device: torch.device) -> None:
        self._model = model
        self.start, self.end = start, end
        self.device = device
        self.dtype = model.dtype
        config = model.base_model.config.get_text_config(decoder=True)
        self.width = int(config.hidden_size)
        self._views: dict[tuple[int, int], SpanView] = {}
        self._is_bare = False
        self._can_pack = may_pack(model.base_model, config)
        weights = [linear.weight for linear in plain_linears(model.base_model)]
        self._forms = widen(choose_forms(weights), weights)
        if self._can_pack and not agrees(self.view(start, end), config, self.dtype, device):
            self._can_pack = False
            self._views.clear()
        self._is_bare = self._can_be_bare()
        self._views.clear()
        cache = self._try_cache()
        self.weight_bytes = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
        self.bytes_per_token = measure_bytes(cache) // (cache.capacity if isinstance(cache, SessionCache) else 1)
        self.page_shapes = cache.shapes() if isinstance(cache, SessionCache) else []
        """For each layer, how many heads its keys and values have and how wide they are; empty without pages."""

    @classmethod
    def load(
        cls, description: ModelDescription, start: int, end: int, device: torch.device, options: LoadOptions
    ) -> Span:
        """Read only these layers' weights.

        Raises:
            ModelUnusableError: weights are missing or do not fit the config.
            OutOfMemoryError: the device has no room for them.
        """
        keep = range(start, end)
        folder = description.files.folder_for(is_in_layers(keep))
        model_class = _class_of(description)
        arguments: dict[str, Any] = {"dtype": options.dtype, "device_map": {"": device}}
        if options.quantization != "none":
            arguments["quantization_config"] = BitsAndBytesConfig(
                load_in_8bit=options.quantization == "int8",
                load_in_4bit=options.quantization == "nf4",
                bnb_4bit_quant_type="nf4",
            )
        try:
            loaded: Any = cut_class(model_class, keep).from_pretrained(
                str(folder), output_loading_info=True, **arguments
            )
        except torch.OutOfMemoryError as error:
            raise OutOfMemoryError(f"Layers {start}:{end} do not fit in the memory of {device}") from error
        except (OSError, ValueError, RuntimeError, ImportError, SafetensorError) as error:
            raise WeightsUnreadableError(description.name) from error
        model, report = loaded
        if report["missing_keys"]:
            raise ModelUnusableError(
                f"The weights of {description.name} lack {len(report['missing_keys'])} tensors of layers {start}:{end}"
            )
        model.eval().requires_grad_(False)
        renumber(model, keep)
        try:
            return cls(model, start, end, device)
        except (RuntimeError, AssertionError, ValueError, TypeError) as error:
            raise ModelUnusableError(
                f"Layers {start}:{end} of {description.name} cannot be computed on {device} as asked",
                "Try another --dtype, --quantization or --device.",
            ) from error

    def view(self, start: int, end: int) -> SpanView:
        """Layers [start, end) of the model, which must lie within this span."""
        key = (start, end)
        if key not in self._views:
            self._views[key] = self._cut_view(start - self.start, end - self.start)
        return self._views[key]

    def time_step(self, repeats: int = 3) -> float:
        """Seconds that one decode step takes now: the best of a few."""
        view, best = self.view(self.start, self.end), float("inf")
        cache = view.new_cache()
        hidden = torch.zeros((1, 1, self.width), dtype=self.dtype, device=self.device)
        for position in range(repeats):
            began = time.perf_counter()
            view.step(hidden, cache, position).to("cpu")
            best = min(best, time.perf_counter() - began)
        return best

    def _cut_view(self, first: int, last: int) -> SpanView:
        count = last - first
        base, config = self._cut(first, last)
        packed = None
        if self._can_pack:
            twin, _config = self._cut(first, last, attention=NAME)
            use_forms(twin, self._forms)
            packed = PackedModel(twin, find_layers(twin, count).layers)
        view = SpanView(base, config, count, packed)
        if self._is_bare:
            view.use_bare_forward()
        return view

    def _cut(self, first: int, last: int, attention: str | None = None) -> tuple[nn.Module, PreTrainedConfig]:
        """A base model of some layers that shares all weights, and its own text config."""
        base = share_copy(self._model.base_model)
        config = copy.deepcopy(self._model.base_model.config)
        text_config = config.get_text_config(decoder=True)
        if attention is not None:
            config._attn_implementation = text_config._attn_implementation = attention
        whole = self._model.base_model.config
        twins = {id(whole): config, id(whole.get_text_config(decoder=True)): text_config}
        for module in base.modules():
            twin = twins.get(id(getattr(module, "config", None)))
            if twin is not None:
                module.config = twin
        place = find_layers(base, text_config.num_hidden_layers)
        layers = [place.layers[index] for index in range(first, last)]
        place.replace(nn.ModuleList(layers))
        slice_config(text_config, range(first, last))
        for position, layer in enumerate(layers):
            set_layer_index(layer, position)
        return base, text_config

    def _can_be_bare(self) -> bool:
        """Whether a prompt and a step give the very same without the wrappers; tried, as everything is."""
        usual, bare = self._cut_view(0, self.end - self.start), self._cut_view(0, self.end - self.start)
        bare.use_bare_forward()
        caches = usual.new_cache(), bare.new_cache()
        generator = torch.Generator().manual_seed(0)
        for position, tokens in ((0, 3), (3, 1)):
            hidden = torch.randn((1, tokens, self.width), generator=generator).to(self.device, self.dtype)
            expected = usual.step(hidden, caches[0], position)
            try:
                found = bare.step(hidden, caches[1], position)
            except (RuntimeError, ValueError, TypeError, AttributeError, KeyError, IndexError):
                return False
            if not torch.equal(found, expected):
                return False
        return True

    def _try_cache(self) -> Cache:
        """A cache that has seen one token."""
        view = self.view(self.start, self.end)
        cache = view.new_cache()
        hidden = torch.zeros((1, 1, self.width), dtype=self.dtype, device=self.device)
        view.step(hidden, cache, 0)
        return cache


def _class_of(description: ModelDescription) -> type[PreTrainedModel]:
    return find_class(AutoModelForCausalLM, description.config)


def layer_bytes(description: ModelDescription, options: LoadOptions) -> int:
    """Memory that the largest layer of a model takes once it is loaded."""
    with torch.device("meta"):
        model = _class_of(description)(description.config)
    layers = find_layers(model.base_model, description.num_layers).layers
    count = max(sum(parameter.numel() for parameter in layer.parameters()) for layer in layers)
    if options.quantization != "none":
        return count // 2 if options.quantization == "nf4" else count
    named = options.dtype if options.dtype != "auto" else str(description.config.dtype or "float32")
    return count * (4 if named.endswith("float32") else 2)
