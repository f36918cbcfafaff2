"""A file system of a megabyte that a test can fill up or make read-only. Only root on Linux can have one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


class SmallDisk:
    """Create one with `small_disk`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._film = folder / "film"
        self._is_covered = False

    def fill(self) -> None:
        """Leave no room at all."""
        with suppress(OSError), self._film.open("wb", buffering=0) as film:
            while film.write(bytes(4096)):
                pass

    def forbid(self) -> None:
        """Let nobody write any more. A file system with open files cannot be made read-only, a view of it can."""
        self._mount("--bind", str(self.folder))
        self._is_covered = True
        self._mount("-o", "remount,bind,ro")

    def allow(self) -> None:
        """Make room, and let everybody write again."""
        if self._is_covered:
            self._unmount()
            self._is_covered = False
        self._film.unlink(missing_ok=True)

    def close(self) -> None:
        self.allow()
        self._unmount()

    def _unmount(self) -> None:
        """Lazily: a process that a failed test has left may still hold a file."""
        subprocess.run(["umount", "--lazy", self.folder], check=True, timeout=20)

    def _mount(self, *arguments: str) -> None:
        subprocess.run(["mount", *arguments, self.folder], check=True, timeout=20)


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """Mounted at `folder`, which is made; skips the test, with the reason, where that is not possible."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small disk")
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    tried = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    if tried.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {tried.stderr.strip()}")
    disk = SmallDisk(folder)
    try:
        yield disk
    finally:
        disk.close()
