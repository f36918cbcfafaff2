"""What fetching a model costs is known before a byte of its weights is fetched."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.hub_models import EMBEDDINGS, HEAD, LAYERS, MODEL, NEEDED, model_in_parts
from fakes.hub_server import FakeHub, HubModel, running_hub
from meadow_client.errors import MeadowError, ModelNotFoundError, ModelUnusableError
from meadow_engine.download_plan import (
    DiskFullError,
    Hub,
    HubUnreachableError,
    ModelGatedError,
    explain,
    incomplete_path,
)

ONE_FILE = HubModel({"config.json": b"{}", "model.safetensors": b"w" * 20_000, "tokenizer.json": b"{}"})


@pytest.fixture
def server() -> Iterator[FakeHub]:
    gated = HubModel({"config.json": b"{}", "model.safetensors": b"w"}, is_gated=True)
    old = HubModel({"config.json": b"{}", "pytorch_model.bin": b"w"})
    models = {MODEL: model_in_parts(), "small": ONE_FILE, "people/gated": gated, "people/old": old}
    with running_hub({**models, "people/notes": HubModel({"README.md": b"words"})}) as hub:
        yield hub


@pytest.fixture
def hub(server: FakeHub, tmp_path: Path) -> Hub:
    return Hub(server.url, tmp_path / "cache")


def test_of_the_weights_only_what_lies_outside_the_layers_is_fetched(hub: Hub, server: FakeHub) -> None:
    plan = hub.plan(MODEL)
    assert {file.name for file in plan.files} == set(NEEDED)
    assert plan.total_bytes == sum(len(server.models[MODEL].files[name]) for name in NEEDED)
    assert not any(server.sent_of(name) for name in (EMBEDDINGS, LAYERS, HEAD))


def test_a_model_in_one_file_is_fetched_with_it(hub: Hub) -> None:
    plan = hub.plan("small")
    assert ({file.name for file in plan.files}, plan.total_bytes) == (set(ONE_FILE.files), 20_004)


def test_what_lies_here_already_is_counted_the_unfinished_too(hub: Hub) -> None:
    plan = hub.plan("small")
    assert plan.folder is not None
    assert plan.here_bytes() == 0
    weights = next(file for file in plan.files if file.name == "model.safetensors")
    growing = incomplete_path(plan.folder, weights)
    growing.parent.mkdir(parents=True)
    growing.write_bytes(b"w" * 5_000)
    assert plan.here_bytes() == 5_000
    growing.rename(growing.parent / weights.blob)
    (growing.parent / weights.blob).write_bytes(b"w" * 20_000)
    assert plan.here_bytes() == 20_000


def test_the_free_space_is_that_of_the_disk_where_nothing_lies_yet(hub: Hub) -> None:
    assert hub.plan("small").free_bytes() > 0


@pytest.mark.parametrize("model", ["", "demo"])
def test_the_bundled_model_costs_nothing(model: str) -> None:
    assert Hub("http://127.0.0.1:9").plan(model).files == ()


def test_a_model_in_a_folder_costs_nothing(tmp_path: Path) -> None:
    assert Hub("http://127.0.0.1:9").plan(str(tmp_path)).total_bytes == 0


@pytest.mark.parametrize(
    ("model", "kind", "words"),
    [
        ("people/nothing", ModelNotFoundError, "holds no model people/nothing that you may see"),
        ("people/notes", ModelNotFoundError, "holds no config.json"),
        ("people/old", ModelUnusableError, "no weights in the form"),
        ("../up", ModelNotFoundError, "no model can have this name"),
        ("a--b/c..d", ModelNotFoundError, "holds no model"),
    ],
)
def test_what_cannot_be_fetched_is_said_in_a_sentence_with_advice(
    hub: Hub, model: str, kind: type[MeadowError], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        hub.plan(model)
    assert caught.value.advice


def test_a_hub_that_is_down_is_no_missing_model(hub: Hub, server: FakeHub) -> None:
    server.is_down = True
    with pytest.raises(HubUnreachableError, match="it answers 503"):
        hub.plan(MODEL)


def test_a_dead_network_is_no_missing_model(tmp_path: Path) -> None:
    with pytest.raises(HubUnreachableError, match=r"cannot be reached$"):
        Hub("http://127.0.0.1:9", tmp_path).plan(MODEL)


def test_a_full_disk_is_called_by_its_name(tmp_path: Path) -> None:
    found = explain(OSError(errno.ENOSPC, "No space left on device"), MODEL, tmp_path)
    assert isinstance(found, DiskFullError)
    assert str(tmp_path) in str(found)
    assert "Free some space" in found.advice


def test_a_disk_that_refuses_is_called_by_its_name(tmp_path: Path) -> None:
    assert "cannot be written (Permission denied)" in str(
        explain(PermissionError(13, "Permission denied"), MODEL, tmp_path)
    )


def test_a_gated_models_advice_says_where_to_ask() -> None:
    assert f"https://huggingface.co/{MODEL}" in ModelGatedError(MODEL).advice
