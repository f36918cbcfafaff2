"""The engine's settings: one definition, from which everything that shows or takes a setting follows.

`idle_s` here is `idle_s` in settings.toml, `MEADOW_IDLE_S` in the environment, `--idle-s` of `meadow --no-gui`, a row
of the settings page (`settings_overview.py`) and of docs/settings.md (`settings_page.py`). Flag wins over variable over
file over default; `meadow_engine.settings_layers` puts them on top of each other. A name's ending is its unit.
"""

from __future__ import annotations

import platform
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from meadow_engine.api.sharing_settings import AmountSettings, WhenSettings

COMPUTERS_NAME = "this computer's name"


class SwarmSettings(BaseModel):
    """What this computer works on, with whom, and by which means."""

    model_config = ConfigDict(title="Model and swarm")

    model: Annotated[
        str,
        Field(
            title="Model",
            description="Folder or huggingface.co name; empty means the small bundled demo model.",
        ),
    ] = ""
    models: Annotated[
        list[str],
        Field(
            title="More models to chat with",
            description="Folders or huggingface.co names of other models that the swarm holds.",
        ),
    ] = []
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
    public_name: Annotated[
        str,
        Field(
            title="Public name",
            description="What other people see beside the layers you hold.",
            max_length=64,
            json_schema_extra={"default": COMPUTERS_NAME},
        ),
    ] = Field(default_factory=lambda: platform.node()[:64] or "meadow")
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
    port: Annotated[
        int,
        Field(
            title="Port",
            description="Of the OpenAI-compatible server on this computer; 0: any.",
            ge=0,
            le=65535,
        ),
    ] = 0


class Settings(SwarmSettings, WhenSettings, AmountSettings):
    """All settings. Every one has a default; an empty file is a correct one."""

    model_config = ConfigDict(title="Settings", extra="forbid", allow_inf_nan=False, str_max_length=4096)


GROUPS: tuple[type[BaseModel], ...] = (SwarmSettings, WhenSettings, AmountSettings)
"""The settings in the order in which people see them; a group's title is its class's."""

SHARING_NAMES = frozenset(WhenSettings.model_fields) | frozenset(AmountSettings.model_fields)
"""Settings that protect the person at this computer: with one of them broken, nothing is shared."""

UNITS = {"s": "seconds", "c": "°C", "gb": "GB", "mbit": "Mbit/s", "percent": "%"}


def unit_of(name: str) -> str:
    """The unit that a setting's name ends with, in words; empty where it has none."""
    return UNITS.get(name.rpartition("_")[2], "") if "_" in name else ""


def variable_of(name: str) -> str:
    """The environment variable of a setting: `idle_s` is `MEADOW_IDLE_S`."""
    return f"MEADOW_{name.upper()}"


def flag_of(name: str) -> str:
    """The flag of a setting: `idle_s` is `--idle-s`."""
    return f"--{name.replace('_', '-')}"
