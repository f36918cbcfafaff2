"""The models that a person can chat with through this engine: its own, those of the settings, and the swarm's.

Servers announce a name and a fingerprint, not where files are. So the files of a model that is asked for are looked for
under the words of the person who asks, in the settings, in huggingface.co's cache on this computer, and under the
announced name itself; they are the model's if they give the fingerprint that was announced. On the event loop; files
are read in worker threads.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from meadow_client.errors import MeadowError
from meadow_client.gateway.askable import AskableModel, UnknownModelError
from meadow_client.models.answering import Answerer
from meadow_client.models.description import ModelDescription
from meadow_client.models.room import NoRoomForModelError
from meadow_client.swarm.directory import Server
from meadow_engine.api.swarm import ModelOverview
from meadow_engine.loaded_answerers import LoadedAnswerers
from meadow_engine.swarm_overview import find_model, last_part, overview

# What the directory said so lately is believed when a model is asked for.
_KNOWN_S = 5.0
_BARE_NAME = re.compile(r"\w[\w.-]*")

log = logging.getLogger(__name__)


class ModelFilesMissingError(MeadowError):
    """The swarm holds a model whose files for the client's end are not to be had here."""

    code = "model-files-missing"
    advice = "Write its folder, or its whole name on huggingface.co such as Qwen/Qwen3-8B, into the setting `models`."

    def __init__(self, model: str) -> None:
        super().__init__(f"The swarm holds {model}, but its files are neither on this computer nor on huggingface.co")


class ModelFilesDifferError(MeadowError):
    """There are files of a model's name, but they are not the model that the swarm holds."""

    code = "model-files-differ"
    advice = "Get the files that the others have, or update them, and write their place into the setting `models`."

    def __init__(self, model: str) -> None:
        super().__init__(f"The files of {model} that can be had here are not those that the swarm holds")


class Describe(Protocol):
    """Reads a model's files in a worker thread; without `may_fetch`, only those that are here."""

    def __call__(self, source: str, /, *, may_fetch: bool) -> ModelDescription: ...


class ChatModels:
    """Finds models by what they are called, and lends out who answers for them."""

    def __init__(
        self,
        own: ModelDescription,
        entries: Callable[[], Sequence[str]],
        servers: Callable[[], Awaitable[list[Server]]],
        describe: Describe,
        cached: Callable[[], Sequence[str]],
        loaded: LoadedAnswerers,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`entries` are the folders and repositories of the settings, `cached` the repositories in the cache."""
        self._own = own
        self._entries = entries
        self._servers = servers
        self._describe = describe
        self._cached = cached
        self._loaded = loaded
        self._clock = clock
        self._described: dict[str, ModelDescription] = {}
        self._found: dict[str, ModelDescription] = {}
        self._announced: tuple[float, list[Server]] = (float("-inf"), [])

    @property
    def is_answering(self) -> bool:
        """Whether an answer of the person's own chat, or program, is being computed."""
        return self._loaded.is_answering

    def sources(self) -> set[str]:
        """The folders and repositories of the models that are loaded for chats."""
        return self._loaded.sources()

    async def known(self) -> list[ModelDescription]:
        """The models whose files this engine knows: its own, those of the settings, those that were asked for."""
        for entry in self._entries():
            if entry not in self._described:
                try:
                    self._described[entry] = await self._read(entry, may_fetch=False)
                except (MeadowError, OSError) as error:
                    log.info("A model of the settings is not here yet (%s)", getattr(error, "code", "system"))
        chosen = [self._described[entry] for entry in self._entries() if entry in self._described]
        models = {model.fingerprint: model for model in reversed([self._own, *chosen, *self._found.values()])}
        return list(reversed(models.values()))

    async def askable_models(self) -> Sequence[AskableModel]:
        """All models that the swarm holds, and those that are known here."""
        known = await self.known()
        sources = {model.fingerprint: model.source for model in known}
        models = overview(await self._servers(), known)
        return [AskableModel(model.id, model.context_length, sources.get(model.fingerprint, "")) for model in models]

    @asynccontextmanager
    async def answerer(self, model: str) -> AsyncIterator[Answerer]:
        """Who answers for a model, loaded first if need be; it stays as long as the block.

        Raises: as `find`; MeadowError: it cannot be loaded.
        """
        async with self._loaded.lent(await self.find(model)) as answerer:
            yield answerer

    async def find(self, asked: str) -> ModelDescription:
        """The model of this id, fingerprint, folder or repository.

        Raises:
            UnknownModelError: neither is it known here, nor does the swarm hold it.
            ModelFilesMissingError: the swarm holds it, but this computer has no files of it and cannot get them.
            ModelFilesDifferError: the files that can be had are of another model of this name.
            NoRoomForModelError: they may not be fetched.
        """
        known = await self.known()
        for model, shown in zip(known, overview([], known), strict=True):
            if asked in (shown.id, model.source, model.fingerprint):
                return model
        if asked in self._entries():
            self._described[asked] = found = await self._read(asked, may_fetch=True)
            return found
        meant = [model for model in overview(await self._recent_servers(), known) if _is_meant(model, asked)]
        if not meant:
            raise UnknownModelError(asked, self._own.name)
        found = await self._find_files(asked, meant)
        self._found[found.fingerprint] = found
        return found

    async def _find_files(self, asked: str, meant: Sequence[ModelOverview]) -> ModelDescription:
        wanted = {(model.fingerprint, model.num_layers) for model in meant}
        is_other = False
        for source, may_fetch in await self._places(asked, meant[0].name):
            try:
                found = await self._read(source, may_fetch=may_fetch)
            except NoRoomForModelError:
                raise
            except (MeadowError, OSError) as error:
                log.info("No model was read from one of its places (%s)", getattr(error, "code", "system"))
                continue
            if (found.fingerprint, found.num_layers) in wanted:
                return found
            is_other = True
        raise ModelFilesDifferError(meant[0].id) if is_other else ModelFilesMissingError(meant[0].id)

    async def _places(self, asked: str, name: str) -> list[tuple[str, bool]]:
        """Where files of an announced name may be, and whether they may be fetched: what is here comes first."""
        here = [source for source in await asyncio.to_thread(self._cached) if _is_called(source, name)]
        named = (asked, *self._entries(), *here)
        elsewhere = [source for source in named if "/" in source and _is_called(source, name)]
        # The name is a stranger's word: it may be that of an old repository such as gpt2, and never says a place.
        announced = [name] if _BARE_NAME.fullmatch(name) else []
        places = [(source, False) for source in here] + [(source, True) for source in (*elsewhere, *announced)]
        return list(dict.fromkeys(places))

    async def _read(self, source: str, *, may_fetch: bool) -> ModelDescription:
        return await asyncio.to_thread(self._describe, source, may_fetch=may_fetch)

    async def _recent_servers(self) -> list[Server]:
        read_s, servers = self._announced
        if self._clock() - read_s > _KNOWN_S:
            servers = await self._servers()
            self._announced = self._clock(), servers
        return servers


def _is_meant(model: ModelOverview, asked: str) -> bool:
    """By its id or fingerprint; by a name only together with a place, as many models may have that name."""
    return asked in (model.id, model.fingerprint) or ("/" in asked and bool(find_model([model], asked)))


def _is_called(source: str, name: str) -> bool:
    return last_part(source).casefold() == name.casefold()
