"""Which models the OpenAI-compatible server can be asked for, and who answers for one of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from meadow_client.errors import MeadowError
from meadow_client.models.answering import Answerer


@dataclass(frozen=True)
class AskableModel:
    """One row of `GET /v1/models`. `source` is its folder or repository, where this computer knows that."""

    id: str
    context_length: int
    source: str = ""


class UnknownModelError(MeadowError):
    """Nobody here can be asked for this model."""

    code = "model_not_found"

    def __init__(self, asked: str, known: str) -> None:
        super().__init__(f"The model {asked[:80]!r} is not served here", f"Ask for {known!r}, or see GET /v1/models.")


class AskableModels(Protocol):
    """What the routes need: the models there are, and an answerer for each."""

    async def askable_models(self) -> Sequence[AskableModel]:
        """All that can be asked for now."""
        ...

    def answerer(self, model: str) -> AbstractAsyncContextManager[Answerer]:
        """Who answers for a model, by an id, or a source, of `askable_models`; loaded first if need be.

        It stays loaded as long as the block, which lasts until an answer has been read to its end.

        Raises:
            UnknownModelError: there is no such model.
            MeadowError: it cannot be loaded.
        """
        ...


class OnlyModel:
    """One answerer that is loaded already."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer

    async def askable_models(self) -> Sequence[AskableModel]:
        description = self._answerer.description
        return [AskableModel(description.name, self._answerer.context_length, description.source)]

    @asynccontextmanager
    async def answerer(self, model: str) -> AsyncIterator[Answerer]:
        description = self._answerer.description
        if model not in (description.name, description.source):
            raise UnknownModelError(model, description.name)
        yield self._answerer
