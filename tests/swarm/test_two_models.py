"""One engine, two models of the swarm: a person, or a program, goes back and forth between them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fakes.nonsense_model import LAYERS, told_alone, write_nonsense_model
from fakes.processes import LOOPBACK, Swarm, running_meadow, serve_arguments, wait_until
from meadow_assets import demo_model_path

TOKENS = 12
QUESTION = [{"role": "user", "content": "What is Meadow?"}]


@pytest.fixture(scope="module")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_nonsense_model(tmp_path_factory.mktemp("models") / "meadow-nonsense")


@pytest.fixture(scope="module")
def engine(demo_swarm: Swarm, other_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An engine that holds nothing, in the swarm of the demo model and of the other one."""
    base = tmp_path_factory.mktemp("engine")
    (base / "config").mkdir()
    settings = f'listen = ["{LOOPBACK}"]\ndevice = "cpu"\ninitial_peers = ["{demo_swarm.address}"]\n'
    settings += 'mode = "always"\nforeign_cpu_percent = 100\nlayers = "0:1"\n'
    (base / "config" / "settings.toml").write_text(settings)
    serving = serve_arguments(other_model, (0, LAYERS), [demo_swarm.address])
    with running_meadow(*serving), running_meadow("--no-gui", "--base-dir", str(base)):
        running = json.loads((base / "run" / "engine.json").read_text())
        headers = {"Authorization": f"Bearer {running['token']}"}
        with httpx.Client(base_url=running["url"], headers=headers, timeout=60) as client:
            yield client


def ask(engine: httpx.Client, model: str) -> httpx.Response:
    body = {"model": model, "messages": QUESTION, "temperature": 0, "max_tokens": TOKENS}
    return engine.post("/v1/chat/completions", json=body)


def text_of(reply: httpx.Response) -> str:
    assert reply.status_code == 200, reply.text
    return str(reply.json()["choices"][0]["message"]["content"])


def test_a_person_chats_with_one_model_and_the_other_and_back(engine: httpx.Client, other_model: Path) -> None:
    ids = [model["id"] for model in engine.get("/v1/models").json()["data"]]
    assert ids == ["meadow-demo", "meadow-nonsense"]

    missing = ask(engine, "meadow-nonsense").json()["error"]
    assert missing["code"] == "model-files-missing"
    assert "setting `models`" in missing["advice"]
    assert engine.patch("/api/settings", json={"values": {"models": [str(other_model)]}}).status_code == 200

    expected = {
        "meadow-demo": told_alone(demo_model_path(), QUESTION, TOKENS),
        "meadow-nonsense": told_alone(other_model, QUESTION, TOKENS),
    }
    assert expected["meadow-demo"] != expected["meadow-nonsense"]
    for model in [*ids, *ids]:
        assert text_of(ask(engine, model)) == expected[model]
    assert text_of(ask(engine, str(other_model))) == expected["meadow-nonsense"]
    assert engine.get(f"/v1/models/{other_model}").json()["id"] == "meadow-nonsense"


def test_a_model_that_is_nowhere_is_not_there(engine: httpx.Client) -> None:
    reply = ask(engine, "meadow-of-nobody")
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "model_not_found")


def test_the_swarm_is_shown_with_both_models(engine: httpx.Client, demo_swarm: Swarm) -> None:
    own, other = engine.get("/api/swarm").json()["models"]
    assert (own["id"], own["coverage"], own["is_complete"], own["missing"]) == ("meadow-demo", [1] * 8, True, [])
    assert [part["name"] for part in own["chain"]] == ["layers-0-3", "layers-3-4", "layers-4-8"]
    assert [server["peer"] for server in own["servers"]] == [engine.ready["peer"] for engine in demo_swarm.engines]
    assert own["tokens_per_second"] > 0
    assert not any(server["is_own"] for server in own["servers"])
    assert (other["id"], other["num_layers"], other["coverage"]) == ("meadow-nonsense", LAYERS, [1] * 3)


def test_what_this_computer_holds_is_shown_as_its_own(engine: httpx.Client, demo_swarm: Swarm) -> None:
    engine.post("/api/sharing", json={"enabled": True})
    wait_until(lambda: engine.get("/api/status").json()["sharing"] == "sharing", 30, "sharing")
    own = engine.get("/api/swarm").json()["models"][0]
    assert own["coverage"] == [2, *[1] * 7]
    [mine] = [server for server in own["servers"] if server["is_own"]]
    assert (mine["start"], mine["end"]) == (0, 1)
    assert mine["peer"] not in {other.ready["peer"] for other in demo_swarm.engines}
    engine.post("/api/sharing", json={"enabled": False})
    wait_until(lambda: engine.get("/api/status").json()["sharing"] == "off", 10, "the end of sharing")
