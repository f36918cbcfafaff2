"""`from_pretrained` for models that compute in a swarm.

What it returns is an instance of the model's own Transformers class (`LlamaForCausalLM`, `Qwen3ForCausalLM`, …)
that has everything but the layers on this computer.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Collection, Sequence
from typing import Any

from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
)

from meadow_client.errors import ModelUnusableError, UsageError
from meadow_client.identity import new_identity
from meadow_client.invitation import read_addresses
from meadow_client.models.cutting import cut_class
from meadow_client.models.description import ModelDescription, describe
from meadow_client.models.distributed import DistributedModel, connect_layers
from meadow_client.models.files import is_in_layers
from meadow_client.session.codec_choice import CodecSetting
from meadow_client.session.sequential import RemoteSequential
from meadow_client.session.swarm_client import ClientOptions, SwarmClient
from meadow_client.swarm.background import BackgroundLoop
from meadow_client.swarm.node import SwarmNode


class _AutoDistributed:
    """Common to the three classes below; `_auto` maps a config to the model's class."""

    _auto: Any

    @classmethod
    def from_pretrained(
        cls,
        model: str,
        *,
        initial_peers: Sequence[str] = (),
        connect_timeout_s: float = 30.0,
        request_timeout_s: float = 180.0,
        max_retries: int = 5,
        allowed_servers: Collection[str] | None = None,
        blocked_servers: Collection[str] = (),
        codec: CodecSetting = "raw",
        **kwargs: Any,
    ) -> Any:
        """Load the client's end of a model and join the swarm that computes its layers.

        Args:
            model: a folder, or a name on huggingface.co.
            initial_peers: multiaddresses with /p2p/PEER, or `meadow://` invitations; one that answers is enough.
            connect_timeout_s: how long to wait for missing layers, and for servers to answer.
            request_timeout_s: how long one step may take.
            max_retries: how many chains are tried before an error is raised.
            allowed_servers: use these peers only; None allows all.
            blocked_servers: never use these peers.
            codec: how hidden states of sessions travel: "raw" as they are, "int8" in a quarter or half of the bytes and
                with a small error, "auto" as int8 while a connection is slower than the computers that it connects.
            **kwargs: any keyword of Transformers' `from_pretrained` (dtype, device_map, revision, …).

        Raises:
            ModelNotFoundError, ModelUnusableError: the model cannot be read or cut.
            BadAddressError, SwarmUnreachableError: no way into the swarm.
        """
        addresses = read_addresses(initial_peers)
        if not addresses:
            raise UsageError("initial_peers is empty, so there is no swarm to join")
        description = describe(str(model))
        options = ClientOptions(
            connect_timeout_s, request_timeout_s, max_retries, allowed_servers, blocked_servers, codec
        )
        background = BackgroundLoop()
        try:
            node = background.run(SwarmNode.start(new_identity(), addresses, listen=None))
        except BaseException:
            background.close()
            raise
        client = make_client(description, node, background.loop, options)
        loaded = cls.connect(description, client, **kwargs)
        weakref.finalize(loaded, _leave, background, node)
        return loaded

    @classmethod
    def connect(cls, description: ModelDescription, client: SwarmClient, **kwargs: Any) -> Any:
        """Load the client's end of a model for a swarm node that runs already."""
        model_class = find_class(cls._auto, description.config)
        distributed = type(
            model_class.__name__,
            (DistributedModel, cut_class(model_class, None)),
            {
                "__module__": model_class.__module__,
            },
        )
        folder = description.files.folder_for(is_in_layers(None))
        loaded: PreTrainedModel = distributed.from_pretrained(str(folder), **kwargs)  # type: ignore[attr-defined]
        connect_layers(loaded, RemoteSequential(client))
        return loaded.eval()


class AutoDistributedModel(_AutoDistributed):
    """A distributed model without a head: tokens in, hidden states out."""

    _auto = AutoModel


class AutoDistributedModelForCausalLM(_AutoDistributed):
    """A distributed model that generates text."""

    _auto = AutoModelForCausalLM


class AutoDistributedModelForSequenceClassification(_AutoDistributed):
    """A distributed model with a classification head, which is trained on this computer."""

    _auto = AutoModelForSequenceClassification


def make_client(
    description: ModelDescription,
    node: SwarmNode,
    loop: asyncio.AbstractEventLoop,
    options: ClientOptions | None = None,
) -> SwarmClient:
    """A swarm client for a model, on a node that runs on `loop`."""
    return SwarmClient(
        node,
        loop,
        description.fingerprint,
        description.name,
        description.num_layers,
        options or ClientOptions(),
    )


def find_class(auto: Any, config: PreTrainedConfig) -> type[PreTrainedModel]:
    """The Transformers class that `auto` would build for a config.

    Raises:
        ModelUnusableError: Transformers has none of this kind for this architecture.
    """
    found = auto._model_mapping.get(type(config), None)
    if isinstance(found, tuple | list):
        found = found[0]
    if found is None:
        raise ModelUnusableError(f"Transformers has no {auto.__name__} for the architecture {config.model_type}")
    return found  # type: ignore[no-any-return]


def _leave(background: BackgroundLoop, node: SwarmNode) -> None:
    try:
        background.run(node.stop())
    finally:
        background.close()
