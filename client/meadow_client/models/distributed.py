"""The client's end of a model: its own Transformers class, with the swarm in place of its layers.

Embeddings, final norm and head are here; one module stands where the layers were and sends hidden states to the
servers. `generate`, sampling, beams and streamers are Transformers' own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.cache_utils import Cache

from meadow_client.errors import UsageError
from meadow_client.models.cutting import find_layers, slice_config
from meadow_client.models.heads import share_head
from meadow_client.models.lookup import AdaptiveLookup
from meadow_client.session.cache import RemoteCache
from meadow_client.session.inference import InferenceSession
from meadow_client.session.sequential import RemoteSequential


@dataclass(frozen=True)
class _Call:
    """What the base model was called with, for the remote layers inside it."""

    session: InferenceSession | None
    position_ids: torch.Tensor | None
    attention_mask: torch.Tensor | None
    ids: torch.Tensor | None = None

    @property
    def where(self) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        return self.position_ids, self.attention_mask


_call: ContextVar[_Call | None] = ContextVar("meadow_call", default=None)
_keep: ContextVar[int | None] = ContextVar("meadow_keep", default=None)
_captured: ContextVar[list[torch.Tensor] | None] = ContextVar("meadow_captured", default=None)
_active_session: ContextVar[InferenceSession | None] = ContextVar("meadow_session", default=None)


class RemoteLayers(nn.Module):
    """Stands for all layers: hidden states in, hidden states out, as the first layer takes and the last one gives."""

    def __init__(self, remote: RemoteSequential, gives_tuple: bool) -> None:
        super().__init__()
        self._remote = (remote,)  # in a tuple, so that it does not become a second child of the model
        self._gives_tuple = gives_tuple

    def forward(self, hidden_states: torch.Tensor, *_args: Any, **_kwargs: Any) -> Any:
        captured = _captured.get()
        call = _call.get() or _Call(None, None, None)
        if captured is not None:
            captured.append(hidden_states)
            output = hidden_states
        elif call.session is not None:
            output = call.session.step(hidden_states, *call.where, keep=_keep.get(), ids=call.ids)
            output = _in_place(output, hidden_states)
        else:
            output = self._remote[0](hidden_states, *call.where)
        return (output, None) if self._gives_tuple else output


def _in_place(output: torch.Tensor, entered: torch.Tensor) -> torch.Tensor:
    """The last outputs [B, K, D] where they belong in [B, T, D]; nobody looks at the others."""
    missing = entered.shape[1] - output.shape[1]
    return output if missing == 0 else torch.nn.functional.pad(output, (0, 0, missing, 0))


class DistributedModel:
    """What every distributed model has beside its Transformers class. A mixin; see `models/auto.py`."""

    remote: RemoteSequential

    def inference_session(self, max_length: int) -> Any:
        """A session for several `generate` calls over one cache: `with model.inference_session(512) as session:`."""
        return _activate(self.remote.inference_session(max_length))

    def load_session(self, path: str | Path) -> Any:
        """Go on with a session that `session.save` wrote: `with model.load_session(path) as session:`."""
        return _activate(self.remote.load_session(path))

    def generate(
        self,
        inputs: torch.Tensor | None = None,
        *args: Any,
        session: InferenceSession | None = None,
        **kwargs: Any,
    ) -> Any:
        """Transformers' `generate`. With a session, tokens it has in its cache already are not computed again.

        `inputs` is the whole text so far, as without a session; None goes on from what it generated last.
        """
        inputs = kwargs.pop("input_ids", inputs)
        session = session or _active_session.get()
        base: Any = super()
        if session is not None:
            if kwargs.get("inputs_embeds") is None:
                inputs = _continue(session, inputs)
            # Some configs switch the cache off (mpt); here the servers' caches are what makes a session.
            output = base.generate(inputs, *args, past_key_values=RemoteCache(session), **{**kwargs, "use_cache": True})
            session.text = output if isinstance(output, torch.Tensor) else output.sequences
            return output
        if kwargs.get("past_key_values") is not None or kwargs.get("use_cache") is False:
            return base.generate(inputs, *args, **kwargs)
        with self.remote.inference_session(self._longest()) as own:
            return self.generate(inputs, *args, session=own, **kwargs)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        theirs = getattr(super(), "prepare_inputs_for_generation", None)
        if theirs is not None:
            cls.prepare_inputs_for_generation = _only_what_is_new(theirs)  # type: ignore[attr-defined]

    def _get_candidate_generator(self, generation_config: Any, **kwargs: Any) -> Any:
        """As Transformers', but prompt lookup adapts to the text.

        `generate` has no public way to bring a candidate generator of one's own. All other kinds are Transformers'.
        """
        most = generation_config.prompt_lookup_num_tokens
        other = ("assistant_early_exit", "assistant_ensemble_weight")
        if not most or any(getattr(generation_config, name, None) is not None for name in other):
            base: Any = super()
            return base._get_candidate_generator(generation_config=generation_config, **kwargs)
        return AdaptiveLookup(
            most,
            generation_config.max_length,
            generation_config.max_matching_ngram_size,
            getattr(generation_config, "_eos_token_tensor", None),
        )

    def _longest(self) -> int:
        config = self.config.get_text_config(decoder=True)  # type: ignore[attr-defined]
        length = getattr(config, "max_position_embeddings", None)
        return length if isinstance(length, int) and length > 0 else 1 << 20


def _only_what_is_new(theirs: Callable[..., Any]) -> Callable[..., Any]:
    """Transformers' `prepare_inputs_for_generation`, for a session that holds a part of the text already.

    WORKAROUND transformers 5.23, `_assisted_decoding`: its first step passes the whole text as new, whatever the cache
    holds. (`wraps`: Transformers reads the signature to learn what a model takes.)
    """

    @wraps(theirs)
    def prepare(self: Any, input_ids: torch.Tensor, next_sequence_length: int | None = None, **kwargs: Any) -> Any:
        cache, tokens = kwargs.get("past_key_values"), input_ids.shape[1]
        if next_sequence_length is None and isinstance(cache, RemoteCache) and tokens > cache.get_seq_length():
            wholes = (kwargs.get("attention_mask"), kwargs.get("position_ids"))  # with these for old tokens, too
            if all(whole is None or whole.shape[-1] == tokens for whole in wholes):
                next_sequence_length = tokens - cache.get_seq_length()
        return theirs(self, input_ids, next_sequence_length=next_sequence_length, **kwargs)

    return prepare


def connect_layers(model: PreTrainedModel, remote: RemoteSequential) -> None:
    """Put the swarm in place of the layers of a model that was loaded without any."""
    base = model.base_model
    config = base.config.get_text_config(decoder=True)
    place = find_layers(base, config.num_hidden_layers)
    gives_tuple = _wants_tuple(model, remote.client.num_layers)
    place.replace(nn.ModuleList([RemoteLayers(remote, gives_tuple)]))
    slice_config(config, range(1))
    if model is not base and "logits_to_keep" in inspect.signature(model.forward).parameters:
        model.register_forward_pre_hook(_before_logits, with_kwargs=True)
        model.register_forward_hook(_after_logits, always_call=True)
    place.owner.register_forward_pre_hook(_before_forward, with_kwargs=True)
    place.owner.register_forward_hook(_after_forward, with_kwargs=True, always_call=True)
    share_head(model)
    model.remote = remote


class _Probe(nn.Module):
    """A layer that gives its input back, to learn what the model around it does with the result."""

    def forward(self, hidden_states: torch.Tensor, *_args: Any, **_kwargs: Any) -> torch.Tensor:
        return hidden_states


def _wants_tuple(model: PreTrainedModel, num_layers: int) -> bool:
    """Whether the model's forward takes a layer's output to be a tuple.

    Some architectures' layers give a tensor, others a tuple. Here the model is asked: each layer gives a tensor
    [2, 3, D]; a model that expected a tuple takes item 0 of it and goes on with another shape, or fails.
    """
    base = model.base_model
    place = find_layers(base, num_layers)
    layers = place.layers
    place.replace(nn.ModuleList([_Probe() for _ in layers]))
    entered: list[tuple[int, ...]] = []
    place.layers[-1].register_forward_pre_hook(
        lambda _layer, args, kwargs: entered.append(tuple((args[0] if args else kwargs["hidden_states"]).shape)),
        with_kwargs=True,
    )
    try:
        with torch.no_grad():
            ids = torch.zeros((2, 3), dtype=torch.int64, device=base.device)
            output = base(input_ids=ids, use_cache=False)
        return output[0].dim() != 3 or (num_layers > 1 and len(entered[0]) != 3)
    except (IndexError, RuntimeError, ValueError, TypeError, AttributeError):
        return True
    finally:
        place.replace(layers)


def _before_logits(model: nn.Module, _args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Where only the last tokens' logits are wanted, only their hidden states need to come back from the swarm."""
    keep = kwargs.get("logits_to_keep")
    shows_hidden = kwargs.get("output_hidden_states", getattr(model.config, "output_hidden_states", False))
    is_enough = isinstance(keep, int) and keep > 0 and not shows_hidden and kwargs.get("labels") is None
    _keep.set(keep if is_enough else None)


def _after_logits(_model: nn.Module, _args: Any, _output: Any) -> None:
    _keep.set(None)


def _before_forward(base: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if _captured.get() is not None:
        return args, kwargs
    cache = kwargs.get("past_key_values")
    if isinstance(cache, Cache) and not isinstance(cache, RemoteCache):
        if cache.get_seq_length() > 0:
            raise UsageError("This cache is not of a distributed model", "Use model.inference_session() instead.")
        cache = None
    if cache is None:
        # Without a session nothing is remembered, so no cache is made that would stay empty.
        kwargs = {**kwargs, "past_key_values": None, "use_cache": False}
    session = cache.session if isinstance(cache, RemoteCache) else None
    ids = kwargs.get("input_ids", args[0] if args else None)
    if session is not None:
        _remember_tokens(session, ids)
        session.embed_with(partial(_embed, base))
    mask = kwargs.get("attention_mask", args[1] if len(args) > 1 else None)
    if mask is not None and mask.dim() != 2:
        raise UsageError("A distributed model takes attention masks of the shape [batch, tokens] only")
    _call.set(_Call(session, kwargs.get("position_ids"), mask, ids))
    return args, kwargs


@dataclass(frozen=True)
class _At:
    """As much of a session as the model asks of its cache while tokens are embedded."""

    position: int


def _embed(base: Any, position: int, tokens: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """What enters the layers, [B, T, D], for token ids [B, T] that stand at `position` of a session."""
    captured: list[torch.Tensor] = []
    place = _captured.set(captured)
    known = {name: tokens[name].to(base.device) for name in ("position_ids", "attention_mask") if name in tokens}
    at: Any = _At(position)
    try:
        with torch.no_grad():
            base(input_ids=tokens["ids"].to(base.device), past_key_values=RemoteCache(at), use_cache=True, **known)
    finally:
        _captured.reset(place)
    return captured[0]


def _after_forward(_base: nn.Module, _args: Any, _kwargs: Any, _output: Any) -> None:
    _call.set(None)


def _remember_tokens(session: InferenceSession, ids: torch.Tensor | None) -> None:
    if ids is None:
        session.tokens = None
    elif session.position == 0:
        session.tokens = ids
    elif session.tokens is not None:
        session.tokens = torch.cat([session.tokens[:, : session.position], ids], dim=1)


def _continue(session: InferenceSession, inputs: torch.Tensor | None) -> torch.Tensor:
    """Roll the session back to where `inputs` agrees with it, leaving at least one token to compute."""
    known = session.tokens
    if inputs is None:
        if session.text is None:
            raise UsageError("A session that has generated nothing yet needs input_ids to begin with")
        inputs = session.text
    if session.position == 0:
        return inputs
    if known is None or known.shape[0] != inputs.shape[0]:
        session.position = 0
        return inputs
    length = min(known.shape[1], inputs.shape[1] - 1)
    differs = (known[:, :length] != inputs[:, :length].to(known.device)).any(dim=0)
    session.position = int(differs.int().argmax()) if bool(differs.any()) else length
    return inputs


@contextmanager
def _activate(session: InferenceSession) -> Iterator[InferenceSession]:
    token = _active_session.set(session)
    try:
        with session:
            yield session
    finally:
        _active_session.reset(token)
