"""What is asked of a model, and what is told of its answer: values that cross to a worker thread and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from meadow_client.errors import MeadowError
from meadow_client.models.sampling import Sampling
from meadow_client.session.chain import Member
from meadow_client.session.swarm_client import Waiting
from meadow_client.session.upkeep import Recovery


class AnswerCutError(MeadowError):
    code = "ending"
    advice = "Start Meadow again and ask once more."

    def __init__(self) -> None:
        super().__init__("Meadow was ended while it answered")


@dataclass(frozen=True)
class Question:
    """What to continue: token ids, and how. `max_new_tokens` None means as much as the context holds.

    Without `lookup` the next tokens are not guessed from the text; a draft model guesses nevertheless.
    """

    ids: Sequence[int]
    max_new_tokens: int | None = None
    sampling: Sampling | None = None
    stops: Sequence[str] = ()
    lookup: bool = True


@dataclass(frozen=True)
class Piece:
    """Some more text of the answer."""

    text: str


@dataclass(frozen=True)
class End:
    """The answer is complete. Times in seconds since it was asked for.

    `cached_tokens` of the prompt were known from before; `recoveries` are those that this answer went through.
    """

    finish_reason: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int
    chain: list[Member]
    first_token_s: float
    tokens_per_second: float
    cached_tokens: int = 0
    recoveries: list[Recovery] = field(default_factory=list)


AnswerEvent = Piece | Waiting | End
