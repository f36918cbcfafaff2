"""What is typed to pause and resume reaches the running engine, and its answer is one line for people."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from fakes.engine_status import STATUS as EXAMPLE
from meadow_engine.api.errors import Problem
from meadow_engine.api.places import RunningEngine, find_places, write_private
from meadow_engine.api.status import EngineStatus, SharingState
from meadow_engine.cli import main as main_module
from meadow_engine.cli.main import main
from meadow_engine.cli.status import describe_sharing

STATUS = EXAMPLE.model_copy(
    update={"sharing": "paused", "sharing_detail": "You paused sharing for a while.", "may_begin_s": 1799.87}
)

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main_module, "set_up_logging", lambda **_: None)


class FakeApi:
    """An engine's HTTP server that answers every command in the same way."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.code = 200
        self.reply = STATUS.model_dump_json()
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.headers["Authorization"] == "Bearer token of the tests"
                api.asked.append((self.path, json.loads(body)))
                reply = api.reply.encode()
                self.send_response(api.code)
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_: Any) -> None:
                """Nothing on stderr."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[FakeApi]:
    fake = FakeApi()
    thread = threading.Thread(target=fake.server.serve_forever, args=(0.01,))
    thread.start()
    url = f"http://127.0.0.1:{fake.server.server_port}"
    running = RunningEngine(pid=7, url=url, token="token of the tests", version="0.1")
    write_private(find_places(tmp_path).engine_file, running.model_dump_json())
    yield fake
    fake.server.shutdown()
    thread.join()
    fake.server.server_close()


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        (["pause"], ("/api/pause", {"length": "resumed"})),
        (["pause", "30m"], ("/api/pause", {"length": "30m"})),
        (["pause", "1h"], ("/api/pause", {"length": "1h"})),
        (["pause", "4h"], ("/api/pause", {"length": "4h"})),
        (["pause", "restart"], ("/api/pause", {"length": "restart"})),
        (["resume"], ("/api/resume", {})),
        (["drain"], ("/api/drain", {})),
    ],
)
def test_what_is_typed_is_asked_of_the_engine(
    api: FakeApi, tmp_path: Path, capsys: Captured, typed: list[str], asked: tuple[str, Any]
) -> None:
    assert main([*typed, "--base-dir", str(tmp_path)]) == 0
    assert api.asked == [asked]
    assert capsys.readouterr().out == "paused — You paused sharing for a while. It may begin in 30 minutes.\n"


def test_programs_get_the_whole_status(api: FakeApi, tmp_path: Path, capsys: Captured) -> None:
    assert main(["pause", "1h", "--json", "--base-dir", str(tmp_path)]) == 0
    assert EngineStatus.model_validate_json(capsys.readouterr().out) == STATUS


@pytest.mark.parametrize("typed", [["pause", "2h"], ["pause", "1h", "4h"], ["resume", "now"], ["drain", "1h"]])
def test_what_cannot_be_meant_is_asked_of_nobody(api: FakeApi, tmp_path: Path, typed: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*typed, "--base-dir", str(tmp_path)])
    assert (caught.value.code, api.asked) == (2, [])


def test_flags_of_the_engine_do_not_go_with_a_pause(api: FakeApi, tmp_path: Path, capsys: Captured) -> None:
    assert main(["--idle-s", "60", "pause", "1h", "--base-dir", str(tmp_path)]) == 2
    assert "do not go with `meadow pause`" in capsys.readouterr().err
    assert api.asked == []


def test_a_refusal_is_shown_with_its_advice(api: FakeApi, tmp_path: Path, capsys: Captured) -> None:
    api.code = 500
    api.reply = Problem(code="failed", message="The disk is full.", advice="Make room.").model_dump_json()
    assert main(["pause", "--base-dir", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "meadow: The disk is full.\nMake room.\n"


@pytest.mark.parametrize("typed", [["pause", "1h"], ["resume"], ["drain"]])
def test_without_an_engine_there_is_nothing_to_pause(tmp_path: Path, capsys: Captured, typed: list[str]) -> None:
    assert main([*typed, "--base-dir", str(tmp_path)]) == 1
    assert "No engine of Meadow runs here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sharing", "detail", "may_begin_s", "line"),
    [
        ("sharing", "Holding layers 0–3 of demo", None, "sharing — Holding layers 0–3 of demo"),
        ("waiting", "A window fills the screen.", None, "waiting — A window fills the screen."),
        ("waiting", "Quiet.", 0.4, "waiting — Quiet. It may begin in 1 second."),
        ("waiting", "Quiet.", 59.2, "waiting — Quiet. It may begin in 1 minute."),
        ("waiting", "Quiet.", 90.0, "waiting — Quiet. It may begin in 90 seconds."),
        ("waiting", "Quiet.", 90.1, "waiting — Quiet. It may begin in 2 minutes."),
        ("paused", "You paused.", 14399.99, "paused — You paused. It may begin in 4 hours."),
    ],
)
def test_when_it_may_begin_is_said_in_words_and_never_too_early(
    sharing: SharingState, detail: str, may_begin_s: float | None, line: str
) -> None:
    update = {"sharing": sharing, "sharing_detail": detail, "may_begin_s": may_begin_s}
    assert describe_sharing(STATUS.model_copy(update=update)) == line
