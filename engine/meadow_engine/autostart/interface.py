"""What all ways of starting by itself have in common.

A way writes one entry of this user's, never the system's. It takes effect at the next login: nothing is started and
nothing is ended by switching. Every method may be called again and again, with the same end.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from meadow_client.errors import MeadowError
from meadow_engine.api.places import write_private

_PATIENCE_S = 10.0

Run = Callable[[Sequence[str], Mapping[str, str]], "subprocess.CompletedProcess[str]"]
"""Runs a program of the system to its end: command, and environment variables beside our own. Never raises."""


class Autostart(Protocol):
    """One way of starting by itself."""

    def is_on(self) -> bool:
        """Whether Meadow starts at the next login, as far as the entry says."""
        ...

    def switch_on(self, command: Sequence[str]) -> None:
        """Start `command` at every login from now on; an entry that is there is replaced.

        Args:
            command: the absolute path of a program, and its arguments (`own_command`).

        Raises:
            AutostartRefusedError: the entry cannot be written, or cannot hold this command, or the system said no.
        """
        ...

    def switch_off(self) -> None:
        """Take the entry away.

        Raises:
            AutostartRefusedError: it cannot be removed.
        """
        ...

    def describe(self) -> str:
        """What kind of entry it is, where it lies and when it takes effect; a sentence without a full stop."""
        ...


class AutostartUnavailableError(MeadowError):
    """This system has nothing that could start Meadow in the way that was asked for."""

    code = "autostart-unavailable"


class AutostartRefusedError(MeadowError):
    """The system does not let us switch it."""

    code = "autostart-refused"
    advice = "Check the disk and its permissions."


def write_entry(path: Path, text: str) -> None:
    """Write the file that starts Meadow; where it is a link, the file behind it.

    Raises:
        AutostartRefusedError: the system does not let us.
    """
    try:
        write_private(path.resolve(), text)
    except OSError as error:
        raise _refused(path, error, "written") from error


def remove_entry(path: Path) -> None:
    """Remove the file that starts Meadow, if there is one.

    Raises:
        AutostartRefusedError: the system does not let us.
    """
    try:
        path.unlink(missing_ok=True)
    except NotADirectoryError:
        return  # a file lies where the folder would: then no entry is there
    except OSError as error:
        raise _refused(path, error, "removed") from error


def through_shell(command: Sequence[str]) -> list[str]:
    """The same command with a program whose path has only plain characters; the shell becomes the real one."""
    return ["/bin/sh", "-c", 'exec "$0" "$@"', *command]


def run_program(command: Sequence[str], variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """The real `Run`. A program that is missing has exit code 127; one that hangs is killed and has 124."""
    try:
        return subprocess.run(
            command,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"{command[0]} did not answer")
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", f"{command[0]}: {error.strerror or error}")


def _refused(path: Path, error: OSError, what: str) -> AutostartRefusedError:
    advice = AutostartRefusedError.advice
    if isinstance(error, PermissionError):
        advice = f"Let your user write in {path.parent}."
    return AutostartRefusedError(f"{path} cannot be {what} ({error.strerror or error})", advice)
