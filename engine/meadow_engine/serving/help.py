"""What is computed here for others, told as it happens. On the event loop.

A token that passes through layers is told once, with its client's peer id, whatever it was for: a prompt, an answer, a
guess that turned out wrong, a pass backward. A batch of B texts has B tokens at every position.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from meadow_client.wire.messages import Open


@dataclass(frozen=True)
class Help:
    """Layers [start, end) were computed for so many tokens of a client.

    `is_first`: nothing was computed before in this conversation. Passes without a cache are no conversation.
    """

    peer: str
    start: int
    end: int
    tokens: int
    is_first: bool


OnHelp = Callable[[Help], None]


def nobody_hears(_help: Help) -> None:
    """For servers whose help nobody counts."""


def help_counter(peer: str, opening: Open, on_help: OnHelp) -> Callable[[int], None]:
    """Takes the tokens of one stream, and tells `on_help` whom they were computed for."""
    is_first = opening.session is not None

    def count(tokens: int) -> None:
        nonlocal is_first
        on_help(Help(peer, opening.start, opening.end, tokens, is_first))
        is_first = False

    return count
