"""The real engine on a full disk, in folders that cannot be written, and with files that are damaged.

Either it goes on and says so in its log, or it ends with one sentence and advice; what a person has is never lost.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fakes.processes import LOOPBACK, environment, is_gone, run_meadow, wait_until
from fakes.small_disk import SmallDisk, small_disk
from fakes.volunteer import Volunteer, running_volunteer

DONE, FAILED = 0, 1


def refusal(base: Path) -> str:
    """What the engine says when it does not start in this folder: one sentence and one piece of advice."""
    done = run_meadow("--no-gui", "--base-dir", str(base), "--listen", LOOPBACK, timeout_s=60)
    assert done.returncode == FAILED, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    said = done.stderr.splitlines()
    sentence = next(line for line in said if line.startswith("meadow: ") and "goes on without it" not in line)
    assert said[said.index(sentence) + 1 :] != [], done.stderr
    return sentence


def start_and_end(base: Path) -> str:
    """The log of an engine that starts there, answers, and ends well."""
    with running_volunteer(base, "", initial_peers=[], share=False) as engine:
        assert engine.status().sharing == "off"
        assert engine.program.end() == DONE
        return engine.program.log()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as mounted:
        yield mounted


HINDRANCES = [("fill", "No space left on device"), ("forbid", "Read-only file system")]


@pytest.mark.root
@pytest.mark.parametrize(("hinder", "words"), HINDRANCES)
def test_a_first_start_that_can_write_nothing_ends_with_a_sentence_and_leaves_nothing_half(
    disk: SmallDisk, hinder: str, words: str
) -> None:
    base = disk.folder / "meadow"
    getattr(disk, hinder)()
    assert words in refusal(base)
    left = [path for path in base.rglob("*") if path.is_file() and path.suffix not in (".log", ".lock")]
    assert left == []
    disk.allow()
    start_and_end(base)


@pytest.mark.root
@pytest.mark.parametrize(("hinder", "words"), HINDRANCES)
def test_an_engine_that_can_write_no_more_goes_on_and_keeps_what_was_written(
    disk: SmallDisk, hinder: str, words: str
) -> None:
    base = disk.folder / "meadow"
    with running_volunteer(base, "", initial_peers=[], share=False) as engine:
        before = {path: path.read_bytes() for path in base.rglob("*") if path.is_file() and path.suffix != ".log"}
        getattr(disk, hinder)()
        reply = engine.ask("PATCH", "/api/settings", {"values": {"port": 4712}})
        assert reply.status_code >= 400
        assert reply.json()["code"] == "settings-unwritable"
        assert words in reply.json()["message"]
        assert reply.json()["advice"]
        assert engine.ask("POST", "/api/pause", {"length": "1h"}).json()["sharing"] in ("off", "paused")
        assert engine.status().pid == engine.program.process.pid
        complaint = "The pause cannot be kept over a restart"
        wait_until(lambda: complaint in engine.program.log(), what="a complaint in the log")
        assert {path: path.read_bytes() for path in before} == before
        assert engine.program.end() == DONE
        assert "Traceback" not in engine.program.log()
    disk.allow()
    start_and_end(base)


def test_a_place_where_no_folder_can_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    assert str(tmp_path / "file") in refusal(tmp_path / "file" / "meadow")


def test_an_identity_that_is_damaged_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    identity = tmp_path / "data" / "identity"
    identity.parent.mkdir()
    identity.write_bytes(b"\x08\x01\x12\x40 half of a key")
    assert f"{identity} is not an identity file of Meadow" in refusal(tmp_path)
    assert identity.read_bytes() == b"\x08\x01\x12\x40 half of a key"


def test_the_hosts_identity_that_is_damaged_ends_sharing_only(tmp_path: Path) -> None:
    identity = tmp_path / "data" / "host-identity"
    identity.parent.mkdir()
    identity.write_bytes(b"")
    with running_volunteer(tmp_path, "", initial_peers=[]) as engine:
        engine.until("failed")
        assert f"{identity} is not an identity file of Meadow. Move it away; " in engine.status().sharing_detail
        identity.rename(tmp_path / "elsewhere")
        engine.ask("POST", "/api/resume")
        engine.until("sharing")


def test_a_key_nobody_can_send_is_set_aside_and_another_one_made(tmp_path: Path) -> None:
    key = tmp_path / "config" / "api-key"
    key.parent.mkdir()
    key.write_bytes(b"\xff\x00half a key")
    log = start_and_end(tmp_path)
    assert "api-key holds no API key" in log
    assert "Traceback" not in log
    assert len(key.read_text().strip()) >= 40
    assert key.with_name("api-key.broken").read_bytes() == b"\xff\x00half a key"
    again = key.read_text()
    start_and_end(tmp_path)
    assert key.read_text() == again


def test_counts_that_cannot_be_read_and_the_word_of_a_dead_engine_keep_no_engine_from_starting(tmp_path: Path) -> None:
    dead = {"pid": 2**22 + 1, "url": "http://127.0.0.1:9", "token": "of-a-dead-engine", "version": "0"}
    for name, text in {"data/volume.json": '{"month": "20', "run/engine.json": json.dumps(dead)}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    status = run_meadow("status", "--base-dir", str(tmp_path))
    assert (status.returncode, status.stdout) == (FAILED, "")
    assert status.stderr == ("meadow: No engine of Meadow runs here.\nStart one with `meadow` or `meadow --no-gui`.\n")
    log = start_and_end(tmp_path)
    assert "volume.json cannot be read; this month's volume is counted from 0" in log


def test_an_engine_whose_p2pds_are_killed_goes_on_at_the_same_address(tmp_path: Path) -> None:
    with running_volunteer(tmp_path, "", initial_peers=[], layers="") as engine:
        engine.until("sharing")
        before, host = engine.status(), engine.host()
        killed = p2pds(engine)
        assert len(killed) == 2
        for process in killed:
            process.kill()
        wait_until(lambda: len(p2pds(engine) - killed) == 2, 10, "another p2pd for engine and host")
        after = engine.status()
        assert (after.sharing, after.peer, after.address) == ("sharing", before.peer, before.address)
        assert engine.host() == host
        question = {"model": before.model, "messages": [{"role": "user", "content": "What is Meadow?"}]}
        answer = engine.ask("POST", "/v1/chat/completions", question).json()
        assert "Meadow" in answer["choices"][0]["message"]["content"]
        assert engine.program.end() == DONE
        assert "Traceback" not in engine.program.log()


def p2pds(engine: Volunteer) -> set[psutil.Process]:
    return {process for process in engine.family() if process.name() == "p2pd" and not is_gone(process)}


def test_nothing_is_left_of_a_sharing_engine_when_what_started_it_is_killed(tmp_path: Path) -> None:
    """As the tray starts it: the end of the tray's pipe is the end of the engine."""
    tray = (
        "import subprocess, sys, time\n"
        "engine = subprocess.Popen([sys.executable, '-m', 'meadow_engine', *sys.argv[1:]], stdin=subprocess.PIPE)\n"
        "time.sleep(600)"
    )
    with running_volunteer(tmp_path, "", initial_peers=[]) as first:  # which writes the settings
        assert first.program.end() == DONE
    arguments = [sys.executable, "-c", tray, "--no-gui", "--tethered", "--base-dir", str(tmp_path)]
    with subprocess.Popen(arguments, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["command"] == "engine"
            wait_until(lambda: len(psutil.Process(process.pid).children(recursive=True)) == 4, 60, "the host's p2pd")
            family = psutil.Process(process.pid).children(recursive=True)
        finally:
            os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: all(is_gone(member) for member in family), 15, "the end of the engine and all it started")
    assert not (tmp_path / "run" / "engine.json").exists()
