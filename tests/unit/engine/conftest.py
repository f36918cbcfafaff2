"""Tiny models for the engine's unit tests, each written once for all tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch

from fakes.models import write_tiny_model

torch.set_num_threads(1)  # the models are so small that more threads only wait for each other


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the folder of a tiny model of a family; do not write into it."""

    @cache
    def write(family: str) -> Path:
        return write_tiny_model(tmp_path_factory.mktemp("models") / f"tiny-{family}", family)

    return write
