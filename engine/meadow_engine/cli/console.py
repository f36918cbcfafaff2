"""How commands speak: results on stdout, everything else on stderr, failures as one sentence and advice."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from meadow_client.errors import MeadowError, UsageError

DONE, FAILED, USAGE, ALREADY_RUNNING = 0, 1, 2, 3


def say_ready(command: str, **values: Any) -> None:
    """The one line on stdout of a long-running command that is up."""
    print(json.dumps({"event": "ready", "command": command, **values}), flush=True)


def note(text: str) -> None:
    """Progress for people."""
    print(text, file=sys.stderr, flush=True)


def fail(error: BaseException) -> int:
    """Show an expected error; its exit code."""
    print(f"meadow: {error}.", file=sys.stderr)
    advice = getattr(error, "advice", "")
    if advice:
        print(advice, file=sys.stderr)
    if getattr(error, "code", "") == "already-running":
        return ALREADY_RUNNING
    return USAGE if isinstance(error, UsageError) else FAILED


def expected_error(error: BaseException) -> BaseException | None:
    """The failure to show for an exception, or None when it is a defect of ours."""
    if isinstance(error, BaseExceptionGroup):
        found = [expected for inner in error.exceptions if (expected := expected_error(inner)) is not None]
        return found[0] if len(found) == len(error.exceptions) else None
    if isinstance(error, MeadowError):
        return error
    if isinstance(error, OSError):
        return MeadowError(_describe_os_error(error), "Check the disk, its permissions and the network.")
    return None


def set_up_logging(*, is_verbose: bool = False, is_quiet: bool = False) -> None:
    """Logs on stderr. Libraries say warnings only."""
    level = logging.DEBUG if is_verbose else logging.WARNING if is_quiet else logging.INFO
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
    )
    for name in ("meadow_engine", "meadow_client"):
        logging.getLogger(name).setLevel(level)
    os.environ.setdefault("HIVEMIND_LOGLEVEL", "ERROR")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "" if is_verbose else "1")
    os.environ.setdefault("TQDM_DISABLE", "1")


def run_loop(main: Coroutine[Any, Any, int]) -> int:
    """Run a command's coroutine on the fastest event loop there is."""
    try:
        from uvloop import run
    except ImportError:
        from asyncio import run
    return int(run(main))


def stop_event(*, is_tethered: bool = False) -> asyncio.Event:
    """An event that SIGINT or SIGTERM sets, and the end of stdin where the starting program holds it open.

    The same signal once more ends the program at once: it may be busy handing over conversations.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def end() -> None:
        if stop.is_set():
            os._exit(FAILED)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, end)
    if is_tethered:
        _watch_stdin(lambda: loop.call_soon_threadsafe(stop.set))
    return stop


async def read_line(prompt: str) -> str | None:
    """A line that the person types, or None at the end of input. Ctrl-C does not wait for the line's end."""
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str | None] = loop.create_future()

    def tell(text: str | None) -> None:
        if not line.done():
            line.set_result(text)

    def read() -> None:
        try:
            text: str | None = input(prompt)
        except (EOFError, OSError, UnicodeDecodeError):
            text = None
        with suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(tell, text)

    threading.Thread(target=read, name="meadow-input", daemon=True).start()
    return await line


def has_display() -> bool:
    """Whether a window can be shown here."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _watch_stdin(at_end: Callable[[], object]) -> None:
    def watch() -> None:
        with suppress(OSError, ValueError):
            while os.read(0, 4096):
                pass
        with suppress(RuntimeError):  # the loop is closed already
            at_end()

    threading.Thread(target=watch, name="meadow-tether", daemon=True).start()


def _describe_os_error(error: OSError) -> str:
    place = f" ({error.filename})" if error.filename else ""
    return f"The system says: {error.strerror or error}{place}"
