"""What the person chooses at the first start, and what follows from it. Pure.

Nothing is decided for anybody: sharing is neither chosen nor refused until the person says which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from meadow_desktop.swarm.joining import is_swarm_name, looks_like_invitation

SwarmChoice = Literal["default", "join", "new"]
Screen = Literal["what", "share", "where", "summary"]
SCREENS: tuple[Screen, ...] = ("what", "share", "where", "summary")


@dataclass(frozen=True)
class Choices:
    """`shares` is None until chosen; an empty `model` means: Meadow chooses."""

    shares: bool | None = None
    swarm: SwarmChoice = "default"
    invitation: str = ""
    swarm_name: str = ""
    model: str = ""
    starts_at_login: bool = False


def can_leave(screen: Screen, choices: Choices) -> bool:
    """Whether everything that this screen asks for is said."""
    match screen:
        case "share":
            return choices.shares is not None
        case "where":
            if choices.swarm == "join":
                return looks_like_invitation(choices.invitation)
            return choices.swarm != "new" or is_swarm_name(choices.swarm_name)
        case _other:
            return True
