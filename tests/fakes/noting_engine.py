"""An engine behind the control API that notes what is asked of it, and the values with which it answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import httpx

from fakes.clock import FakeClock
from fakes.engine_status import STATUS
from meadow_client.errors import ModelUnusableError
from meadow_client.gateway.askable import AskableModel
from meadow_client.swarm.directory import Announcement, Server
from meadow_engine.api.autostart import AutostartStatus
from meadow_engine.api.commands import PauseLength
from meadow_engine.api.contributions import ContributionRow, Contributions, DayCount, RowsAsked
from meadow_engine.api.errors import Problem
from meadow_engine.api.settings import Settings
from meadow_engine.api.settings_overview import SettingsOverview, state_of_settings
from meadow_engine.api.status import EngineStatus, ModelStatus
from meadow_engine.api.storage import StorageOverview
from meadow_engine.api.swarm import SwarmOverview
from meadow_engine.swarm_overview import overview

KEY = "key-of-the-tests"
MODEL = ModelStatus(id="demo", num_layers=2, coverage=[1, 0], servers=1, context_length=512, is_complete=False)
STORED = StorageOverview(folder="/cache", bytes=0, free_bytes=1, limit_bytes=0, models=[])
SWARM = SwarmOverview(models=overview([Server("a", Announcement("f", "demo", 2, 512, 0, 1, "pc", "0.1", "int8"))]))
TODAY = date(2026, 11, 21)
CONTRIBUTIONS = Contributions(
    earned_credits=3.5,
    spent_credits=1.25,
    balance=2.25,
    conversations=2,
    since=TODAY,
    days=[
        DayCount(
            day=TODAY,
            earned_credits=3.5,
            spent_credits=1.25,
            tokens_for_others=700,
            tokens_by_others=500,
            conversations=2,
        )
    ],
)
ROW = ContributionRow(
    day=TODAY, model="demo", peer="anna", direction="earned", tokens=700, credits=3.5, conversations=2
)
PAGE = SettingsOverview(file="/settings.toml", can_change=True, problems=[], settings=state_of_settings(Settings(), {}))


@dataclass
class NotingEngine:
    """Notes what is asked of it. Time goes by while somebody waits for a change that does not come."""

    now: EngineStatus = field(default_factory=lambda: STATUS)
    fails_with: Exception | None = None
    wanted: list[bool] = field(default_factory=list)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    clock: FakeClock | None = None

    def status(self) -> EngineStatus:
        return self.now

    async def changed(self, within_s: float) -> None:
        await asyncio.sleep(0)
        if self.clock is not None:
            self.clock.advance(within_s)

    async def pause(self, length: PauseLength) -> EngineStatus:
        return self._note("pause", length)

    async def resume(self) -> EngineStatus:
        return self._note("resume")

    async def drain(self) -> EngineStatus:
        return self._note("drain")

    async def share_anyway(self, code: str) -> EngineStatus:
        return self._note("share-anyway", code)

    def settings(self) -> SettingsOverview:
        return PAGE

    async def change_settings(self, values: Mapping[str, object]) -> SettingsOverview:
        self._note("settings", values)
        return PAGE

    async def autostart(self) -> AutostartStatus:
        return AutostartStatus(is_on=False, is_possible=True, description="an entry")

    async def set_autostart(self, enabled: bool) -> AutostartStatus:
        self._note("autostart", enabled)
        return AutostartStatus(is_on=enabled, is_possible=True, description="an entry")

    async def contributions(self, days: int) -> Contributions:
        self._note("contributions", days)
        return CONTRIBUTIONS

    async def contribution_rows(self, asked: RowsAsked) -> list[ContributionRow]:
        self._note("rows", asked)
        return [ROW]

    def _note(self, *asked: Any) -> EngineStatus:
        if self.fails_with is not None:
            raise self.fails_with
        self.asked.append(asked)
        return self.now

    async def models(self) -> list[ModelStatus]:
        return [MODEL]

    async def set_sharing(self, enabled: bool) -> EngineStatus:
        if self.fails_with is not None:
            raise self.fails_with
        self.wanted.append(enabled)
        self.now = self.now.model_copy(update={"sharing": "starting" if enabled else "off"})
        return self.now

    async def swarm(self) -> SwarmOverview:
        return SWARM

    async def storage(self) -> StorageOverview:
        return STORED

    async def delete_stored_model(self, model: str) -> StorageOverview:
        self._note("delete", model)
        return STORED

    async def askable_models(self) -> list[AskableModel]:
        return [AskableModel("demo", 512)]

    @asynccontextmanager
    async def answerer(self, model: str) -> AsyncIterator[Any]:
        raise ModelUnusableError("demo has no tokenizer, so it cannot chat")
        yield


def problem_of(reply: httpx.Response) -> Problem:
    return Problem.model_validate_json(reply.content)
