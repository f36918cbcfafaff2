"""An engine that is killed in mid-answer: the answer waits for another one, or goes on with it at once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakes.processes import (
    API_KEY,
    Program,
    Swarm,
    running_meadow,
    running_swarm,
    serve_arguments,
    start_meadow,
    wait_ready,
)
from meadow_assets import demo_model_path

# So long that its session is worth keeping: the second time it is asked, the answer goes the same way.
ASKED = "Once more, please, and take all the time that you need for it. " * 3
STORY = {
    "model": "meadow-demo",
    "messages": [{"role": "user", "content": f"{ASKED}Tell me a long story."}],
    "temperature": 0,
    "max_tokens": 400,
}


@dataclass
class Reply:
    """What a stream has said so far."""

    text: str = ""
    waiting: list[str] = field(default_factory=list)
    origin: dict[str, Any] = field(default_factory=dict)

    def hear(self, event: dict[str, Any]) -> None:
        assert "error" not in event, event
        meadow = event.get("meadow", {})
        if "waiting" in meadow:
            self.waiting.append(meadow["waiting"])
        elif meadow:
            self.origin = meadow
        self.text += "".join(choice["delta"].get("content", "") for choice in event["choices"])


@pytest.fixture
def swarm() -> Iterator[Swarm]:
    with running_swarm(demo_model_path(), [(0, 3), (3, 6), (6, 8)]) as swarm:
        yield swarm


@pytest.fixture
def gateway(swarm: Swarm, tmp_path: Path) -> Iterator[Program]:
    arguments = ["gateway", str(swarm.model), "--join", swarm.address, "--api-key", API_KEY]
    with running_meadow(*arguments, "--base-dir", str(tmp_path)) as program:
        yield program


@pytest.fixture
def client(gateway: Program) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {API_KEY}"}
    with httpx.Client(base_url=gateway.ready["url"], headers=headers, timeout=60) as client:
        yield client


def undisturbed(client: httpx.Client) -> dict[str, Any]:
    answer = client.post("/chat/completions", json=STORY)
    assert answer.status_code == 200, answer.text
    whole: dict[str, Any] = answer.json()
    return whole


def text_of(whole: dict[str, Any]) -> str:
    return str(whole["choices"][0]["message"]["content"])


def events_of(reply: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in reply.iter_lines():
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line[6:])


def test_without_a_replica_the_answer_waits_for_a_new_engine_and_goes_on(swarm: Swarm, client: httpx.Client) -> None:
    expected = text_of(undisturbed(client))
    heard = Reply()
    with client.stream("POST", "/chat/completions", json={**STORY, "stream": True}) as reply:
        events = events_of(reply)
        while not heard.text:
            heard.hear(next(events))
        swarm.engines[1].kill()
        killed = time.monotonic()
        while not heard.waiting:
            heard.hear(next(events))
        assert time.monotonic() - killed < 5.0
        swarm.replace(1)
        for event in events:
            heard.hear(event)
    assert "layers 3–5" in heard.waiting[0]
    assert heard.text == expected
    assert [recovery["lost"] for recovery in heard.origin["recoveries"]] == [["layers-3-6"]]


def test_with_a_replica_the_answer_goes_on_at_once(swarm: Swarm, client: httpx.Client) -> None:
    arguments = serve_arguments(swarm.model, (3, 6), [swarm.address], name="replica")
    swarm.engines.append(wait_ready(start_meadow(*arguments)))
    whole = undisturbed(client)
    used = whole["meadow"]["chain"][1]["peer"]
    dying = next(engine for engine in swarm.engines if engine.ready["peer"] == used)
    heard = Reply()
    with client.stream("POST", "/chat/completions", json={**STORY, "stream": True}) as reply:
        events = events_of(reply)
        while not heard.text:
            heard.hear(next(events))
        dying.kill()
        for event in events:
            heard.hear(event)
    assert heard.text == text_of(whole)
    assert heard.waiting == []
    (recovery,) = heard.origin["recoveries"]
    assert {*recovery["lost"], *recovery["instead"]} == {"layers-3-6", "replica"}
    assert recovery["lost"] == [whole["meadow"]["chain"][1]["name"]]
    assert recovery["seconds"] < 10.0
