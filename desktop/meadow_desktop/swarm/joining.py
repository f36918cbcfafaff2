"""What people type to join or to begin a swarm: whether it can be meant. Pure."""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from meadow_engine.api.swarms import SwarmName

INVITATION_START = "meadow://"
LONGEST_INVITATION = 8192
LONGEST_NAME = 40

_NAME: TypeAdapter[str] = TypeAdapter(SwarmName)


def looks_like_invitation(text: str) -> bool:
    """A link or an address; whether it leads anywhere is for the engine to say."""
    text = text.strip()
    if len(text) > LONGEST_INVITATION:
        return False
    return (text.startswith(INVITATION_START) and len(text) > len(INVITATION_START)) or (
        text.startswith("/") and "/p2p/" in text
    )


def is_swarm_name(text: str) -> bool:
    """Whether the engine takes this as a name; nothing is one too, since the engine finds a name then."""
    try:
        return not text.strip() or bool(_NAME.validate_python(text.strip()))
    except ValidationError:
        return False
