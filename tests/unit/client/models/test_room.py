"""Model files take no more of the disk than they may, and what is here already is found without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from fakes.hub_models import EMBEDDINGS, HEAD, LAYERS, MODEL, model_in_parts
from fakes.hub_server import FakeHub, HubModel, running_hub
from meadow_client.errors import ModelNotFoundError
from meadow_client.models.description import ModelDescription, describe
from meadow_client.models.files import find_files, is_in_layers
from meadow_client.models.room import NoRoomForModelError, Room, bytes_on_disk, sizes_on_hub

SMALL = "people/small"
MIB = 1024 * 1024
ENDS_BYTES = 64 * 1024


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Callable[[str], Path]) -> Iterator[FakeHub]:
    """A hub with a model of one file and one of several, in place of huggingface.co, and an empty cache."""
    small = HubModel({file.name: file.read_bytes() for file in tiny_model("llama").iterdir()})
    with running_hub({SMALL: small, MODEL: model_in_parts()}) as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        yield hub


def room(limit_bytes: int) -> Room:
    return Room(lambda: limit_bytes)


def fetched(hub: FakeHub) -> set[str]:
    """Which weights were sent, and not just their ends."""
    return {asked.path for asked in hub.asked if asked.path.endswith(".safetensors") and asked.sent_bytes > ENDS_BYTES}


def fetch_small(room: Room | None = None) -> ModelDescription:
    """Describe the model of one file, and have all of it here."""
    description = describe(SMALL, room)
    description.files.folder_for(is_in_layers(None))
    return description


def test_without_a_limit_everything_is_fetched_and_counted(hub: FakeHub) -> None:
    assert bytes_on_disk() == 0
    description = describe(SMALL)
    assert (description.name, description.source, description.num_layers) == ("small", SMALL, 6)
    assert fetched(hub) == set()
    assert fetch_small().fingerprint == description.fingerprint
    assert fetched(hub) == {"model.safetensors"}
    assert bytes_on_disk() > len(hub.models[SMALL].files["model.safetensors"])


def test_a_model_that_is_too_large_is_not_fetched(hub: FakeHub) -> None:
    size = len(hub.models[SMALL].files["model.safetensors"])
    with pytest.raises(NoRoomForModelError) as caught:
        fetch_small(room(size))
    assert fetched(hub) == set()
    assert str(caught.value).startswith(f"The files of people/small need {size / 1e6:.1f} MB more on the disk, where")
    assert "models_gb" in caught.value.advice


def test_a_model_that_just_fits_is_fetched(hub: FakeHub) -> None:
    whole = sum(len(content) for content in hub.models[SMALL].files.values())
    fetch_small(room(whole))
    assert fetched(hub) == {"model.safetensors"}


def test_other_models_that_are_here_count(hub: FakeHub) -> None:
    fetch_small()
    limit = room(bytes_on_disk() + 5 * MIB)
    files = find_files(MODEL, room=limit)
    with pytest.raises(NoRoomForModelError):
        files.folder_for(is_in_layers(None))
    assert fetched(hub) == {"model.safetensors"}


def test_of_a_model_in_parts_only_the_needed_ones_count(hub: FakeHub, tmp_path: Path) -> None:
    files = find_files(MODEL, tmp_path / "views", room(4 * MIB))
    assert (files.folder_for(is_in_layers(range(0, 1))) / LAYERS).exists()
    with pytest.raises(NoRoomForModelError):
        files.folder_for(is_in_layers(None))
    assert fetched(hub) == {LAYERS}


def test_parts_are_weighed_together_before_the_first_is_fetched(hub: FakeHub, tmp_path: Path) -> None:
    # Either would fit by itself.
    files = find_files(MODEL, tmp_path / "views", room(5 * MIB + 40_000))
    with pytest.raises(NoRoomForModelError):
        files.folder_for(lambda tensor: tensor in ("model.embed_tokens.weight", "lm_head.weight"))
    assert fetched(hub).isdisjoint({EMBEDDINGS, HEAD})


def test_what_is_here_is_used_however_low_the_limit_is_now(hub: FakeHub, tmp_path: Path) -> None:
    find_files(MODEL, tmp_path / "views").folder_for(is_in_layers(None))
    folder = find_files(MODEL, tmp_path / "views", room(1)).folder_for(is_in_layers(None))
    assert (folder / EMBEDDINGS).stat().st_size == 5 * MIB + 77


def test_the_limit_is_the_one_of_now(hub: FakeHub) -> None:
    limits = [1, 0]
    changing = Room(lambda: limits.pop(0) if len(limits) > 1 else limits[0])
    with pytest.raises(NoRoomForModelError):
        fetch_small(changing)
    assert fetch_small(changing).name == "small"


def test_where_nobody_says_how_large_it_is_it_is_fetched(hub: FakeHub) -> None:
    fetch_small(Room(lambda: 1, sizes=lambda _repository: {}))
    assert fetched(hub) == {"model.safetensors"}


def test_without_a_network_sizes_are_not_known_and_room_does_not_lack(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert sizes_on_hub(SMALL) == {}
    with pytest.raises(ModelNotFoundError, match="could be fetched"):
        describe(SMALL, room(1))


def test_a_repository_that_is_not_there_is_not_found(hub: FakeHub) -> None:
    with pytest.raises(ModelNotFoundError, match="could be fetched"):
        describe("people/nothing")


def test_what_is_not_here_is_not_asked_for(hub: FakeHub) -> None:
    with pytest.raises(ModelNotFoundError, match="is on this computer"):
        describe(SMALL, may_fetch=False)
    assert hub.asked == []


def test_what_is_here_is_described_without_a_network(hub: FakeHub) -> None:
    fetched_one = fetch_small()
    hub.asked.clear()
    assert describe(SMALL, may_fetch=False).fingerprint == fetched_one.fingerprint
    assert hub.asked == []


def test_a_config_without_weights_does_not_make_another_model(hub: FakeHub) -> None:
    find_files(SMALL)  # the config only
    with pytest.raises(ModelNotFoundError):
        describe(SMALL, may_fetch=False)
