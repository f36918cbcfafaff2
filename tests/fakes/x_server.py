"""An X server of the test's own, on a display that nobody else uses."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


def missing_server() -> str | None:
    """Why no X server can be started here; None where one can."""
    return None if shutil.which("Xvfb") else "Xvfb is not installed"


@contextmanager
def running_server(
    *arguments: str, width: int = 640, height: int = 480
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Display and process; `arguments` are Xvfb's, such as a display's name instead of any that is free."""
    read, write = os.pipe()
    screen = f"{width}x{height}x24"
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", screen, "-nolisten", "tcp", "-noreset", *arguments],
        pass_fds=(write,),
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    try:
        with os.fdopen(read) as numbers:
            yield f":{numbers.readline().strip()}", server
    finally:
        server.send_signal(signal.SIGCONT)
        server.terminate()
        server.wait(10)


def authority_entry(
    family: int, address: bytes, display: bytes, secret: bytes, kind: bytes = b"MIT-MAGIC-COOKIE-1"
) -> bytes:
    """One entry of an Xauthority file, as `xauth` writes it."""
    fields = b"".join(struct.pack(">H", len(field)) + field for field in (address, display, kind, secret))
    return struct.pack(">H", family) + fields
