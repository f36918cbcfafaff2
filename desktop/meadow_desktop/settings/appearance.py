"""How the desktop looks, speaks and calls: its own choices, which the engine knows nothing of.

They lie in `desktop.json` in the folder of the configuration. A file that cannot be read means the defaults, value by
value; what a newer Meadow wrote there stays.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from meadow_engine.api.places import Places, write_private

ThemeWish = Literal["system", "light", "dark", "high-contrast"]
TextPercent = Literal[90, 100, 115, 130, 150]

THEMES: tuple[ThemeWish, ...] = get_args(ThemeWish)
TEXT_PERCENTS: tuple[TextPercent, ...] = get_args(TextPercent)


class Appearance(BaseModel):
    """The content of `desktop.json`. `language` is "system" or a code such as "de".

    `is_welcomed`: the person has been through the window of the first start.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    theme: ThemeWish = "system"
    text_percent: TextPercent = 100
    language: str = "system"
    notifications: bool = True
    is_welcomed: bool = False


def appearance_file(places: Places) -> Path:
    """Where it lies."""
    return places.configuration / "desktop.json"


def read_appearance(path: Path) -> Appearance:
    """What is kept there; values that cannot be meant are the defaults."""
    try:
        kept: Any = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return Appearance()
    if not isinstance(kept, dict):
        return Appearance()
    try:
        return Appearance.model_validate(kept)
    except ValidationError as error:
        wrong = {each["loc"][0] for each in error.errors()}
        return Appearance.model_validate({name: value for name, value in kept.items() if name not in wrong})


def keep_appearance(path: Path, appearance: Appearance) -> None:
    """Write it down.

    Raises:
        OSError: the file cannot be written.
    """
    write_private(path, appearance.model_dump_json(indent=2) + "\n")
