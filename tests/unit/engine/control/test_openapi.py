"""The control API does what its own OpenAPI document says, whatever is sent to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from fakes.engine_status import STATUS
from meadow_client.errors import ModelUnusableError, UsageError
from meadow_engine.api.commands import PauseLength
from meadow_engine.api.settings_overview import SettingsOverview
from meadow_engine.api.status import EngineStatus, ModelStatus
from meadow_engine.control.app import create_app
from meadow_engine.kept_settings import KeptSettings

KEY = "key-of-the-tests"
HEADERS = {"Authorization": f"Bearer {KEY}", "Host": "127.0.0.1:4711"}


class EngineWithSettings:
    """Real settings on a real file, and no swarm."""

    def __init__(self, folder: Path) -> None:
        self._kept = KeptSettings(folder / "settings.toml")

    def status(self) -> EngineStatus:
        return STATUS

    async def changed(self, within_s: float) -> bool:
        return False

    async def models(self) -> list[ModelStatus]:
        return []

    async def set_sharing(self, enabled: bool) -> EngineStatus:
        self._kept.change({"share": enabled})
        return STATUS

    async def pause(self, length: PauseLength) -> EngineStatus:
        return STATUS

    async def resume(self) -> EngineStatus:
        return STATUS

    async def drain(self) -> EngineStatus:
        return STATUS

    async def share_anyway(self, code: str) -> EngineStatus:
        raise UsageError(f"{code!r} is no reason that can be left out")

    def settings(self) -> SettingsOverview:
        return self._kept.overview()

    async def change_settings(self, values: Mapping[str, object]) -> SettingsOverview:
        self._kept.change(values)
        return self._kept.overview()

    async def answerer(self) -> Any:
        raise ModelUnusableError("demo has no tokenizer, so it cannot chat")


OPERATIONS = [
    ("GET", "/api/status"),
    ("GET", "/api/models"),
    ("POST", "/api/sharing"),
    ("POST", "/api/pause"),
    ("POST", "/api/resume"),
    ("POST", "/api/drain"),
    ("POST", "/api/share-anyway"),
    ("GET", "/api/settings"),
    ("PATCH", "/api/settings"),
]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Any:
    app = create_app(EngineWithSettings(tmp_path_factory.mktemp("settings")), KEY)
    return schemathesis.openapi.from_asgi("/api/openapi.json", app, headers=HEADERS)


def test_all_operations_of_the_document_are_tried(document: Any) -> None:
    named = {(result.ok().method.upper(), result.ok().path) for result in document.get_all_operations()}
    # A stream of events never ends, and what /v1 answers is OpenAI's to say.
    assert {(method, path) for method, path in named if path.startswith("/api/")} == {
        *OPERATIONS,
        ("GET", "/api/events"),
    }


# What has a body, and so can be asked for in the wrong way.
COMMANDS = [("POST", "/api/sharing"), ("POST", "/api/pause"), ("POST", "/api/share-anyway"), ("PATCH", "/api/settings")]
# Words that fit the document may still name no reason, or no setting.
MEANINGS = {"/api/share-anyway", "/api/settings"}
CASES = [(GenerationMode.POSITIVE, *operation) for operation in OPERATIONS]
CASES += [(GenerationMode.NEGATIVE, *operation) for operation in COMMANDS]


@pytest.mark.parametrize(("mode", "method", "path"), CASES)
def test_every_answer_is_one_that_the_document_names(
    document: Any, mode: GenerationMode, method: str, path: str
) -> None:
    excluded = [positive_data_acceptance] if path in MEANINGS else []

    @settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=document[path][method].as_strategy(generation_mode=mode))
    def try_it(case: Any) -> None:
        case.call_and_validate(headers=HEADERS, excluded_checks=excluded)

    try_it()
