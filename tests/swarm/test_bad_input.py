"""Whatever a person types wrong, a command says one sentence and what to do, and ends with the right code."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from fakes.models import write_tiny_model
from fakes.processes import LOOPBACK, Swarm, run_meadow, running_meadow, wait_until
from meadow_client.identity import new_identity

FAILED, USAGE = 1, 2


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_model(Path(tmp_path_factory.mktemp("tiny")) / "tiny-llama", "llama"))


def expect(arguments: list[str], code: int, *words: str) -> None:
    """The command fails with this code, on stderr only, in few lines that hold these words."""
    done = run_meadow(*arguments)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    said = [line for line in done.stderr.splitlines() if " INFO " not in line and " WARNING " not in line]
    assert 1 <= len(said) <= 3, done.stderr
    for word in words:
        assert word in done.stderr


def test_no_such_model_folder(tmp_path: Path) -> None:
    expect(["serve", str(tmp_path / "nowhere"), "--layers", "0:1"], FAILED, "nowhere", "There is no folder")


def test_a_folder_without_config(tmp_path: Path) -> None:
    expect(["serve", str(tmp_path), "--layers", "0:1"], FAILED, "no config.json")


def test_a_config_that_is_not_json(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    expect(["serve", str(tmp_path)], FAILED, "not valid JSON")


def test_a_config_without_weights(tmp_path: Path, tiny: str) -> None:
    (tmp_path / "config.json").write_text((Path(tiny) / "config.json").read_text())
    expect(["serve", str(tmp_path), "--layers", "0:1", "--listen", LOOPBACK], FAILED, "weights", "cannot be read")


def test_truncated_weights(tmp_path: Path, tiny: str) -> None:
    (tmp_path / "config.json").write_text((Path(tiny) / "config.json").read_text())
    (tmp_path / "model.safetensors").write_bytes((Path(tiny) / "model.safetensors").read_bytes()[:5000])
    expect(["serve", str(tmp_path), "--layers", "0:1", "--listen", LOOPBACK], FAILED, "weights", "cannot be read")


@pytest.mark.parametrize("layers", ["4:9", "3:3", "5:2"])
def test_layers_out_of_range_or_empty(tiny: str, layers: str) -> None:
    expect(["serve", tiny, "--layers", layers], USAGE, layers, "6 layers", "--layers A:B")


def test_layers_that_are_no_range(tiny: str) -> None:
    expect(["serve", tiny, "--layers", "first"], USAGE, "first", "A:B")


@pytest.mark.parametrize(
    "address", ["nonsense", "/ip4/127.0.0.1/tcp/99999/p2p/x", "meadow://join", "/ip4/1.2.3.4/tcp/1"]
)
def test_a_malformed_address(tiny: str, address: str) -> None:
    expect(["serve", tiny, "--layers", "0:1", "--join", address], USAGE, address, "meadow://")


def test_an_address_where_nobody_answers(tiny: str) -> None:
    address = f"/ip4/127.0.0.1/tcp/1/p2p/{new_identity().peer}"
    expect(
        ["serve", tiny, "--layers", "0:1", "--listen", LOOPBACK, "--join", address], FAILED, "Nobody answers", "network"
    )


def test_a_port_that_is_taken(tiny: str, demo_swarm: Swarm) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        listen = f"/ip4/127.0.0.1/tcp/{port}"
        expect(["serve", tiny, "--layers", "0:1", "--listen", listen], FAILED, str(port), "another port")
        gateway = [
            "gateway",
            str(demo_swarm.model),
            "--join",
            demo_swarm.address,
            "--api-key",
            "k",
            "--port",
            str(port),
        ]
        expect(gateway, FAILED, str(port), "another port")


def test_a_device_that_is_not_there(tiny: str) -> None:
    expect(
        ["serve", tiny, "--layers", "0:1", "--device", "cuda:7", "--listen", LOOPBACK], FAILED, "cuda:7", "--device cpu"
    )


def test_a_chat_without_a_swarm(tiny: str) -> None:
    expect(["chat", tiny, "--prompt", "Hello"], USAGE, "--join")


def test_a_model_without_tokenizer_cannot_chat(tiny: str, demo_swarm: Swarm) -> None:
    expect(["chat", tiny, "--prompt", "Hello", "--join", demo_swarm.address], FAILED, "no tokenizer")


def test_an_unknown_command_and_no_engine(tmp_path: Path) -> None:
    assert run_meadow("fly").returncode == USAGE
    expect(["status", "--base-dir", str(tmp_path)], FAILED, "No engine of Meadow runs", "meadow --no-gui")


def test_settings_with_several_problems_name_all_of_them(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "settings.toml").write_text('port = 99999\nmodell = "x"\n')
    with running_meadow("--no-gui", "--base-dir", str(tmp_path)) as engine:  # they do not keep it from starting
        wait_until(lambda: "port" in engine.log() and "modell" in engine.log(), what="the list of problems")
        assert "Traceback" not in engine.log()


def test_the_doctor_says_what_it_found(tmp_path: Path) -> None:
    done = run_meadow("doctor", "--json", "--base-dir", str(tmp_path))
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert checks["Bundled model"]["ok"]
    assert checks["Network part"]["ok"]
