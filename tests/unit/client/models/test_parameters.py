"""The parameters of layers are known from the config alone, and are those that a server really loads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from fakes.models import FAMILIES, OTHER_FAMILIES
from meadow_client.models.description import describe
from meadow_client.models.parameters import layer_parameters
from meadow_engine.runtime.span import LoadOptions, Span


@pytest.mark.parametrize("family", FAMILIES + OTHER_FAMILIES)
def test_they_are_as_many_as_a_server_loads(tiny_model: Callable[[str], Path], family: str) -> None:
    description = describe(str(tiny_model(family)))
    span = Span.load(description, 1, 4, torch.device("cpu"), LoadOptions("float32"))
    loaded = sum(parameter.numel() for parameter in span._model.parameters())
    assert sum(layer_parameters(description)[1:4]) == loaded


def test_they_are_as_many_as_the_file_holds(tiny_model: Callable[[str], Path]) -> None:
    folder = tiny_model("llama")
    by_layer = [0] * 6
    with safe_open(folder / "model.safetensors", "pt") as file:
        for name in file.keys():  # noqa: SIM118 - it is no mapping
            if ".layers." in name:
                by_layer[int(name.split(".")[2])] += file.get_tensor(name).numel()
    assert layer_parameters(describe(str(folder))) == tuple(by_layer)


@pytest.mark.parametrize("method", ["fp8", "gptq", "bitsandbytes"])
def test_they_are_the_same_where_the_files_are_quantised(
    tiny_model: Callable[[str], Path], tmp_path: Path, method: str
) -> None:
    config = json.loads((tiny_model("llama") / "config.json").read_text())
    config["quantization_config"] = {"quant_method": method, "bits": 4, "load_in_4bit": True}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert layer_parameters(describe(str(tmp_path))) == layer_parameters(describe(str(tiny_model("llama"))))


def test_nothing_is_read_for_them_but_the_description(tiny_model: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((tiny_model("llama") / "config.json").read_bytes())
    assert len(layer_parameters(describe(str(tmp_path)))) == 6
