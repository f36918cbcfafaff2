"""Only the files that hold wanted tensors are fetched."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from meadow_client.errors import ModelNotFoundError
from meadow_client.models.files import FolderFiles, HubFiles, find_files, is_in_layers

INDEX = "model.safetensors.index.json"
WEIGHT_MAP = {
    "model.embed_tokens.weight": "part-1.safetensors",
    "model.layers.0.mlp.weight": "part-1.safetensors",
    "model.layers.1.mlp.weight": "part-2.safetensors",
    "model.layers.2.mlp.weight": "part-3.safetensors",
    "model.norm.weight": "part-4.safetensors",
    "lm_head.weight": "part-4.safetensors",
}


@dataclass
class FakeHub:
    """A repository in a folder that notes what was fetched from it."""

    folder: Path
    fetched: list[str] = field(default_factory=list)

    def fetch(self, repository: str, filename: str) -> Path | None:
        assert repository == "people/model"
        path = self.folder / filename
        if not path.exists():
            return None
        self.fetched.append(filename)
        return path

    def files(self, views: Path) -> HubFiles:
        return HubFiles("people/model", views, self.fetch)


@pytest.fixture
def hub(tmp_path: Path) -> FakeHub:
    folder = tmp_path / "hub"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "generation_config.json").write_text("{}")
    (folder / INDEX).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": WEIGHT_MAP}))
    for shard in set(WEIGHT_MAP.values()):
        (folder / shard).write_text(shard)
    return FakeHub(folder)


def shards(hub: FakeHub) -> list[str]:
    return sorted(name for name in set(hub.fetched) if name.endswith(".safetensors"))


def test_a_span_fetches_the_shards_of_its_layers_only(hub: FakeHub, tmp_path: Path) -> None:
    view = hub.files(tmp_path / "views").folder_for(is_in_layers(range(1, 3)))
    assert shards(hub) == ["part-2.safetensors", "part-3.safetensors"]
    assert sorted(path.name for path in view.glob("*.safetensors")) == shards(hub)


def test_the_clients_end_fetches_no_shard_that_holds_layers_only(hub: FakeHub, tmp_path: Path) -> None:
    hub.files(tmp_path / "views").folder_for(is_in_layers(None))
    assert shards(hub) == ["part-1.safetensors", "part-4.safetensors"]


def test_the_index_of_a_view_names_the_wanted_tensors_only(hub: FakeHub, tmp_path: Path) -> None:
    view = hub.files(tmp_path / "views").folder_for(is_in_layers(range(0, 1)))
    assert json.loads((view / INDEX).read_text())["weight_map"] == {"model.layers.0.mlp.weight": "part-1.safetensors"}


def test_a_view_has_the_config_and_the_shards_content(hub: FakeHub, tmp_path: Path) -> None:
    view = hub.files(tmp_path / "views").folder_for(is_in_layers(range(2, 3)))
    assert (view / "config.json").read_text() == "{}"
    assert (view / "generation_config.json").exists()
    assert (view / "part-3.safetensors").read_text() == "part-3.safetensors"


def test_spans_have_views_of_their_own(hub: FakeHub, tmp_path: Path) -> None:
    files = hub.files(tmp_path / "views")
    one, other = files.folder_for(is_in_layers(range(0, 1))), files.folder_for(is_in_layers(range(1, 2)))
    assert one != other
    assert files.folder_for(is_in_layers(range(0, 1))) == one


def test_a_link_to_a_file_that_is_gone_is_made_anew(hub: FakeHub, tmp_path: Path) -> None:
    files = hub.files(tmp_path / "views")
    view = files.folder_for(is_in_layers(range(0, 1)))
    (view / "part-1.safetensors").unlink()
    (view / "part-1.safetensors").symlink_to(tmp_path / "gone")
    files.folder_for(is_in_layers(range(0, 1)))
    assert (view / "part-1.safetensors").read_text() == "part-1.safetensors"


def test_a_model_in_one_file_is_fetched_whole(hub: FakeHub, tmp_path: Path) -> None:
    (hub.folder / INDEX).unlink()
    (hub.folder / "model.safetensors").write_text("all")
    assert hub.files(tmp_path / "views").folder_for(is_in_layers(range(0, 1))) == hub.folder
    assert "model.safetensors" in hub.fetched


def test_a_shard_that_the_repository_lacks_is_named(hub: FakeHub, tmp_path: Path) -> None:
    (hub.folder / "part-3.safetensors").unlink()
    with pytest.raises(ModelNotFoundError, match=r"part-3\.safetensors"):
        hub.files(tmp_path / "views").folder_for(is_in_layers(range(2, 3)))


def test_a_repository_without_config_is_no_model(hub: FakeHub, tmp_path: Path) -> None:
    (hub.folder / "config.json").unlink()
    with pytest.raises(ModelNotFoundError, match="no config"):
        hub.files(tmp_path / "views").folder_for(is_in_layers(None))


def test_a_repository_is_called_by_the_last_part_of_its_name(hub: FakeHub, tmp_path: Path) -> None:
    assert hub.files(tmp_path).name == "model"


def test_a_folder_is_used_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    files = find_files(str(tmp_path))
    assert isinstance(files, FolderFiles)
    assert files.folder_for(is_in_layers(None)) == tmp_path
    assert files.find("config.json") == tmp_path / "config.json"
    assert files.find("model.safetensors") is None
    assert list(tmp_path.iterdir()) == [tmp_path / "config.json"]


def test_a_folder_is_called_by_its_name_however_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "demo").mkdir()
    monkeypatch.chdir(tmp_path / "demo")
    assert find_files(".").name == find_files("../demo/").name == find_files(str(tmp_path / "demo")).name == "demo"


@pytest.mark.parametrize("name", ["./nothing", "a/b/c", "../up", "has space", "/nothing", "https://example.org/x"])
def test_a_name_that_can_be_no_repository_is_not_asked_for(name: str) -> None:
    with pytest.raises(ModelNotFoundError, match="no folder"):
        find_files(name)


@pytest.mark.parametrize(
    ("tensor", "layer"),
    [
        ("model.layers.3.self_attn.q_proj.weight", 3),
        ("transformer.h.3.ln_1.bias", 3),
        ("h.3.attn.c_attn.weight", 3),
        ("model.layers.3.mlp.experts.7.w1.weight", 3),
        ("model.embed_tokens.weight", None),
        ("lm_head.weight", None),
        ("model.norm.weight", None),
    ],
)
def test_a_tensor_belongs_to_the_layer_of_its_name_or_to_the_client(tensor: str, layer: int | None) -> None:
    assert is_in_layers(range(3, 4))(tensor) == (layer == 3)
    assert not is_in_layers(range(4, 9))(tensor)
    assert is_in_layers(None)(tensor) == (layer is None)
