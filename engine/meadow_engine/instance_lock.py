"""One engine for each user and base folder: a lock on a file, which the system drops when the process ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from meadow_client.errors import MeadowError


class AlreadyRunningError(MeadowError):
    code = "already-running"
    advice = "Use the running one (meadow status), or end it first."

    def __init__(self) -> None:
        super().__init__("Meadow runs already on this computer")


@contextmanager
def instance_lock(path: Path) -> Iterator[None]:
    """Hold the lock within the block.

    Raises:
        AlreadyRunningError: another process holds it.
    """
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunningError from error
        yield
    finally:
        os.close(descriptor)
