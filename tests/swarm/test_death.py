"""An engine that is killed in mid-answer: the chat says so at once, and works again when one is back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fakes.processes import API_KEY, Program, Swarm, running_meadow, running_swarm
from meadow_assets import demo_model_path

LONG = {
    "model": "meadow-demo",
    "messages": [{"role": "user", "content": "Tell me a long story."}],
    "temperature": 2.0,
    "max_tokens": 1500,
    "stream": True,
}


@pytest.fixture
def swarm() -> Iterator[Swarm]:
    with running_swarm(demo_model_path(), [(0, 3), (3, 6), (6, 8)]) as swarm:
        yield swarm


@pytest.fixture
def gateway(swarm: Swarm, tmp_path: Path) -> Iterator[Program]:
    arguments = ["gateway", str(swarm.model), "--join", swarm.address, "--api-key", API_KEY]
    with running_meadow(*arguments, "--base-dir", str(tmp_path)) as program:
        yield program


def lines(reply: httpx.Response) -> Iterator[dict]:
    for line in reply.iter_lines():
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line[6:])


def test_a_killed_engine_is_reported_within_three_seconds_and_replaced(swarm: Swarm, gateway: Program) -> None:
    headers = {"Authorization": f"Bearer {API_KEY}"}
    url = gateway.ready["url"] + "/chat/completions"
    with httpx.Client(headers=headers, timeout=60) as client:
        with client.stream("POST", url, json=LONG) as reply:
            events = lines(reply)
            for _ in range(5):
                next(events)
            swarm.engines[1].kill()
            killed = time.monotonic()
            error = next(event["error"] for event in events if "error" in event)
            assert time.monotonic() - killed < 3.0
        assert error["code"] == "server-lost"
        assert "layers 3–5" in error["message"]

        swarm.replace(1)
        short = {**LONG, "stream": False, "temperature": 0, "max_tokens": 10}
        answer = client.post(url, json=short)
        assert answer.status_code == 200, answer.text
        assert answer.json()["usage"]["completion_tokens"] > 0
