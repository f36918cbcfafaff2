"""How to speak to a Meadow swarm from Python, with the Transformers API.

    from meadow_client import AutoDistributedModelForCausalLM
    model = AutoDistributedModelForCausalLM.from_pretrained("path-or-repo", initial_peers=["/ip4/…/p2p/…"])

Importing the package is quick; torch and transformers are imported with the first name taken from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meadow_client.errors import MeadowError
    from meadow_client.models.auto import (
        AutoDistributedModel,
        AutoDistributedModelForCausalLM,
        AutoDistributedModelForSequenceClassification,
    )
    from meadow_client.session.sequential import RemoteSequential

__all__ = [
    "AutoDistributedModel",
    "AutoDistributedModelForCausalLM",
    "AutoDistributedModelForSequenceClassification",
    "MeadowError",
    "RemoteSequential",
]


def __getattr__(name: str) -> Any:
    if name.startswith("AutoDistributed") and name in __all__:
        from meadow_client.models import auto

        return getattr(auto, name)
    if name == "RemoteSequential":
        from meadow_client.session.sequential import RemoteSequential

        return RemoteSequential
    if name == "MeadowError":
        from meadow_client.errors import MeadowError

        return MeadowError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
