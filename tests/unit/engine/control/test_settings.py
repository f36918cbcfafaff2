"""Settings are shown and changed by name; what cannot be changed is a `Problem`."""

from __future__ import annotations

import httpx
import pytest

from fakes.noting_engine import PAGE, NotingEngine, problem_of
from meadow_engine.api.settings import Settings
from meadow_engine.api.settings_overview import SettingsOverview
from meadow_engine.kept_settings import SettingFixedError


async def test_settings_are_shown_with_all_that_a_page_needs(http: httpx.AsyncClient) -> None:
    page = SettingsOverview.model_validate_json((await http.get("/api/settings")).content)
    assert page == PAGE
    assert {row.name for row in page.settings} == set(Settings.model_fields)


async def test_settings_are_changed_by_name(http: httpx.AsyncClient, engine: NotingEngine) -> None:
    values = {"idle_s": 60, "programs": ["chess"], "quiet_s": None}
    reply = await http.patch("/api/settings", json={"values": values})
    assert (reply.status_code, engine.asked) == (200, [("settings", values)])
    assert SettingsOverview.model_validate_json(reply.content) == PAGE


@pytest.mark.parametrize("body", [{}, {"values": []}, {"values": {"idle_s": 1}, "more": 1}, {"idle_s": 60}])
async def test_changes_of_another_form_are_a_problem(
    http: httpx.AsyncClient, engine: NotingEngine, body: object
) -> None:
    reply = await http.patch("/api/settings", json=body)
    assert (reply.status_code, problem_of(reply).code, engine.asked) == (400, "invalid-request", [])


async def test_a_setting_that_is_fixed_is_a_problem_that_says_by_what(
    http: httpx.AsyncClient, engine: NotingEngine
) -> None:
    engine.fails_with = SettingFixedError("idle_s", "--idle-s")
    reply = await http.patch("/api/settings", json={"values": {"idle_s": 60}})
    found = problem_of(reply)
    assert (reply.status_code, found.code, found.message) == (400, "setting-fixed", "idle_s is fixed by --idle-s.")
