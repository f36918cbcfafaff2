"""The client's ends of models that are loaded: a few at a time, the one that was used last the longest.

Who answers is lent out; one that is lent, or still answers, is never closed. So there may be one too many for a while:
then the one that has rested longest is closed as soon as it is idle. On the event loop; loading is in a worker thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from meadow_client.models.answering import Answerer
from meadow_client.models.description import ModelDescription

MOST = 2
LOOK_S = 1.0

log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Loaded:
    answerer: Answerer
    borrowers: int = 0

    @property
    def is_busy(self) -> bool:
        return self.borrowers > 0 or self.answerer.is_answering


class LoadedAnswerers:
    """Answerers by the fingerprints of their models."""

    def __init__(self, load: Callable[[ModelDescription], Answerer], most: int = MOST) -> None:
        """`load` makes an answerer in a worker thread; `most` of them are kept."""
        self._load = load
        self._most = most
        self._loaded: dict[str, _Loaded] = {}  # the one that was used last is last
        self._loading = asyncio.Lock()
        self._being_loaded: set[str] = set()
        self._crowded = asyncio.Event()

    @asynccontextmanager
    async def lent(self, description: ModelDescription) -> AsyncIterator[Answerer]:
        """The answerer of a model, loaded first if need be; it is not closed within the block.

        Raises:
            MeadowError: it cannot be loaded.
        """
        loaded = await self._get(description)
        try:
            yield loaded.answerer
        finally:
            loaded.borrowers -= 1

    @property
    def is_answering(self) -> bool:
        """Whether any of them computes an answer."""
        return any(loaded.answerer.is_answering for loaded in self._loaded.values())

    def sources(self) -> set[str]:
        """The folders and repositories of the models that are loaded, or being loaded."""
        return {loaded.answerer.description.source for loaded in self._loaded.values()} | self._being_loaded

    async def keep_few(self) -> None:
        """Close those that are too many as soon as they are idle, for ever. Sleeps while there are none."""
        while True:
            await self._crowded.wait()
            await asyncio.sleep(LOOK_S)
            await self._close_idle(self._most)
            if len(self._loaded) <= self._most:
                self._crowded.clear()

    async def aclose(self) -> None:
        """Stop all answers, and let the servers know."""
        while self._loaded:
            _fingerprint, loaded = self._loaded.popitem()
            await loaded.answerer.aclose()

    async def _get(self, description: ModelDescription) -> _Loaded:
        """One that is borrowed by the caller from now on."""
        if description.fingerprint not in self._loaded:
            async with self._loading:
                if description.fingerprint not in self._loaded:
                    await self._close_idle(self._most - 1)  # first, so that there is memory for the next
                    self._being_loaded.add(description.source)
                    try:
                        answerer = await asyncio.to_thread(self._load, description)
                    finally:
                        self._being_loaded.clear()
                    self._loaded[description.fingerprint] = _Loaded(answerer)
        loaded = self._loaded.pop(description.fingerprint)
        loaded.borrowers += 1
        self._loaded[description.fingerprint] = loaded
        if len(self._loaded) > self._most:
            self._crowded.set()
        return loaded

    async def _close_idle(self, most: int) -> None:
        for fingerprint, loaded in list(self._loaded.items()):
            if len(self._loaded) <= most:
                return
            if self._loaded.get(fingerprint) is loaded and not loaded.is_busy:
                del self._loaded[fingerprint]
                log.info("The client's end of %s is closed", loaded.answerer.description.name)
                await loaded.answerer.aclose()
