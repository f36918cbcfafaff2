"""Models from huggingface.co: what a chat needs is fetched as far as the disk may take it, and goes on after a kill."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakes import processes
from fakes.hub_models import EMBEDDINGS, MIB, MODEL, NEEDED, model_in_parts
from fakes.hub_server import FakeHub, HubModel, running_hub
from fakes.nonsense_model import LAYERS, told_alone, write_nonsense_model
from fakes.processes import LOOPBACK, Program, running_meadow, serve_arguments

REPOSITORY = "people/meadow-nonsense"
QUESTION = [{"role": "user", "content": "What is Meadow?"}]
TOKENS = 8
WEIGHTS = "model.safetensors"


@dataclass
class Post:
    """An engine that holds nothing and has no files, the swarm's model, and the hub that has its files."""

    engine: httpx.Client
    model: Path
    hub: FakeHub

    def ask(self, model: str) -> httpx.Response:
        body = {"model": model, "messages": QUESTION, "temperature": 0, "max_tokens": TOKENS}
        return self.engine.post("/v1/chat/completions", json=body)

    def change(self, **settings: object) -> None:
        assert self.engine.patch("/api/settings", json={"values": settings}).status_code == 200

    def delete(self, model: str) -> tuple[int, str]:
        reply = self.engine.post("/api/storage/delete", json={"model": model})
        return reply.status_code, reply.json().get("code", "")


@pytest.fixture
def post(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    model = write_nonsense_model(tmp_path / "meadow-nonsense")
    base = tmp_path / "engine"
    (base / "config").mkdir(parents=True)
    with (
        running_hub({REPOSITORY: HubModel({file.name: file.read_bytes() for file in model.iterdir()})}) as hub,
        running_meadow(*serve_arguments(model, (0, LAYERS))) as server,
    ):
        settings = f'listen = ["{LOOPBACK}"]\ndevice = "cpu"\ninitial_peers = ["{server.address}"]\n'
        (base / "config" / "settings.toml").write_text(settings)
        go_online(monkeypatch, hub, tmp_path)
        with running_engine(base) as (_program, client):
            yield Post(client, model, hub)


def go_online(monkeypatch: pytest.MonkeyPatch, hub: FakeHub, folder: Path) -> None:
    """Programs that are started from here on find this hub, and keep its files in the folder."""
    online = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "huggingface")}
    offline = processes.environment()
    monkeypatch.setattr(processes, "environment", lambda: {**offline, **online})


@contextmanager
def running_engine(base: Path) -> Iterator[tuple[Program, httpx.Client]]:
    """The daemon with this folder, and who asks it."""
    with running_meadow("--no-gui", "--base-dir", str(base)) as program:
        running = json.loads((base / "run" / "engine.json").read_text())
        headers = {"Authorization": f"Bearer {running['token']}"}
        with httpx.Client(base_url=running["url"], headers=headers, timeout=60) as client:
            yield program, client


def test_a_model_of_the_swarm_is_fetched_for_a_chat_and_takes_no_more_than_it_may(post: Post) -> None:
    assert post.engine.get("/api/storage").json()["models"] == []
    post.change(models_gb=0.0001)
    refused = post.ask(REPOSITORY).json()["error"]
    assert refused["code"] == "models-limit"
    assert "need" in refused["sentence"]
    whole = (0, (post.model / WEIGHTS).stat().st_size)
    assert whole not in post.hub.sent_of(WEIGHTS)

    post.change(models_gb=1)
    reply = post.ask(REPOSITORY)
    assert reply.status_code == 200, reply.text
    answered = reply.json()["choices"][0]["message"]["content"]
    assert answered == told_alone(post.model, QUESTION, TOKENS)
    assert post.hub.sent_of(WEIGHTS).count(whole) == 1
    assert post.ask("meadow-nonsense").status_code == 200  # now that it is known where its files are

    stored = post.engine.get("/api/storage").json()
    [kept] = stored["models"]
    assert (kept["id"], kept["is_in_use"], stored["limit_bytes"]) == (REPOSITORY, True, 10**9)
    assert kept["bytes"] == stored["bytes"] > whole[1]
    assert stored["free_bytes"] > 0
    assert post.delete(REPOSITORY) == (409, "model-in-use")
    assert post.delete("people/nothing") == (404, "model-not-stored")


def test_a_download_goes_on_after_the_engine_was_killed_and_fetches_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "engine"
    (base / "config").mkdir(parents=True)
    (base / "config" / "settings.toml").write_text(f'listen = ["{LOOPBACK}"]\ndevice = "cpu"\n')
    with running_hub({MODEL: model_in_parts()}) as hub:
        go_online(monkeypatch, hub, tmp_path)
        hub.stops_at[EMBEDDINGS] = 3 * MIB
        with running_engine(base) as (program, engine):
            assert engine.post("/api/downloads", json={"model": MODEL}).status_code == 200
            hub.wait_until_stopped()
            once(engine, lambda download: download["done_bytes"] >= 3 * MIB)
            program.kill()
        hub.go_on()
        with running_engine(base) as (program, engine):
            done = once(engine, lambda download: download["state"] != "downloading")
            assert (done["model"], done["state"]) == (MODEL, "done")
            assert done["done_bytes"] == done["total_bytes"]
        with running_engine(base) as (program, engine):
            assert engine.get("/api/downloads").json() == []
        files = hub.models[MODEL].files
        whole_bytes = len(files[EMBEDDINGS])
        assert hub.sent_of(EMBEDDINGS) == [(0, 3 * MIB), (3 * MIB, whole_bytes - 3 * MIB)]
        for name in set(NEEDED) - {EMBEDDINGS}:
            assert hub.sent_of(name) == [(0, len(files[name]))], name


def test_an_engine_is_there_while_the_one_file_of_its_model_is_still_coming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_nonsense_model(tmp_path / "meadow-nonsense")
    base = tmp_path / "engine"
    (base / "config").mkdir(parents=True)
    (base / "config" / "settings.toml").write_text(f'listen = ["{LOOPBACK}"]\ndevice = "cpu"\nmodel = "{REPOSITORY}"\n')
    with running_hub({REPOSITORY: HubModel({file.name: file.read_bytes() for file in model.iterdir()})}) as hub:
        go_online(monkeypatch, hub, tmp_path)
        hub.stops_at[WEIGHTS] = MIB
        with running_engine(base) as (_program, engine):
            assert hub.sent_of(WEIGHTS), "what the model is known by"
            assert engine.get("/api/status").json()["model"] == "meadow-nonsense"
            assert engine.post("/api/downloads", json={"model": REPOSITORY}).status_code == 200
            hub.wait_until_stopped()
            assert once(engine, lambda download: download["done_bytes"] >= MIB)["state"] == "downloading"
            hub.go_on()
            assert once(engine, lambda download: download["state"] != "downloading")["state"] == "done"


def once(engine: httpx.Client, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The one download, once this is so."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        [found] = engine.get("/api/downloads").json()
        if is_so(found):
            return dict(found)
        time.sleep(0.05)
    raise AssertionError(found)
