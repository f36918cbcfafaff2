"""The stream of events tells every change soon, not too often, and shows that the engine lives."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fakes.clock import FakeClock
from fakes.engine_status import STATUS
from fakes.noting_engine import KEY, NotingEngine
from meadow_engine.api.events import KEEPALIVE_S, STATUS_EVENT
from meadow_engine.api.status import EngineStatus, WhyNot
from meadow_engine.control import app as app_module
from meadow_engine.control.app import create_app


class Events:
    """The status events of an engine whose time the test moves."""

    def __init__(self, engine: NotingEngine) -> None:
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
async def events(engine: NotingEngine, clock: FakeClock) -> AsyncIterator[Events]:
    engine.clock = clock
    found = Events(engine)
    yield found
    await found.aclose()


async def test_the_first_event_is_the_status_now(events: Events, clock: FakeClock) -> None:
    assert await events.next() == STATUS
    assert clock.slept == []


async def test_a_change_is_told_within_a_quarter_of_a_second(
    events: Events, engine: NotingEngine, clock: FakeClock
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
    events: Events, engine: NotingEngine, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
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
    events: Events, engine: NotingEngine, clock: FakeClock
) -> None:
    engine.now = with_clocks(1.0)
    await events.next()
    began = clock.now
    engine.now = with_clocks(99.0)
    assert (await events.next()).uptime_s == 99.0
    assert clock.now - began == pytest.approx(KEEPALIVE_S)


async def test_events_are_a_stream_of_server_sent_events(engine: NotingEngine) -> None:
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
