"""engine.log grows to its limit and not beyond, and its troubles are not the engine's."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from meadow_client.errors import MeadowError
from meadow_engine.log_files import cross_out, logging_to, pipe_to

log = logging.getLogger("meadow_engine.test_log_files")

# Logs as the command line does, into the file that it is given; what it says on stderr is what a person sees.
PROGRAM = """
import logging, pathlib, sys
from meadow_engine.cli.console import set_up_logging
from meadow_engine.log_files import logging_to
set_up_logging()
with logging_to(pathlib.Path(sys.argv[1]), file_bytes=int(sys.argv[2])):
    for number in range(int(sys.argv[3])):
        logging.getLogger("meadow_engine").info("line %d", number)
    print("last words", file=sys.stderr)
"""


def run_program(path: Path, lines: int, file_bytes: int = 2_000_000, stderr: int = subprocess.PIPE) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), str(file_bytes), str(lines)],
        stderr=stderr,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stderr or ""


@pytest.fixture
def errors() -> Iterator[tuple[int, int]]:
    """A stand-in for stderr: what to read, and what to write into."""
    reading, writing = os.pipe()
    yield reading, writing
    os.close(writing)
    os.close(reading)


def test_lines_reach_the_file_with_date_level_and_logger(tmp_path: Path) -> None:
    with logging_to(tmp_path / "logs" / "engine.log"):
        log.warning("The card is hot")
    line = (tmp_path / "logs" / "engine.log").read_text()
    # hivemind, once it is imported, calls warnings WARN in the whole process.
    assert re.fullmatch(r".+ WARN(ING)? meadow_engine\.test_log_files: The card is hot\n", line)
    assert line[:2] == "20"


def test_full_files_are_exchanged_and_the_oldest_goes(tmp_path: Path) -> None:
    with logging_to(tmp_path / "engine.log", file_bytes=2000):
        for number in range(400):
            log.warning("line %d", number)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["engine.log", "engine.log.1", "engine.log.2", "engine.log.3", "engine.log.4"]
    assert all(path.stat().st_size <= 2000 for path in tmp_path.iterdir())
    assert "line 399\n" in (tmp_path / "engine.log").read_text()


def test_after_the_block_nothing_is_written_any_more(tmp_path: Path) -> None:
    with logging_to(tmp_path / "engine.log"):
        log.warning("inside")
    log.warning("outside")
    assert "outside" not in (tmp_path / "engine.log").read_text()


def test_a_folder_that_cannot_be_made_costs_the_lines_and_is_told_once(tmp_path: Path, errors: tuple[int, int]) -> None:
    (tmp_path / "logs").write_text("a file where the folder would be")
    with logging_to(tmp_path / "logs" / "engine.log", stderr=errors[1]):
        log.warning("one")
        log.warning("two")
    told = os.read(errors[0], 10_000).decode()
    assert told.count("\n") == 1
    assert "engine.log cannot be written" in told
    assert told.endswith("Meadow goes on without it.\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full disk to try")
def test_after_a_full_disk_the_file_goes_on(tmp_path: Path, errors: tuple[int, int]) -> None:
    path = tmp_path / "engine.log"
    path.symlink_to("/dev/full")
    with logging_to(path, stderr=errors[1]):
        log.warning("lost")
        log.warning("lost, too")
        path.unlink()
        log.warning("there is room again")
    assert path.read_text().endswith("there is room again\n")
    assert os.read(errors[0], 10_000).decode().count("No space left on device") == 1


def test_a_file_that_cannot_be_exchanged_costs_the_lines_only(tmp_path: Path, errors: tuple[int, int]) -> None:
    (tmp_path / "engine.log.4").mkdir()  # where the oldest file would go
    with logging_to(tmp_path / "engine.log", stderr=errors[1], file_bytes=200):
        for number in range(20):
            log.warning("line %d", number)
    assert "line 0\n" in (tmp_path / "engine.log.3").read_text()
    assert "line 19\n" not in (tmp_path / "engine.log").read_text()
    assert (tmp_path / "engine.log").stat().st_size <= 200
    assert os.read(errors[0], 10_000).decode().count("\n") == 1


def test_on_a_terminal_lines_are_shown_and_kept(tmp_path: Path) -> None:
    shown = run_program(tmp_path / "engine.log", lines=3)
    assert shown.count("INFO meadow_engine: line 2\n") == 1
    assert (tmp_path / "engine.log").read_text().count("INFO meadow_engine: line 2\n") == 1


def test_where_stderr_is_the_file_already_every_line_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    with path.open("ab") as file:
        run_program(path, lines=3, stderr=file.fileno())
    assert path.read_text().count("line 1\n") == 1
    assert path.read_text().endswith("last words\n")


def test_where_stderr_is_the_file_it_goes_along_to_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    with path.open("ab") as file:
        run_program(path, lines=50, file_bytes=1000, stderr=file.fileno())
    assert path.read_text().endswith("last words\n")
    assert path.stat().st_size <= 1000 + len("last words\n")
    assert "last words" not in (tmp_path / "engine.log.1").read_text()


def test_why_the_engine_ended_stands_in_the_file(tmp_path: Path) -> None:
    with pytest.raises(MeadowError), logging_to(tmp_path / "engine.log"):
        raise MeadowError("Nobody answers at /ip4/192.0.2.7/tcp/4/p2p/12D3KooWother")
    assert (tmp_path / "engine.log").read_text().endswith("Meadow ends: Nobody answers at [address]\n")


def test_a_defect_that_ends_the_engine_stands_there_with_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(KeyError), logging_to(tmp_path / "engine.log"):
        raise KeyError("layers")
    text = (tmp_path / "engine.log").read_text()
    assert "Meadow ends because of a defect\nTraceback" in text
    assert text.endswith("KeyError: 'layers'\n")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("lost /ip4/198.51.100.4/tcp/31337/p2p/12D3KooWother.", "lost [address]"),
        ("at ['/ip6/2001:db8::1/tcp/1', '/dns4/home.example/tcp/2']", "at ['[address]', '[address]']"),
        ("open meadow://join?peer=/ip4/192.0.2.7 now", "open [address] now"),
        ("Connect call failed ('192.0.2.7', 4711)", "Connect call failed ('[address]', 4711)"),
        ("192.0.2.7:4711 and 2001:db8::7 fell silent", "[address] and [address] fell silent"),
        ("[fe80::1]:80 fell silent", "[[address]]:80 fell silent"),
        ("listens at /ip4/127.0.0.1/tcp/8 and 127.0.0.1:9, http://[::1]:10", None),
        ("at 12:34:56 layers 0:4 of std::vector, 1.5.2, took 3:04:05", None),
    ],
)
def test_addresses_of_other_computers_are_crossed_out(said: str, kept: str | None) -> None:
    assert cross_out(said) == (said if kept is None else kept)


def hear(child: str, caplog: pytest.LogCaptureFixture) -> list[tuple[str, int, str]]:
    """What is logged of a child process that runs this code."""
    caplog.set_level(logging.DEBUG, "meadow_engine.host")
    before = set(threading.enumerate())
    with pipe_to(logging.getLogger("meadow_engine.host")) as stderr:
        readers = set(threading.enumerate()) - before
        process = subprocess.Popen([sys.executable, "-c", child], stderr=stderr)
    assert process.wait(30) == 0
    for reader in readers:
        reader.join(10)
        assert not reader.is_alive()
    return caplog.record_tuples


def test_what_a_child_logs_keeps_its_level(caplog: pytest.LogCaptureFixture) -> None:
    child = r"""
import sys
sys.stderr.write("12:00:01 WARNING meadow_engine.hosting: It is hot\n")
sys.stderr.write("Traceback:\n  in a file\n\n")
sys.stderr.write("12:00:02 INFO meadow_engine.hosting: Gone\nunfinished")
"""
    assert hear(child, caplog) == [
        ("meadow_engine.host", logging.WARNING, "meadow_engine.hosting: It is hot"),
        ("meadow_engine.host", logging.WARNING, "Traceback:"),
        ("meadow_engine.host", logging.WARNING, "  in a file"),
        ("meadow_engine.host", logging.INFO, "meadow_engine.hosting: Gone"),
        ("meadow_engine.host", logging.INFO, "unfinished"),
    ]


def test_a_child_that_writes_no_lines_fills_no_memory(caplog: pytest.LogCaptureFixture) -> None:
    heard = hear("import sys; sys.stderr.buffer.write(b'\\xff' * 300_000)", caplog)
    assert "".join(text for _, _, text in heard) == "\N{REPLACEMENT CHARACTER}" * 300_000
    assert max(len(text) for _, _, text in heard) <= 70_000
