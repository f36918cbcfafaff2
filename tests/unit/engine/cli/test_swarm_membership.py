"""What is typed about swarms reaches the running engine, or the kept list; the answer says when it counts."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from meadow_client.identity import new_identity
from meadow_client.invitation import write_invitation
from meadow_engine.api.places import RunningEngine, find_places, write_private
from meadow_engine.api.swarms import SwarmEntry, SwarmsOverview
from meadow_engine.cli import main as main_module
from meadow_engine.cli import swarm_membership
from meadow_engine.cli.main import main
from meadow_engine.cli.swarm_membership import describe

LINK = write_invitation([f"/ip4/192.0.2.7/tcp/31337/p2p/{new_identity().peer}"])
DEFAULT = SwarmEntry(name="default", is_default=True, is_in_use=False, is_own=False, invitation="", computers=1)
FRIENDS = SwarmEntry(name="friends", is_default=False, is_in_use=True, is_own=True, invitation=LINK, computers=None)
KNOWN = SwarmsOverview(swarms=[DEFAULT, FRIENDS], needs_restart=True)

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main_module, "set_up_logging", lambda **_: None)


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[list[tuple[str, Any]]]:
    """What an engine is asked; it answers everything with `KNOWN`."""
    noted: list[tuple[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            noted.append((self.path, None))
            self._reply()

        def do_POST(self) -> None:
            noted.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self._reply()

        def _reply(self) -> None:
            body = KNOWN.model_dump_json().encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing on stderr."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    running = RunningEngine(pid=7, url=f"http://127.0.0.1:{server.server_port}", token="token", version="0.1")
    write_private(find_places(tmp_path).engine_file, running.model_dump_json())
    yield noted
    server.shutdown()
    thread.join()
    server.server_close()


RESTART: tuple[str, Any] = ("/api/restart", {})


@pytest.mark.parametrize(
    ("typed", "asked_first", "said"),
    [
        (["new"], ("/api/swarms/new", {"name": None}), f"{LINK}\n"),
        (["new", "--name", "friends"], ("/api/swarms/new", {"name": "friends"}), f"{LINK}\n"),
        (
            ["join", LINK, "--name", "friends"],
            ("/api/swarms/join", {"invitation": LINK, "name": "friends"}),
            "This computer uses friends from now on.\n",
        ),
        (["use", "friends"], ("/api/swarms/use", {"name": "friends"}), "This computer uses friends from now on.\n"),
        (
            ["leave", "others"],
            ("/api/swarms/leave", {"name": "others"}),
            "others is forgotten. This computer uses friends.\n",
        ),
    ],
)
def test_what_is_typed_is_asked_of_the_engine_which_then_starts_again(
    asked: list[Any], tmp_path: Path, capsys: Captured, typed: list[str], asked_first: Any, said: str
) -> None:
    assert main(["swarm", *typed, "--base-dir", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert (asked, shown.out) == ([asked_first, RESTART], said)
    assert "The engine starts again now, in this swarm." in shown.err


@pytest.mark.parametrize("typed", [["new"], ["join", LINK], ["leave", "x"]])
def test_it_can_wait_for_the_next_start(asked: list[Any], tmp_path: Path, capsys: Captured, typed: list[str]) -> None:
    assert main(["swarm", *typed, "--later", "--base-dir", str(tmp_path)]) == 0
    assert RESTART not in asked
    assert "stays in the swarm where it is until it is started again" in capsys.readouterr().err


def test_looking_at_the_list_changes_nothing(asked: list[Any], tmp_path: Path, capsys: Captured) -> None:
    assert main(["swarm", "list", "--base-dir", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert (asked, shown.out) == ([("/api/swarms", None)], describe(KNOWN) + "\n")
    assert "stays in the swarm where it is until it is started again" in shown.err


@pytest.mark.parametrize("typed", [["new"], ["join", LINK], ["leave", "x"], ["list"]])
def test_programs_get_everything_as_json(asked: list[Any], tmp_path: Path, capsys: Captured, typed: list[str]) -> None:
    assert main(["swarm", *typed, "--json", "--base-dir", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert (SwarmsOverview.model_validate_json(shown.out), shown.err) == (KNOWN, "")


def test_a_new_link_comes_with_the_word_that_whoever_has_it_can_join(
    asked: list[Any], tmp_path: Path, capsys: Captured
) -> None:
    main(["swarm", "new", "--base-dir", str(tmp_path)])
    assert "There is no password: whoever has this link" in capsys.readouterr().err


@pytest.mark.parametrize("link", ["hello", "meadow://join", "192.0.2.7:31337"])
def test_what_is_no_link_is_asked_of_nobody(asked: list[Any], tmp_path: Path, capsys: Captured, link: str) -> None:
    assert main(["swarm", "join", link, "--base-dir", str(tmp_path)]) == 2
    shown = capsys.readouterr().err.splitlines()
    assert (asked, len(shown)) == ([], 2)
    assert "meadow:// invitation" in shown[1]


@pytest.mark.parametrize("name", ["", "a/b", "..", "x" * 41])
def test_a_name_that_cannot_be_one_is_asked_of_nobody(
    asked: list[Any], tmp_path: Path, capsys: Captured, name: str
) -> None:
    assert main(["swarm", "new", "--name", name, "--base-dir", str(tmp_path)]) == 2
    assert "cannot be the name of a swarm" in capsys.readouterr().err
    assert asked == []


def test_without_an_engine_the_list_is_kept_all_the_same(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reach(_addresses: object) -> None:
        """Everybody answers."""

    monkeypatch.setattr("meadow_engine.swarms.reach_somebody", reach)
    base = ["--base-dir", str(tmp_path)]
    assert main(["swarm", "join", LINK, "--name", "friends", *base]) == 0
    assert capsys.readouterr() == ("This computer uses friends from now on.\n", "")
    assert main(["swarm", "list", *base]) == 0
    assert capsys.readouterr().out.splitlines() == ["  default  as the settings say", "* friends", f"           {LINK}"]
    assert main(["swarm", "leave", "friends", *base]) == 0
    assert capsys.readouterr() == ("friends is forgotten. This computer uses default.\n", "")


def test_without_an_engine_a_new_swarm_has_no_address(tmp_path: Path, capsys: Captured) -> None:
    assert main(["swarm", "new", "--base-dir", str(tmp_path)]) == 1
    shown = capsys.readouterr()
    assert (shown.out, shown.err.splitlines()[1]) == (
        "",
        "Start Meadow (`meadow` or `meadow --no-gui`) and try again.",
    )


def test_a_variable_that_names_the_swarm_is_named(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEADOW_INITIAL_PEERS", LINK)
    assert main(["swarm", "leave", "friends", "--base-dir", str(tmp_path)]) == 2
    assert "The swarm is fixed by MEADOW_INITIAL_PEERS" in capsys.readouterr().err


def test_the_list_shows_the_one_in_use_who_began_it_and_how_many_are_there() -> None:
    assert swarm_membership.describe(KNOWN).splitlines() == [
        "  default  as the settings say, 1 other computer connected now",
        "* friends  begun by this computer",
        f"           {LINK}",
    ]
