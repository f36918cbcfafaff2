"""A model is known by its files: what cannot be one is refused with the reason, copies are the same model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.models import FAMILIES, HIDDEN, POSITIONS, write_tiny_model
from meadow_client.errors import ModelNotFoundError, ModelUnusableError
from meadow_client.models.description import describe

TinyModel = Callable[[str], Path]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_of_every_family_is_described(tiny_model: TinyModel, family: str) -> None:
    described = describe(str(tiny_model(family)))
    assert described.name == f"tiny-{family}"
    assert (described.num_layers, described.width) == (6, HIDDEN)


@pytest.mark.parametrize("family", ["llama", "gpt2", "opt", "falcon"])
def test_the_context_length_is_the_configs(tiny_model: TinyModel, family: str) -> None:
    assert describe(str(tiny_model(family))).context_length == POSITIONS


def test_a_model_that_does_not_say_its_context_length_has_an_ordinary_one(tiny_model: TinyModel) -> None:
    assert describe(str(tiny_model("bloom"))).context_length == 2048


def test_a_folder_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="no folder"):
        describe(str(tmp_path / "nothing"))


def test_a_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("hello")
    with pytest.raises(ModelNotFoundError, match="no folder"):
        describe(str(tmp_path / "model"))


def test_a_folder_without_config_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="no config"):
        describe(str(tmp_path))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="broken"),
        pytest.param("\xff\xfe", id="no text"),
        pytest.param("[]", id="a list"),
        pytest.param("7", id="a number"),
        pytest.param("null", id="nothing"),
        pytest.param("{}", id="no architecture"),
        pytest.param('{"model_type": "wizardry"}', id="unknown architecture"),
        pytest.param('{"model_type": 7}', id="an architecture that is no name"),
        pytest.param('{"model_type": "llama", "num_hidden_layers": 0}', id="no layers"),
        pytest.param('{"model_type": "llama", "num_hidden_layers": "six"}', id="layers that are no number"),
        pytest.param('{"model_type": "llama", "num_hidden_layers": null}', id="layers of null"),
    ],
)
def test_a_config_that_describes_no_model_with_layers_is_unusable(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text, encoding="latin-1")
    with pytest.raises(ModelUnusableError):
        describe(str(tmp_path))


def test_a_copy_of_a_model_is_the_same_model(tiny_model: TinyModel, tmp_path: Path) -> None:
    copied = shutil.copytree(tiny_model("llama"), tmp_path / "elsewhere" / "tiny-llama")
    assert describe(str(copied)).fingerprint == describe(str(tiny_model("llama"))).fingerprint


def test_files_beside_the_weights_do_not_matter(tiny_model: TinyModel, tmp_path: Path) -> None:
    copied = shutil.copytree(tiny_model("llama"), tmp_path / "tiny-llama")
    (copied / "README.md").write_text("hello")
    assert describe(str(copied)).fingerprint == describe(str(tiny_model("llama"))).fingerprint


def test_dtype_and_version_in_the_config_do_not_matter(tiny_model: TinyModel, tmp_path: Path) -> None:
    copied = shutil.copytree(tiny_model("llama"), tmp_path / "tiny-llama")
    config = json.loads((copied / "config.json").read_text())
    config |= {"transformers_version": "4.0.0", "dtype": "bfloat16", "use_cache": False}
    (copied / "config.json").write_text(json.dumps(config, indent=7))
    assert describe(str(copied)).fingerprint == describe(str(tiny_model("llama"))).fingerprint


def test_other_weights_are_another_model(tmp_path: Path) -> None:
    one = write_tiny_model(tmp_path / "one" / "tiny", "llama", seed=1)
    other = write_tiny_model(tmp_path / "other" / "tiny", "llama", seed=2)
    assert describe(str(one)).fingerprint != describe(str(other)).fingerprint


@pytest.mark.parametrize("change", [{"rope_theta": 5.0}, {"num_hidden_layers": 5}, {"rms_norm_eps": 0.1}], ids=str)
def test_another_config_is_another_model(tiny_model: TinyModel, tmp_path: Path, change: dict[str, float]) -> None:
    copied = shutil.copytree(tiny_model("llama"), tmp_path / "tiny-llama")
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config | change))
    assert describe(str(copied)).fingerprint != describe(str(tiny_model("llama"))).fingerprint


def test_another_name_is_another_model_but_letter_case_is_not(tiny_model: TinyModel, tmp_path: Path) -> None:
    shutil.copytree(tiny_model("llama"), tmp_path / "other")
    shutil.copytree(tiny_model("llama"), tmp_path / "Tiny-LLAMA")
    original = describe(str(tiny_model("llama"))).fingerprint
    assert describe(str(tmp_path / "other")).fingerprint != original
    assert describe(str(tmp_path / "Tiny-LLAMA")).fingerprint == original
