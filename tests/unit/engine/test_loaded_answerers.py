"""A few models are loaded at a time: who answers is never closed, and who rested longest makes room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from meadow_client.errors import ModelUnusableError
from meadow_engine import loaded_answerers as module
from meadow_engine.loaded_answerers import LoadedAnswerers


def description(name: str) -> Any:
    return SimpleNamespace(name=name, source=f"/models/{name}", fingerprint=f"print-{name}")


@dataclass
class FakeAnswerer:
    description: Any
    is_answering: bool = False
    is_closed: bool = False

    async def aclose(self) -> None:
        await asyncio.sleep(0)
        self.is_closed = True


@dataclass
class Workshop:
    """Loads answerers that do nothing, and keeps all that it ever made."""

    made: list[FakeAnswerer] = field(default_factory=list)
    fails_with: Exception | None = None
    open_at_once: int = 0

    def load(self, model: Any) -> Any:
        if self.fails_with is not None:
            raise self.fails_with
        self.made.append(FakeAnswerer(model))
        self.open_at_once = max(self.open_at_once, len(self.open))
        return self.made[-1]

    @property
    def open(self) -> list[str]:
        return [made.description.name for made in self.made if not made.is_closed]


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


@pytest.fixture
def loaded(workshop: Workshop) -> LoadedAnswerers:
    return LoadedAnswerers(workshop.load)


async def use(loaded: LoadedAnswerers, name: str) -> Any:
    async with loaded.lent(description(name)) as answerer:
        return answerer


@asynccontextmanager
async def keeping_few(loaded: LoadedAnswerers, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setattr(module, "LOOK_S", 0.0)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(loaded.keep_few())
        yield
        task.cancel()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_model_is_loaded_once(loaded: LoadedAnswerers, workshop: Workshop) -> None:
    assert await use(loaded, "a") is await use(loaded, "a")
    assert workshop.open == ["a"]


async def test_whoever_comes_while_it_is_loaded_waits_for_the_same(loaded: LoadedAnswerers, workshop: Workshop) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(use(loaded, "a")) for _ in range(5)]
    assert len({id(task.result()) for task in tasks}) == 1
    assert len(workshop.made) == 1


async def test_two_models_stay_however_often_they_are_changed(loaded: LoadedAnswerers, workshop: Workshop) -> None:
    for name in "abababab":
        await use(loaded, name)
    assert len(workshop.made) == 2


async def test_the_one_that_rested_longest_makes_room_before_the_next_is_loaded(
    loaded: LoadedAnswerers, workshop: Workshop
) -> None:
    for name in ("a", "b", "a", "c"):
        await use(loaded, name)
    assert workshop.open == ["a", "c"]
    assert workshop.open_at_once == 2


async def test_who_answers_is_kept_and_another_makes_room(loaded: LoadedAnswerers, workshop: Workshop) -> None:
    (await use(loaded, "a")).is_answering = True
    assert loaded.is_answering
    for name in ("b", "c"):
        await use(loaded, name)
    assert workshop.open == ["a", "c"]


async def test_who_is_lent_is_kept_until_it_comes_back(
    loaded: LoadedAnswerers, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with keeping_few(loaded, monkeypatch):
        async with loaded.lent(description("a")), loaded.lent(description("b")), loaded.lent(description("c")):
            await settle()
            assert workshop.open == ["a", "b", "c"]
        await settle()
        assert workshop.open == ["b", "c"]


async def test_one_too_many_is_closed_when_its_answer_has_ended(
    loaded: LoadedAnswerers, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with keeping_few(loaded, monkeypatch):
        for name in ("a", "b", "c"):
            (await use(loaded, name)).is_answering = True
        await settle()
        assert workshop.open == ["a", "b", "c"]
        workshop.made[1].is_answering = False
        await settle()
        assert workshop.open == ["a", "c"]


async def test_a_model_that_made_room_is_loaded_anew(loaded: LoadedAnswerers, workshop: Workshop) -> None:
    for name in ("a", "b", "c", "a"):
        await use(loaded, name)
    assert [made.description.name for made in workshop.made] == ["a", "b", "c", "a"]


async def test_what_cannot_be_loaded_is_tried_again(loaded: LoadedAnswerers, workshop: Workshop) -> None:
    workshop.fails_with = ModelUnusableError("a has no tokenizer")
    with pytest.raises(ModelUnusableError):
        await use(loaded, "a")
    assert loaded.sources() == set()
    workshop.fails_with = None
    assert (await use(loaded, "a")).description.name == "a"


async def test_files_of_what_is_loaded_are_in_use(loaded: LoadedAnswerers) -> None:
    await use(loaded, "a")
    assert loaded.sources() == {"/models/a"}


async def test_files_are_in_use_while_they_are_loaded() -> None:
    seen: list[set[str]] = []

    def load(model: Any) -> Any:
        seen.append(loaded.sources())
        return FakeAnswerer(model)

    loaded = LoadedAnswerers(load)
    await use(loaded, "a")
    assert seen == [{"/models/a"}]


async def test_at_the_end_all_are_closed(loaded: LoadedAnswerers, workshop: Workshop) -> None:
    for name in ("a", "b"):
        await use(loaded, name)
    await loaded.aclose()
    assert workshop.open == []
    assert not loaded.is_answering
