"""An answerer of a model that says what a test gives it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from fakes.answers import CONTEXT, FakeModel, Letters
from meadow_client.models.answering import Answerer


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def tokenizer() -> Letters:
    return Letters()


@pytest.fixture
def answerer(model: FakeModel, tokenizer: Letters) -> Iterator[Answerer]:
    description: Any = SimpleNamespace(name="demo", context_length=CONTEXT, text_config=SimpleNamespace())
    found = Answerer(description, model, tokenizer)
    yield found
    found.close()
