"""Model files on the disk are counted, and deleted where nobody uses them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from meadow_engine.api.settings import Settings
from meadow_engine.storage import (
    ModelInUseError,
    ModelNotStoredError,
    cached_repositories,
    delete_model,
    most_bytes,
    stored_models,
)

LAST_READ_S = 1_700_000_000.0


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "hub"


def store(cache: Path, repository: str, size: int, kind: str = "models") -> Path:
    """Files as huggingface_hub keeps them: a blob, and a link to it. Gives the link."""
    folder = cache / f"{kind}--{repository.replace('/', '--')}"
    blob, link = folder / "blobs" / "b1", folder / "snapshots" / ("c" * 40) / "model.safetensors"
    for path in (blob, link, folder / "refs" / "main"):
        path.parent.mkdir(parents=True)
    blob.write_bytes(bytes(size))
    os.utime(blob, (LAST_READ_S, LAST_READ_S))
    link.symlink_to(blob)
    (folder / "refs" / "main").write_text("c" * 40)
    return link


def view_of(views: Path, link: Path) -> Path:
    view = views / link.parts[-4]
    view.mkdir(parents=True)
    (view / link.name).symlink_to(link)
    return view


def test_without_a_cache_there_are_no_models(cache: Path) -> None:
    shown = stored_models((), 0, cache)
    assert (shown.folder, shown.bytes, shown.models) == (str(cache), 0, [])
    assert shown.free_bytes > 0
    assert cached_repositories(cache) == []


def test_models_are_shown_with_what_they_take_the_largest_first(cache: Path) -> None:
    store(cache, "people/small", 10)
    store(cache, "people/large", 3000)
    store(cache, "people/texts", 5000, kind="datasets")
    shown = stored_models({"people/small"}, 4000, cache)
    assert [(model.id, model.bytes, model.is_in_use) for model in shown.models] == [
        ("people/large", 3000, False),
        ("people/small", 10, True),
    ]
    assert (shown.bytes, shown.limit_bytes) == (3010, 4000)
    assert shown.models[0].last_used_s == pytest.approx(LAST_READ_S)
    assert cached_repositories(cache) == ["people/large", "people/small"]


def test_a_model_is_deleted_and_nothing_else(cache: Path, tmp_path: Path) -> None:
    views = tmp_path / "views"
    gone, kept = view_of(views, store(cache, "people/a", 10)), view_of(views, store(cache, "people/b", 20))
    texts = store(cache, "people/a", 5000, kind="datasets")
    delete_model("people/a", {"people/b"}, cache, views)
    assert [model.id for model in stored_models((), 0, cache).models] == ["people/b"]
    assert texts.exists()
    assert (kept / "model.safetensors").stat().st_size == 20
    assert not gone.exists()


def test_a_model_in_use_stays(cache: Path, tmp_path: Path) -> None:
    link = store(cache, "people/a", 10)
    with pytest.raises(ModelInUseError, match="people/a is in use now"):
        delete_model("people/a", {"people/a"}, cache, tmp_path)
    assert link.stat().st_size == 10


@pytest.mark.parametrize("name", ["people/b", "", "..", "../hub", "models--people--a", "people/a/", "/"])
def test_what_is_no_model_of_the_cache_is_not_deleted(cache: Path, tmp_path: Path, name: str) -> None:
    link = store(cache, "people/a", 10)
    with pytest.raises(ModelNotStoredError):
        delete_model(name, (), cache, tmp_path)
    assert link.exists()


def test_the_limit_of_the_settings_is_in_bytes() -> None:
    assert most_bytes(Settings(models_gb=1.5)) == 1_500_000_000
    assert most_bytes(Settings()) == 0
