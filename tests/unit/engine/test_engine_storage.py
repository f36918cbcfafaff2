"""The engine lets nobody delete model files that it uses."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import constants

from meadow_engine.api.places import find_places
from meadow_engine.api.status import SharingState
from meadow_engine.engine import Engine
from meadow_engine.kept_settings import KeptSettings
from meadow_engine.storage import ModelInUseError

CHATTED, SHARED, FETCHED, RESTING = "people/chatted", "people/shared", "people/fetched", "people/resting"


@pytest.fixture
def sharing() -> Any:
    return SimpleNamespace(state="off", on_change=None)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sharing: Any) -> Engine:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    for repository in (CHATTED, SHARED, FETCHED, RESTING):
        snapshot = tmp_path / "hub" / f"models--{repository.replace('/', '--')}" / "snapshots" / ("c" * 40)
        snapshot.mkdir(parents=True)
        (snapshot / "model.safetensors").write_bytes(bytes(100))
    places = find_places(tmp_path)
    chats: Any = SimpleNamespace(sources=lambda: {CHATTED})
    node: Any = SimpleNamespace(on_look=None)
    other: Any = SimpleNamespace(on_change=None)
    description: Any = SimpleNamespace(source=SHARED)
    kept = KeptSettings(places.settings_file, {"models_gb": 2})
    made = Engine(places, kept, node, description, chats, sharing, other, other, lambda: "", other)

    async def being_fetched() -> set[str]:
        return {FETCHED}

    made.being_fetched = being_fetched
    return made


@pytest.mark.parametrize(
    ("state", "in_use"),
    [
        ("off", {CHATTED, FETCHED}),
        ("failed", {CHATTED, FETCHED}),
        ("starting", {CHATTED, FETCHED, SHARED}),
        ("sharing", {CHATTED, FETCHED, SHARED}),
        ("stopping", {CHATTED, FETCHED, SHARED}),
    ],
)
async def test_what_is_chatted_with_shared_or_on_its_way_is_in_use(
    engine: Engine, sharing: Any, state: SharingState, in_use: set[str]
) -> None:
    sharing.state = state
    shown = await engine.storage()
    assert {model.id for model in shown.models if model.is_in_use} == in_use
    assert (shown.bytes, shown.limit_bytes) == (400, 2 * 10**9)


async def test_what_is_in_use_stays_and_the_rest_can_go(engine: Engine, sharing: Any) -> None:
    sharing.state = "sharing"
    for repository in (CHATTED, SHARED, FETCHED):
        with pytest.raises(ModelInUseError):
            await engine.delete_stored_model(repository)
    left = await engine.delete_stored_model(RESTING)
    assert [model.id for model in left.models] == [CHATTED, FETCHED, SHARED]


async def test_the_loop_goes_on_while_the_disk_is_read(engine: Engine) -> None:
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(engine.storage())
        await asyncio.sleep(0)
        assert not reading.done()
