"""Engines as processes: what they consist of, how they end, how they are told apart."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import psutil
import pytest

from fakes.processes import Program, Swarm, run_meadow, running_meadow, start_meadow, wait_until
from meadow_assets import demo_model_path

ALREADY_RUNNING = 3


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, Path]:  # type: ignore[misc]
    base = Path(tmp_path_factory.mktemp("daemon"))
    (base / "config").mkdir()
    settings = '# mine\nlisten = ["/ip4/127.0.0.1/tcp/0"]\ndevice = "cpu"\nmode = "always"\nforeign_cpu_percent = 100\n'
    (base / "config" / "settings.toml").write_text(settings)
    with running_meadow("--no-gui", "--base-dir", str(base)) as program:
        yield program, base


def api(base: Path, path: str, body: dict | None = None) -> httpx.Response:
    running = json.loads((base / "run" / "engine.json").read_text())
    headers = {"Authorization": f"Bearer {running['token']}"}
    if body is None:
        return httpx.get(running["url"] + path, headers=headers, timeout=20)
    return httpx.post(running["url"] + path, headers=headers, json=body, timeout=20)


def test_an_engine_is_one_python_process_and_one_p2pd(demo_swarm: Swarm) -> None:
    for engine in demo_swarm.engines:
        children = psutil.Process(engine.process.pid).children(recursive=True)
        assert [child.name() for child in children] == ["p2pd"]


def test_an_engine_that_is_told_to_end_leaves_the_swarm_and_ends_well(demo_swarm: Swarm, tmp_path: Path) -> None:
    arguments = ["serve", str(demo_model_path()), "--layers", "0:1", "--listen", "/ip4/127.0.0.1/tcp/0"]
    with running_meadow(*arguments, "--join", demo_swarm.address) as extra:
        models = json.loads(run_meadow("models", "--join", demo_swarm.address, "--json").stdout)
        assert models[0]["servers"] == 4
        p2pd = psutil.Process(extra.process.pid).children()[0]
        assert extra.end() == 0
    wait_until(lambda: not p2pd.is_running() or p2pd.status() == psutil.STATUS_ZOMBIE, what="p2pd's end")
    models = json.loads(run_meadow("models", "--join", demo_swarm.address, "--json").stdout)
    assert models[0]["servers"] == 3
    assert models[0]["is_complete"]


def test_an_engine_on_a_tether_ends_with_the_program_that_started_it(tmp_path: Path) -> None:
    with running_meadow(
        "bootstrap", "--tethered", "--listen", "/ip4/127.0.0.1/tcp/0", "--base-dir", str(tmp_path)
    ) as program:
        assert program.process.stdin is not None
        program.process.stdin.close()
        program.process.stdin = None
        assert program.process.wait(15) == 0
        assert program.ready["invitation"].startswith("meadow://join?peer=")


def test_a_second_engine_says_that_one_runs(daemon: tuple[Program, Path]) -> None:
    _program, base = daemon
    second = run_meadow("--no-gui", "--base-dir", str(base))
    assert second.returncode == ALREADY_RUNNING
    assert "runs already" in second.stderr


def test_status_and_models_speak_of_the_running_engine(daemon: tuple[Program, Path]) -> None:
    program, base = daemon
    status = json.loads(run_meadow("status", "--json", "--base-dir", str(base)).stdout)
    assert status["peer"] == program.ready["peer"]
    assert status["sharing"] == "off"
    assert "Sharing:" in run_meadow("status", "--base-dir", str(base)).stdout
    assert "meadow-demo: 8 layers" in run_meadow("models", "--base-dir", str(base)).stdout


def test_sharing_is_switched_on_and_off_and_remembered(daemon: tuple[Program, Path]) -> None:
    _program, base = daemon
    assert api(base, "/api/sharing", {"enabled": True}).json()["sharing"] in ("starting", "sharing")
    wait_until(lambda: api(base, "/api/status").json()["sharing"] == "sharing", 30, "sharing")
    assert api(base, "/api/status").json()["span"] == {"start": 0, "end": 8}
    question = {"model": "meadow-demo", "messages": [{"role": "user", "content": "What is Meadow?"}]}
    answer = api(base, "/v1/chat/completions", question).json()
    assert "Meadow" in answer["choices"][0]["message"]["content"]
    settings = base / "config" / "settings.toml"
    assert "share = true" in settings.read_text()
    api(base, "/api/sharing", {"enabled": False})
    wait_until(lambda: api(base, "/api/status").json()["sharing"] == "off", 10, "the end of sharing")
    assert settings.read_text().startswith("# mine")


def test_the_control_api_describes_itself_and_refuses_strangers(daemon: tuple[Program, Path]) -> None:
    _program, base = daemon
    paths = api(base, "/api/openapi.json").json()["paths"]
    assert {"/api/status", "/api/events", "/api/sharing", "/api/models", "/v1/chat/completions"} <= set(paths)
    running = json.loads((base / "run" / "engine.json").read_text())
    assert httpx.get(running["url"] + "/api/status").status_code == 401
    assert (base / "run" / "engine.json").stat().st_mode & 0o777 == 0o600
    assert api(base, "/api/sharing", {"enabled": "perhaps"}).status_code == 400


def test_an_engine_is_ready_soon_after_its_weights_are_read() -> None:
    program = start_meadow(
        "serve", str(demo_model_path()), "--layers", "0:8", "--listen", "/ip4/127.0.0.1/tcp/0", "--verbose"
    )
    try:
        wait_until(lambda: "are loaded in" in program.log(), 60, "loading")
        assert program.process.stdout is not None
        line = program.process.stdout.readline()
        assert json.loads(line)["layers"] == [0, 8]
    finally:
        program.end()
        for pipe in (program.process.stdin, program.process.stdout):
            if pipe is not None:
                pipe.close()
