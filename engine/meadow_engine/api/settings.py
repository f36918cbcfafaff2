"""The engine's settings: one definition, from which the file and the command line's flags follow."""

from __future__ import annotations

import platform
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """What `settings.toml` may say. Every member has a default; an empty file is a correct one."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[
        str,
        Field(
            title="Model",
            description="Folder or huggingface.co name; empty means the small bundled demo model.",
        ),
    ] = ""
    initial_peers: Annotated[
        list[str],
        Field(title="Swarm", description="Addresses or invitations of computers of the swarm to join."),
    ] = []
    listen: Annotated[
        list[str],
        Field(
            title="Listen",
            description="Multiaddresses where other computers reach this one; empty: any port.",
        ),
    ] = []
    share: Annotated[bool, Field(title="Share this computer", description="Host layers for others.")] = False
    layers: Annotated[
        str,
        Field(
            title="Layers",
            description="A:B hosts exactly these layers; empty lets Meadow choose.",
            pattern=r"^(\d+:\d+)?$",
        ),
    ] = ""
    device: Annotated[str, Field(title="Device", description="auto, cpu, cuda, cuda:1 or mps.")] = "auto"
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"],
        Field(title="Number format", description="How weights are kept; auto follows the model."),
    ] = "auto"
    quantization: Annotated[
        Literal["none", "int8", "nf4"],
        Field(title="Compression", description="Keep weights in 8 or 4 bits to fit more layers."),
    ] = "none"
    public_name: Annotated[
        str,
        Field(
            title="Public name",
            description="What other people see beside the layers you hold.",
            max_length=64,
        ),
    ] = Field(default_factory=lambda: platform.node()[:64] or "meadow")
    port: Annotated[
        int,
        Field(
            title="Port",
            description="Of the OpenAI-compatible server on this computer; 0: any.",
            ge=0,
            le=65535,
        ),
    ] = 0
