"""The engine's settings: one definition, from which everything that shows or takes a setting follows.

`idle_s` here is `idle_s` in settings.toml, `MEADOW_IDLE_S` in the environment, `--idle-s` of `meadow --no-gui`, a row
of the settings page (`settings_overview.py`) and of docs/settings.md (`settings_page.py`). Flag wins over variable over
file over default; `meadow_engine.settings_layers` puts them on top of each other. A name's ending is its unit; a number
that ends with `_share` is a fraction, which people read in percent.

`json_schema_extra` holds more words of a setting: `choice_titles`, what each choice means; `zero`, what 0 means where
it is no amount; and `counts`, when a change counts where that is not at once (`Counts`).
"""

from __future__ import annotations

import platform
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from meadow_engine.api.sharing_settings import AmountSettings, WhenSettings

COMPUTERS_NAME = "this computer's name"

Counts = Literal["at-once", "next-sharing", "next-start"]
"""From when on a changed setting counts: when layers are hosted the next time, or when the engine starts again."""


class SwarmSettings(BaseModel):
    """What this computer works on, with whom, and by which means."""

    model_config = ConfigDict(title="Model and swarm")

    model: Annotated[
        str,
        Field(
            title="Model",
            description="Folder or huggingface.co name; empty means the small bundled demo model.",
            json_schema_extra={"counts": "next-start"},
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
        Field(
            title="Swarm",
            description="Addresses or invitations of computers of the swarm to join.",
            json_schema_extra={"counts": "next-start"},
        ),
    ] = []
    listen: Annotated[
        list[str],
        Field(
            title="Listen",
            description="Multiaddresses where other computers reach this one; empty: any port.",
            json_schema_extra={"counts": "next-start"},
        ),
    ] = []
    public_name: Annotated[
        str,
        Field(
            title="Public name",
            description="What other people see beside the layers you hold.",
            max_length=64,
            json_schema_extra={"default": COMPUTERS_NAME, "counts": "next-sharing"},
        ),
    ] = Field(default_factory=lambda: platform.node()[:64] or "meadow")
    layers: Annotated[
        str,
        Field(
            title="Layers",
            description="A:B hosts exactly these layers; empty lets Meadow choose.",
            pattern=r"^(\d+:\d+)?$",
            json_schema_extra={"counts": "next-sharing"},
        ),
    ] = ""
    device: Annotated[
        str,
        Field(
            title="Device",
            description="What computes for others: cpu, cuda, cuda:1 or mps; auto takes the best there is.",
            json_schema_extra={"counts": "next-sharing"},
        ),
    ] = "auto"
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"],
        Field(
            title="Number format",
            description="How weights are kept; automatic follows the model.",
            json_schema_extra={
                "counts": "next-sharing",
                "choice_titles": {
                    "auto": "Automatic",
                    "float32": "32 bits (float32)",
                    "bfloat16": "16 bits (bfloat16)",
                    "float16": "16 bits (float16)",
                },
            },
        ),
    ] = "auto"
    quantization: Annotated[
        Literal["none", "int8", "nf4"],
        Field(
            title="Compression",
            description="Keep weights in 8 or 4 bits to fit more layers.",
            json_schema_extra={
                "counts": "next-sharing",
                "choice_titles": {"none": "None", "int8": "8 bits", "nf4": "4 bits"},
            },
        ),
    ] = "none"
    port: Annotated[
        int,
        Field(
            title="Port",
            description="Of the OpenAI-compatible server on this computer.",
            json_schema_extra={"counts": "next-start", "zero": "Any"},
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


def is_fraction(name: str) -> bool:
    """Whether a setting's value is a part of a whole, which is 1."""
    return name.endswith("_share")


def variable_of(name: str) -> str:
    """The environment variable of a setting: `idle_s` is `MEADOW_IDLE_S`."""
    return f"MEADOW_{name.upper()}"


def flag_of(name: str) -> str:
    """The flag of a setting: `idle_s` is `--idle-s`."""
    return f"--{name.replace('_', '-')}"
