"""The control API tells the engine's state, changes it, and says what went wrong as a `Problem`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import httpx
import pytest

from fakes.clock import FakeClock
from fakes.engine_status import STATUS
from meadow_client.errors import MeadowError, ModelUnusableError, UsageError
from meadow_client.gateway.askable import AskableModel
from meadow_client.swarm.directory import Announcement, Server
from meadow_engine.api.autostart import AutostartStatus
from meadow_engine.api.commands import PauseLength
from meadow_engine.api.contributions import ContributionRow, Contributions, DayCount, RowsAsked
from meadow_engine.api.errors import Problem
from meadow_engine.api.events import KEEPALIVE_S, STATUS_EVENT
from meadow_engine.api.settings import Settings
from meadow_engine.api.settings_overview import SettingsOverview, state_of_settings
from meadow_engine.api.status import EngineStatus, ModelStatus, WhyNot
from meadow_engine.api.storage import StorageOverview
from meadow_engine.api.swarm import SwarmOverview
from meadow_engine.control import app as app_module
from meadow_engine.control.app import create_app
from meadow_engine.kept_settings import SettingFixedError
from meadow_engine.storage import ModelInUseError, ModelNotStoredError
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
class FakeEngine:
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


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
async def http(engine: FakeEngine) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(engine, KEY), raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:4711", headers=headers) as client:
        yield client


def problem_of(reply: httpx.Response) -> Problem:
    return Problem.model_validate_json(reply.content)


async def test_the_status_is_the_engines(http: httpx.AsyncClient) -> None:
    reply = await http.get("/api/status")
    assert reply.status_code == 200
    assert EngineStatus.model_validate_json(reply.content) == STATUS


async def test_the_models_are_listed(http: httpx.AsyncClient) -> None:
    assert (await http.get("/api/models")).json() == [MODEL.model_dump()]


async def test_the_swarm_is_shown(http: httpx.AsyncClient) -> None:
    reply = await http.get("/api/swarm")
    assert SwarmOverview.model_validate_json(reply.content) == SWARM
    [model] = reply.json()["models"]
    assert (model["missing"], model["chain"], model["servers"][0]["latency_s"]) == (
        [{"start": 1, "end": 2}],
        None,
        None,
    )


async def test_stored_models_are_shown_and_deleted(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    assert StorageOverview.model_validate_json((await http.get("/api/storage")).content) == STORED
    reply = await http.post("/api/storage/delete", json={"model": "people/model"})
    assert (reply.json(), engine.asked) == (STORED.model_dump(), [("delete", "people/model")])


@pytest.mark.parametrize("enabled", [True, False])
async def test_sharing_is_switched(http: httpx.AsyncClient, engine: FakeEngine, enabled: bool) -> None:
    reply = await http.post("/api/sharing", json={"enabled": enabled})
    assert reply.status_code == 200
    assert engine.wanted == [enabled]
    assert EngineStatus.model_validate_json(reply.content) == engine.now


@pytest.mark.parametrize(
    ("path", "body", "asked"),
    [
        ("/api/pause", {}, ("pause", "resumed")),
        ("/api/pause", {"length": "30m"}, ("pause", "30m")),
        ("/api/pause", {"length": "restart"}, ("pause", "restart")),
        ("/api/resume", None, ("resume",)),
        ("/api/resume", {}, ("resume",)),
        ("/api/drain", None, ("drain",)),
        ("/api/share-anyway", {"code": "metered"}, ("share-anyway", "metered")),
    ],
)
async def test_the_persons_word_is_passed_on_and_answered_with_the_status(
    http: httpx.AsyncClient, engine: FakeEngine, path: str, body: object, asked: tuple[Any, ...]
) -> None:
    reply = await http.post(path, json=body)
    assert (reply.status_code, engine.asked) == (200, [asked])
    assert EngineStatus.model_validate_json(reply.content) == STATUS


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/pause", {"length": "2h"}),
        ("/api/pause", {"length": 30}),
        ("/api/pause", {"lenght": "30m"}),
        ("/api/share-anyway", {}),
        ("/api/share-anyway", {"code": "x" * 65}),
        ("/api/share-anyway", {"code": None}),
    ],
)
async def test_a_word_that_cannot_be_meant_is_a_problem_and_changes_nothing(
    http: httpx.AsyncClient, engine: FakeEngine, path: str, body: object
) -> None:
    reply = await http.post(path, json=body)
    assert (reply.status_code, problem_of(reply).code, engine.asked) == (400, "invalid-request", [])


async def test_a_reason_that_cannot_be_left_out_is_a_problem_with_advice(
    http: httpx.AsyncClient, engine: FakeEngine
) -> None:
    engine.fails_with = UsageError("'paused' is no reason that can be left out", "Those that can: metered.")
    reply = await http.post("/api/share-anyway", json={"code": "paused"})
    assert (reply.status_code, problem_of(reply).advice) == (400, "Those that can: metered.")


async def test_settings_are_shown_with_all_that_a_page_needs(http: httpx.AsyncClient) -> None:
    page = SettingsOverview.model_validate_json((await http.get("/api/settings")).content)
    assert page == PAGE
    assert {row.name for row in page.settings} == set(Settings.model_fields)


async def test_settings_are_changed_by_name(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    values = {"idle_s": 60, "programs": ["chess"], "quiet_s": None}
    reply = await http.patch("/api/settings", json={"values": values})
    assert (reply.status_code, engine.asked) == (200, [("settings", values)])
    assert SettingsOverview.model_validate_json(reply.content) == PAGE


@pytest.mark.parametrize("body", [{}, {"values": []}, {"values": {"idle_s": 1}, "more": 1}, {"idle_s": 60}])
async def test_changes_of_another_form_are_a_problem(http: httpx.AsyncClient, engine: FakeEngine, body: object) -> None:
    reply = await http.patch("/api/settings", json=body)
    assert (reply.status_code, problem_of(reply).code, engine.asked) == (400, "invalid-request", [])


async def test_a_setting_that_is_fixed_is_a_problem_that_says_by_what(
    http: httpx.AsyncClient, engine: FakeEngine
) -> None:
    engine.fails_with = SettingFixedError("idle_s", "--idle-s")
    reply = await http.patch("/api/settings", json={"values": {"idle_s": 60}})
    found = problem_of(reply)
    assert (reply.status_code, found.code, found.message) == (400, "setting-fixed", "idle_s is fixed by --idle-s.")


@pytest.mark.parametrize(("query", "days"), [("", 30), ("?days=7", 7), ("?days=3660", 3660)])
async def test_contributions_are_told_for_as_many_days_as_are_asked_for(
    http: httpx.AsyncClient, engine: FakeEngine, query: str, days: int
) -> None:
    reply = await http.get(f"/api/contributions{query}")
    assert Contributions.model_validate_json(reply.content) == CONTRIBUTIONS
    assert engine.asked == [("contributions", days)]


async def test_rows_of_contributions_are_chosen_by_the_query(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    query = "since=2026-11-01&model=demo&peer=anna&direction=earned&limit=5&offset=10"
    reply = await http.get(f"/api/contributions/rows?{query}")
    assert [ContributionRow.model_validate(row) for row in reply.json()] == [ROW]
    await http.get("/api/contributions/rows")
    asked = RowsAsked(since=date(2026, 11, 1), model="demo", peer="anna", direction="earned", limit=5, offset=10)
    assert engine.asked == [("rows", asked), ("rows", RowsAsked())]


@pytest.mark.parametrize(
    "path",
    [
        "?days=0",
        "?days=3661",
        "?days=many",
        "/rows?since=yesterday",
        "/rows?since=2026-11-31",
        "/rows?direction=given",
        "/rows?limit=0",
        "/rows?limit=1001",
        "/rows?offset=-1",
        "/rows?offset=99999999999999999999",
        f"/rows?peer={'x' * 201}",
        "/rows?colour=green",
    ],
)
async def test_what_cannot_be_asked_of_contributions_is_refused(
    http: httpx.AsyncClient, engine: FakeEngine, path: str
) -> None:
    reply = await http.get(f"/api/contributions{path}")
    assert (reply.status_code, problem_of(reply).code, engine.asked) == (400, "invalid-request", [])


async def test_starting_at_login_is_shown_and_switched(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    assert (await http.get("/api/autostart")).json()["is_on"] is False
    reply = await http.post("/api/autostart", json={"enabled": True})
    assert (reply.json()["is_on"], engine.asked) == (True, [("autostart", True)])


@pytest.mark.parametrize("path", ["/api/pause", "/api/resume", "/api/drain", "/api/share-anyway"])
async def test_a_web_page_cannot_say_a_word(http: httpx.AsyncClient, engine: FakeEngine, path: str) -> None:
    reply = await http.post(path, json={"code": "metered"}, headers={"Origin": "https://example.org"})
    assert (reply.status_code, engine.asked) == (403, [])


@pytest.mark.parametrize(
    "path",
    ["/api/status", "/api/models", "/api/events", "/api/settings", "/api/openapi.json", "/v1/models"],
)
async def test_nothing_is_told_without_the_key(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path, headers={"Authorization": "Bearer wrong"})).status_code == 401


async def test_a_web_page_cannot_switch_sharing_on(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    reply = await http.post("/api/sharing", json={"enabled": True}, headers={"Origin": "https://example.org"})
    assert (reply.status_code, engine.wanted) == (403, [])


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"enabled": "perhaps"}', b'{"enabled": true, "more": 1}'])
async def test_a_command_that_cannot_be_meant_is_a_problem(
    http: httpx.AsyncClient, engine: FakeEngine, body: bytes
) -> None:
    reply = await http.post("/api/sharing", content=body, headers={"Content-Type": "application/json"})
    assert (reply.status_code, problem_of(reply).code) == (400, "invalid-request")
    assert engine.wanted == []


async def test_a_command_that_is_no_text_is_a_problem(http: httpx.AsyncClient) -> None:
    reply = await http.post("/api/sharing", content=b"\xff", headers={"Content-Type": "application/json"})
    assert reply.status_code == 400
    assert problem_of(reply).message


@pytest.mark.parametrize(
    ("error", "status", "code", "advice"),
    [
        (UsageError("No", "Do that."), 400, "usage", "Do that."),
        (MeadowError("Something failed", "Do this."), 500, "failed", "Do this."),
        (ModelNotStoredError("x"), 404, "model-not-stored", ModelNotStoredError.advice),
        (ModelInUseError("x"), 409, "model-in-use", ModelInUseError.advice),
        (PermissionError(13, "Permission denied"), 500, "failed", "Check the disk and its permissions."),
        (RuntimeError("a defect of ours"), 500, "failed", "The log says more; please report it."),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_failure_is_a_problem(
    http: httpx.AsyncClient, engine: FakeEngine, error: Exception, status: int, code: str, advice: str
) -> None:
    engine.fails_with = error
    reply = await http.post("/api/sharing", json={"enabled": True})
    found = problem_of(reply)
    assert (reply.status_code, found.code, found.advice) == (status, code, advice)
    assert found.message.endswith(".")
    assert "defect" not in reply.text


async def test_a_path_that_is_not_there_is_a_problem(http: httpx.AsyncClient) -> None:
    reply = await http.get("/api/nothing")
    assert (reply.status_code, problem_of(reply).code) == (404, "not-found")
    assert (await http.get("/api/sharing")).status_code == 405


async def test_failures_of_the_chat_server_keep_openais_form(http: httpx.AsyncClient) -> None:
    question = {"model": "demo", "messages": [{"role": "user", "content": "Hello?"}]}
    reply = await http.post("/v1/chat/completions", json=question)
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "model-unusable")
    assert (await http.get("/v1/nothing")).json()["error"]["code"] == "not_found"


async def test_the_api_describes_itself(http: httpx.AsyncClient) -> None:
    described = (await http.get("/api/openapi.json")).json()
    words = {"/api/pause", "/api/resume", "/api/drain", "/api/share-anyway", "/api/settings"}
    assert {"/api/status", "/api/models", "/api/sharing", "/api/events"} | words <= set(described["paths"])
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert (await http.get(path)).status_code == 404


class Events:
    """The status events of an engine whose time the test moves."""

    def __init__(self, engine: FakeEngine) -> None:
        self._stream = app_module._status_events(engine)
        self.count = 0

    async def next(self) -> EngineStatus:
        text = await anext(self._stream)
        self.count += 1
        assert text.startswith(f"id: {self.count}\nevent: {STATUS_EVENT}\ndata: ")
        assert text.endswith("\n\n")
        assert text.count("\n") == 4
        return EngineStatus.model_validate(json.loads(text.split("data: ", 1)[1]))

    async def aclose(self) -> None:
        await self._stream.aclose()  # type: ignore[attr-defined]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    clock.rule(monkeypatch, app_module)
    return clock


@pytest.fixture
async def events(engine: FakeEngine, clock: FakeClock) -> AsyncIterator[Events]:
    engine.clock = clock
    found = Events(engine)
    yield found
    await found.aclose()


async def test_the_first_event_is_the_status_now(events: Events, clock: FakeClock) -> None:
    assert await events.next() == STATUS
    assert clock.slept == []


async def test_a_change_is_told_within_a_quarter_of_a_second(
    events: Events, engine: FakeEngine, clock: FakeClock
) -> None:
    await events.next()
    began = clock.now
    engine.now = STATUS.model_copy(update={"sharing": "sharing"})
    assert (await events.next()).sharing == "sharing"
    assert clock.now - began <= 0.25


def with_clocks(seconds: float) -> EngineStatus:
    """A status in which nothing is news but how late it is."""
    reason = WhyNot(code="settling", sentence="Wait.", may_end_s=seconds, can_share_anyway=True)
    return STATUS.model_copy(update={"uptime_s": seconds, "may_begin_s": seconds, "reasons": [reason]})


async def test_many_changes_are_told_a_quarter_of_a_second_apart_and_the_last_one_too(
    events: Events, engine: FakeEngine, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for changes in the pause behind an event: what changes then must not be overheard."""
    await events.next()
    sessions = iter(range(1, 4))
    sleep = clock.sleep

    async def changing(seconds: float) -> None:
        await sleep(seconds)
        engine.now = STATUS.model_copy(update={"sessions": next(sessions, 3)})

    monkeypatch.setattr(app_module.asyncio, "sleep", changing)
    began = clock.now
    assert [(await events.next()).sessions for _ in range(3)] == [1, 2, 3]
    assert clock.now - began == pytest.approx(0.75)


async def test_without_a_change_there_is_a_sign_of_life_only(
    events: Events, engine: FakeEngine, clock: FakeClock
) -> None:
    engine.now = with_clocks(1.0)
    await events.next()
    began = clock.now
    engine.now = with_clocks(99.0)
    assert (await events.next()).uptime_s == 99.0
    assert clock.now - began == pytest.approx(KEEPALIVE_S)


async def test_events_are_a_stream_of_server_sent_events(engine: FakeEngine) -> None:
    """httpx's transport waits for a reply's end, so here the app is called by hand."""
    app = create_app(engine, KEY)
    sent: asyncio.Queue[Any] = asyncio.Queue()
    headers = [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {KEY}".encode())]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "path": "/api/events",
        "query_string": b"",
        "headers": headers,
    }
    asked = iter([{"type": "http.request", "body": b"", "more_body": False}])
    gone = asyncio.Event()

    async def receive() -> Any:
        if (request := next(asked, None)) is not None:
            return request
        await gone.wait()
        return {"type": "http.disconnect"}

    async with asyncio.TaskGroup() as group:
        group.create_task(app(scope, receive, sent.put))  # type: ignore[arg-type]
        start, first = await sent.get(), await sent.get()
        gone.set()
    assert start["status"] == 200
    assert dict(start["headers"])[b"content-type"].startswith(b"text/event-stream")
    assert first["body"].startswith(b"id: 1\nevent: status\ndata: {")
