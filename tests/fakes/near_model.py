"""A distributed Llama whose swarm is in this process: the client's end is the real one, its layers are near.

For tests of what happens above the sessions; sessions, wire and servers are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from transformers import AutoModelForCausalLM, DynamicCache

from meadow_client.errors import SessionClosedError
from meadow_client.models.auto import AutoDistributedModelForCausalLM
from meadow_client.models.description import ModelDescription, describe


class NearSession:
    """As `InferenceSession`, with the layers of a local model."""

    def __init__(self, layers: Any, max_length: int, steps: list[tuple[int, int]]) -> None:
        self._layers = layers
        self._cache = DynamicCache(config=layers.config)
        self._steps = steps
        self._is_cancelled = False
        self.max_length = max_length
        self._position = 0
        self.tokens: Any = None
        self.text: Any = None
        self.members: list[Any] = []
        self.recoveries: list[Any] = []

    def __enter__(self) -> NearSession:
        return self

    def __exit__(self, *_error: Any) -> None:
        pass

    def close(self) -> None:
        self._is_cancelled = True

    @property
    def position(self) -> int:
        return self._position

    @position.setter
    def position(self, value: int) -> None:
        self._position = value
        if self.tokens is not None:
            self.tokens = self.tokens[:, :value]

    def embed_with(self, embed: Any) -> None:
        """Nobody is lost here."""

    def cancel(self) -> None:
        self._is_cancelled = True

    def step(
        self,
        hidden: torch.Tensor,
        position_ids: Any = None,
        attention_mask: Any = None,
        keep: int | None = None,
        ids: Any = None,
    ) -> torch.Tensor:
        if self._is_cancelled:
            raise SessionClosedError("This session is closed")
        assert self.position + hidden.shape[1] <= self.max_length
        assert position_ids is None or position_ids.shape[1] == hidden.shape[1]
        surplus = self._cache.get_seq_length() - self.position
        if surplus > 0:
            self._cache.crop(-surplus)
        self._steps.append((self.position, hidden.shape[1]))
        output = self._layers(inputs_embeds=hidden, past_key_values=self._cache, use_cache=True).last_hidden_state
        self._position += hidden.shape[1]
        return output if keep is None else output[:, -keep:]  # type: ignore[no-any-return]


@dataclass
class NearRemote:
    """As `RemoteSequential`: opens sessions, and remembers (position, tokens) of all their steps."""

    layers: Any
    client: Any
    steps: list[tuple[int, int]] = field(default_factory=list)

    def inference_session(self, max_length: int, on_waiting: Any = None) -> NearSession:
        return NearSession(self.layers, max_length, self.steps)


@dataclass
class NearModel:
    """`ours` is the distributed model, `local` the same one as Transformers knows it."""

    description: ModelDescription
    local: Any
    ours: Any

    @property
    def steps(self) -> list[tuple[int, int]]:
        return self.ours.remote.steps  # type: ignore[no-any-return]


def near_model(folder: Path, monkeypatch: Any) -> NearModel:
    """Load a model of the Llama kind: nothing before its layers but an embedding, nothing after them but a norm."""
    description = describe(str(folder))
    local = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    layers = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval().model
    layers.norm = torch.nn.Identity()
    client: Any = SimpleNamespace(num_layers=description.num_layers)
    monkeypatch.setattr(
        "meadow_client.models.auto.RemoteSequential", lambda client: NearRemote(layers=layers, client=client)
    )
    ours = AutoDistributedModelForCausalLM.connect(description, client, dtype=torch.float32)
    return NearModel(description, local, ours)
