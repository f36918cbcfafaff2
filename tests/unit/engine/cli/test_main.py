"""What people type is understood, or refused with exit code 2."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from fakes.engine_status import STATUS as EXAMPLE
from meadow_client.errors import MeadowError, UsageError
from meadow_engine.api.places import RunningEngine, find_places, write_private
from meadow_engine.api.status import ModelStatus, Span
from meadow_engine.cli import main as main_module
from meadow_engine.cli import models, status
from meadow_engine.cli.engine_api import NoEngineError, get
from meadow_engine.cli.main import build_parser, main
from meadow_engine.cli.options import model_of, places_of
from meadow_engine.hosting import parse_layers

STATUS = EXAMPLE.model_copy(
    update={
        "uptime_s": 62.4,
        "sharing": "sharing",
        "sharing_detail": "Holding layers 0–3 of demo",
        "span": Span(start=0, end=4),
        "sessions": 2,
        "tokens_served": 300,
        "peers": 1,
    }
)

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main_module, "set_up_logging", lambda **_: None)


@pytest.mark.parametrize(("text", "layers"), [("", None), ("0:4", (0, 4)), ("12:40", (12, 40)), ("4:2", (4, 2))])
def test_layers_are_a_half_open_range(text: str, layers: tuple[int, int] | None) -> None:
    assert parse_layers(text) == layers


@pytest.mark.parametrize("text", ["4", ":", "0:", ":4", "a:b", "0:4:8", "-1:4", "0-4", " 0:4", "1.5:2", "²:4"])
def test_layers_in_another_form_are_refused_with_the_right_one(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_layers(text)
    assert "A:B" in caught.value.advice


@pytest.mark.parametrize(
    "typed",
    [
        ["serve", "demo", "--layers", "0:4", "--join", "a", "--join", "b", "--dtype", "bfloat16"],
        ["serve", "demo", "--listen", "/ip4/0.0.0.0/tcp/0", "--device", "cuda:1", "--quantization", "nf4"],
        ["serve", "demo", "--public-name", "me", "--base-dir", "/tmp/x"],
        ["bootstrap", "--listen", "/ip4/0.0.0.0/tcp/31337"],
        ["chat", "demo", "--join", "a", "--prompt", "Hi", "--system", "Be kind", "--max-new-tokens", "5", "--greedy"],
        ["gateway", "demo", "--join", "a", "--port", "4711", "--api-key", "k"],
        ["chat", "demo", "--draft", "small"],
        ["gateway", "demo", "--draft", "small"],
        ["demo", "--engines", "2", "--no-gui", "--prompt", "What is Meadow?"],
        ["status", "--json"],
        ["models", "--join", "a", "--json"],
        ["swarm", "status", "--join", "a", "--join", "b", "--json"],
        ["swarm", "status", "demo"],
        ["doctor", "--json"],
        ["bench", "decode", "demo", "--join", "a", "--json"],
        ["--no-gui"],
        ["--base-dir", "/tmp/x", "status"],
        [],
    ],
    ids=" ".join,
)
def test_what_the_contract_promises_can_be_typed(typed: list[str]) -> None:
    assert isinstance(build_parser().parse_args(typed), argparse.Namespace)


@pytest.mark.parametrize(
    "typed",
    [
        ["nothing"],
        ["serve"],
        ["serve", "demo", "--dtype", "float8"],
        ["serve", "demo", "--quantization", "int3"],
        ["demo", "--engines", "0"],
        ["chat", "demo", "--max-new-tokens", "0"],
        ["gateway", "demo", "--port", "many"],
        ["status", "--colour"],
        ["swarm"],
        ["swarm", "nothing"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_wrong_usage(typed: list[str], capsys: Captured) -> None:
    with pytest.raises(SystemExit) as caught:
        main(typed)
    assert caught.value.code == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("typed", [["--base-dir", "DIR", "status"], ["status", "--base-dir", "DIR"]], ids=str)
def test_the_base_folder_may_come_before_or_behind_the_command(typed: list[str]) -> None:
    assert places_of(build_parser().parse_args(typed)).data == Path.cwd() / "DIR" / "data"


def test_demo_is_the_bundled_model_unless_there_is_a_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    typed = build_parser().parse_args(["chat", "demo"])
    assert model_of(typed) != "demo"
    (tmp_path / "demo").mkdir()
    assert model_of(typed) == "demo"


def test_without_an_engine_status_says_so_and_how_to_start_one(tmp_path: Path, capsys: Captured) -> None:
    assert main(["status", "--base-dir", str(tmp_path)]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "meadow: No engine of Meadow runs here.\nStart one with `meadow` or `meadow --no-gui`.\n"


def test_an_engine_that_does_not_answer_is_none(tmp_path: Path) -> None:
    places = find_places(tmp_path)
    gone = RunningEngine(pid=7, url="http://127.0.0.1:9", token="t", version="0")
    write_private(places.engine_file, gone.model_dump_json())
    with pytest.raises(NoEngineError):
        get(places, "/api/status")


def test_a_wrong_address_is_wrong_usage(capsys: Captured) -> None:
    assert main(["models", "--join", "hello"]) == 2
    assert "'hello' is not the address of a peer" in capsys.readouterr().err


def test_a_defect_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_arguments: argparse.Namespace) -> int:
        raise KeyError("a defect")

    monkeypatch.setattr(status, "run", fail)
    with pytest.raises(KeyError):
        main(["status"])


def test_expected_failures_in_a_group_are_shown(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def fail(_arguments: argparse.Namespace) -> int:
        raise ExceptionGroup("tasks", [MeadowError("The network failed", "Try again.")])

    monkeypatch.setattr(status, "run", fail)
    assert main(["status"]) == 1
    assert capsys.readouterr().err == "meadow: The network failed.\nTry again.\n"


def test_ctrl_c_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_arguments: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(status, "run", interrupt)
    assert main(["status"]) == 0


def test_the_status_is_a_few_lines_for_people() -> None:
    assert status.describe(STATUS).splitlines() == [
        "Sharing:       sharing — Holding layers 0–3 of demo",
        "Holding:       layers 0–3 of demo",
        "Conversations: 2 now, 300 tokens served",
        "Swarm:         1 peer connected",
        "API:           http://127.0.0.1:4711/v1",
        "Peer:          12D3KooWself (computer)",
        "Running:       version 0.1, process 7, for 62 s",
    ]


def test_an_engine_without_layers_holds_none() -> None:
    text = status.describe(STATUS.model_copy(update={"span": None, "peers": 0}))
    assert "no layers of demo" in text
    assert "0 peers connected" in text


@pytest.mark.parametrize(
    ("coverage", "servers", "line"),
    [
        ([1, 2, 1], 2, "demo: 3 layers, context 512, 2 servers, complete"),
        ([1, 0, 0, 1], 1, "demo: 4 layers, context 512, 1 server, missing layers 1–2"),
        ([0, 1, 0], 1, "demo: 3 layers, context 512, 1 server, missing layers 0 and 2"),
        ([1, 0], 1, "demo: 2 layers, context 512, 1 server, missing layer 1"),
    ],
)
def test_a_model_is_one_line_for_people(coverage: list[int], servers: int, line: str) -> None:
    model = ModelStatus(
        id="demo",
        num_layers=len(coverage),
        coverage=coverage,
        servers=servers,
        context_length=512,
        is_complete=all(coverage),
    )
    assert models.describe(model) == line
