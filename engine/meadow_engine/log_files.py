"""engine.log: what the engine says, kept in a few files that never grow beyond 10 MB together.

    loggers of this process ─┬─► stderr (the terminal, or systemd's journal)
    host's stderr ─► pipe ───┘
                             └─► engine.log, engine.log.1 … engine.log.4

The desktop starts an engine with its stderr added to engine.log. Then the file is the only place that is written, and
stderr goes along when the file is exchanged, so that it holds a crash's last words, too.

Nothing is said about conversations (no prompt, no token, no tensor is ever given to a logger), and addresses of other
computers, which errors of the network carry, are crossed out before a line reaches the file.

A folder that cannot be written and a full disk cost the lines and nothing else; stderr says so once. When there is
room again, the file goes on.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from meadow_client.errors import MeadowError

ENGINE_LOG = "engine.log"
FILE_BYTES = 2_000_000
FILES = 5
_STDERR = 2
_PIECE_BYTES = 64 * 1024
_LINE_BYTES = 4096

# Where somebody is: multiaddresses and invitations, IPv4 addresses, and what may be an IPv6 address.
_ADDRESS = re.compile(
    r"meadow://\S+"
    r"|/(?:ip4|ip6|dns|dns4|dns6|dnsaddr)/[^\s'\",;)\]]+"
    r"|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"
    r"|(?<![\w:.])[0-9a-fA-F:]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*"
)
# This computer's own addresses say nothing about anybody.
_OWN = re.compile(r"(?:/ip[46]/)?(?:127\.\d+\.\d+\.\d+|0\.0\.0\.0|::1?)(?:[:/].*)?")
_CROSSED_OUT = "[address]"

# As `set_up_logging` of the command line writes them: time, level, logger, text. hivemind calls warnings WARN.
_LINE = re.compile(r"^\d\d:\d\d:\d\d (?P<level>DEBUG|INFO|WARN(ING)?|ERROR|CRITICAL) (?P<text>.*)$", re.DOTALL)


class LogFile(RotatingFileHandler):
    """Writes to a file, and to the next one when it is full. Create one with `logging_to`."""

    def __init__(self, path: Path, stderr: int, file_bytes: int) -> None:
        super().__init__(path, maxBytes=file_bytes, backupCount=FILES - 1, encoding="utf-8", delay=True)
        self._path = path
        self._stderr = stderr
        self._has_complained = False
        self.is_stderr = _is_same_file(path, stderr)
        self.setFormatter(_Discreet("%(asctime)s %(levelname)s %(name)s: %(message)s"))

    def _open(self) -> TextIOWrapper:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        stream = super()._open()
        if self.is_stderr:
            os.dup2(stream.fileno(), self._stderr)
        return stream

    def add_last_words(self, error: Exception) -> None:
        """Write down why the program ends; it is shown on stderr by others."""
        trace = None if isinstance(error, MeadowError) else (type(error), error, error.__traceback__)
        text = f"Meadow ends: {error}" if trace is None else "Meadow ends because of a defect"
        self.handle(logging.LogRecord(__name__, logging.ERROR, __file__, 0, text, (), trace))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        error = sys.exception()
        # A file whose writing failed may be half closed; the next line opens it again.
        broken, self.stream = self.stream, None
        if broken is not None:
            with suppress(OSError, ValueError):
                broken.close()
        if not self._has_complained:
            self._has_complained = True
            why = error.strerror if isinstance(error, OSError) else type(error).__name__
            _say(self._stderr, f"meadow: {self._path} cannot be written ({why}). Meadow goes on without it.\n")


class _Discreet(logging.Formatter):
    """Lines without addresses of other computers."""

    def format(self, record: logging.LogRecord) -> str:
        return cross_out(super().format(record))


def cross_out(text: str) -> str:
    """The text without invitations and addresses, but for this computer's own."""
    return _ADDRESS.sub(lambda found: _CROSSED_OUT if _is_elsewhere(found[0]) else found[0], text)


def _is_elsewhere(found: str) -> bool:
    if _OWN.fullmatch(found):
        return False
    if found.startswith(("/", "meadow:")) or "." in found:
        return True
    with suppress(ValueError):  # a time of day also has colons
        ipaddress.ip_address(found)
        return True
    return False


@contextmanager
def logging_to(path: Path, *, stderr: int = _STDERR, file_bytes: int = FILE_BYTES) -> Iterator[LogFile]:
    """All loggers write to this file, too, within the block; a failure that ends the block is written to it.

    Args:
        stderr: the descriptor that is told when the file cannot be written.
        file_bytes: a file is exchanged before it becomes larger; there are 5 in all.
    """
    root = logging.getLogger()
    file = LogFile(path, stderr, file_bytes)
    doubled = [handler for handler in root.handlers if file.is_stderr and _writes_to(handler, stderr)]
    for handler in doubled:
        root.removeHandler(handler)
    root.addHandler(file)
    try:
        yield file
    except Exception as error:
        if not file.is_stderr:  # else it is shown there by whoever catches it
            file.add_last_words(error)
        raise
    finally:
        root.removeHandler(file)
        for handler in doubled:
            root.addHandler(handler)
        with suppress(OSError, ValueError):
            file.close()


@contextmanager
def pipe_to(into: logging.Logger) -> Iterator[int]:
    """A descriptor to give to a child process as its stderr; what it says there is logged line by line.

    Our end is closed with the block, which therefore ends as soon as the child is started. A thread reads until the
    child, and whoever else has the other end, is gone; it sleeps while nothing is said.
    """
    reading, writing = os.pipe()
    threading.Thread(target=_log_lines, args=(reading, into), name="meadow-child-log", daemon=True).start()
    try:
        yield writing
    finally:
        os.close(writing)


def _log_lines(reading: int, into: logging.Logger) -> None:
    """Log what comes, with the level of the child's own logger; lines in between, as of a traceback, keep the last."""
    level, rest = logging.INFO, b""
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        while piece := pipe.read(_PIECE_BYTES):
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > _LINE_BYTES:  # nobody writes lines that long; its memory is not ours to spend
                lines, rest = [*lines, rest], b""
            for line in lines:
                level = _log_line(line, level, into)
    if rest:
        _log_line(rest, level, into)


def _log_line(line: bytes, level: int, into: logging.Logger) -> int:
    text = line.decode("utf-8", errors="replace").rstrip()
    if (said := _LINE.match(text)) is not None:
        level, text = logging.getLevelNamesMapping()[said["level"]], said["text"]
    if text:
        into.log(level, "%s", text)
    return level


def _writes_to(handler: logging.Handler, descriptor: int) -> bool:
    if not isinstance(handler, logging.StreamHandler) or isinstance(handler, logging.FileHandler):
        return False
    try:
        return bool(handler.stream.fileno() == descriptor)
    except (OSError, ValueError, AttributeError):
        return False


def _is_same_file(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _say(descriptor: int, text: str) -> None:
    with suppress(OSError):
        os.write(descriptor, text.encode())
