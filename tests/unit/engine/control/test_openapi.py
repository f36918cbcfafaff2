"""The control API does what its own OpenAPI document says, whatever is sent to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from fakes.engine_status import STATUS
from fakes.fetching import FakeFetching
from meadow_client.errors import ModelUnusableError, UsageError
from meadow_client.gateway.askable import AskableModel
from meadow_engine.accounting import Accounting
from meadow_engine.api.autostart import AutostartStatus
from meadow_engine.api.commands import PauseLength
from meadow_engine.api.contributions import ContributionRow, Contributions, RowsAsked
from meadow_engine.api.places import find_places
from meadow_engine.api.settings_overview import SettingsOverview
from meadow_engine.api.status import EngineStatus, ModelStatus
from meadow_engine.api.storage import StorageOverview
from meadow_engine.api.swarm import SwarmOverview
from meadow_engine.control.app import create_app
from meadow_engine.control.downloads import download_routes
from meadow_engine.control.restart import restart_routes
from meadow_engine.control.swarms import swarm_routes
from meadow_engine.host.protocol import Helped
from meadow_engine.kept_settings import KeptSettings
from meadow_engine.ledger import Ledger
from meadow_engine.storage import delete_model, stored_models
from meadow_engine.swarms import RunningIn, Swarms

KEY = "key-of-the-tests"
HEADERS = {"Authorization": f"Bearer {KEY}", "Host": "127.0.0.1:4711"}


class EngineWithSettings:
    """Real settings and a real ledger on real files, and no swarm."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept = KeptSettings(folder / "settings.toml")
        self._accounting = Accounting(Ledger(folder / "ledger.sqlite"), "own host")
        self._accounting.earn(Helped("demo", "anna", 1000, 10**12, 1))

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

    async def autostart(self) -> AutostartStatus:
        return AutostartStatus(is_on=False, is_possible=True, description="an entry")

    async def set_autostart(self, enabled: bool) -> AutostartStatus:
        return AutostartStatus(is_on=enabled, is_possible=True, description="an entry")

    async def swarm(self) -> SwarmOverview:
        return SwarmOverview(models=[])

    async def storage(self) -> StorageOverview:
        return stored_models((), 0, self._folder / "hub")

    async def delete_stored_model(self, model: str) -> StorageOverview:
        delete_model(model, (), self._folder / "hub", self._folder / "views")
        return await self.storage()

    async def askable_models(self) -> list[AskableModel]:
        return []

    async def contributions(self, days: int) -> Contributions:
        return await asyncio.to_thread(self._accounting.overview, days)

    async def contribution_rows(self, asked: RowsAsked) -> list[ContributionRow]:
        return await asyncio.to_thread(self._accounting.rows, asked)

    @asynccontextmanager
    async def answerer(self, model: str) -> AsyncIterator[Any]:
        raise ModelUnusableError("demo has no tokenizer, so it cannot chat")
        yield


OPERATIONS = [
    ("GET", "/api/status"),
    ("GET", "/api/models"),
    ("GET", "/api/swarm"),
    ("GET", "/api/storage"),
    ("POST", "/api/storage/delete"),
    ("POST", "/api/sharing"),
    ("POST", "/api/pause"),
    ("POST", "/api/resume"),
    ("POST", "/api/drain"),
    ("POST", "/api/share-anyway"),
    ("GET", "/api/settings"),
    ("PATCH", "/api/settings"),
    ("GET", "/api/autostart"),
    ("POST", "/api/autostart"),
    ("GET", "/api/contributions"),
    ("GET", "/api/contributions/rows"),
]
OF_SWARMS_AND_DOWNLOADS = [
    ("POST", "/api/swarms/new"),
    ("POST", "/api/swarms/join"),
    ("POST", "/api/swarms/use"),
    ("POST", "/api/swarms/leave"),
    ("GET", "/api/downloads/size"),
    ("POST", "/api/downloads"),
    ("POST", "/api/downloads/pause"),
    ("POST", "/api/downloads/resume"),
    ("POST", "/api/downloads/remove"),
]
OPERATIONS += [("GET", "/api/swarms"), ("GET", "/api/downloads"), ("POST", "/api/restart"), *OF_SWARMS_AND_DOWNLOADS]


def swarms_in(folder: Path) -> Swarms:
    """A real list of swarms on a real file; nobody is called."""
    running = RunningIn(
        "", "12D3KooWself", lambda: ["/ip4/192.0.2.7/tcp/31337/p2p/12D3KooWself"], lambda: [], lambda: 0
    )

    async def reach(_addresses: object) -> None:
        """Everybody answers."""

    return Swarms(find_places(folder), list, running, reach=reach)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Any:
    more = [swarm_routes(swarms_in(tmp_path_factory.mktemp("swarms"))), download_routes(FakeFetching())]
    more.append(restart_routes(lambda: None))
    app = create_app(EngineWithSettings(tmp_path_factory.mktemp("settings")), KEY, more)
    return schemathesis.openapi.from_asgi("/api/openapi.json", app, headers=HEADERS)


def test_all_operations_of_the_document_are_tried(document: Any) -> None:
    named = {(result.ok().method.upper(), result.ok().path) for result in document.get_all_operations()}
    # A stream of events never ends, and what /v1 answers is OpenAI's to say.
    assert {(method, path) for method, path in named if path.startswith("/api/")} == {
        *OPERATIONS,
        ("GET", "/api/events"),
    }


# What has a body or a query, and so can be asked for in the wrong way.
COMMANDS = [
    ("POST", "/api/sharing"),
    ("POST", "/api/pause"),
    ("POST", "/api/share-anyway"),
    ("PATCH", "/api/settings"),
    ("POST", "/api/autostart"),
    ("POST", "/api/storage/delete"),
    ("GET", "/api/contributions"),
    ("GET", "/api/contributions/rows"),
]
COMMANDS += OF_SWARMS_AND_DOWNLOADS
# Words that fit the document may still name no reason, no setting, or no model.
MEANINGS = {"/api/storage/delete", "/api/share-anyway", "/api/settings"}
MEANINGS |= {"/api/downloads/pause", "/api/downloads/resume", "/api/downloads/remove"}
MEANINGS |= {"/api/swarms/new", "/api/swarms/join", "/api/swarms/use", "/api/swarms/leave"}
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
