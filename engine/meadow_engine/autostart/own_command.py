"""How this Meadow was started, as a command that starts it again from anywhere.

Settings from flags and environment variables are no part of it: what shall hold at every login belongs in
settings.toml.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from meadow_engine.autostart.interface import AutostartRefusedError

_SCRIPT = "meadow"
_UNWRITABLE = ("Cc", "Cs", "Zl", "Zp")  # control characters, bytes that are no text, line breaks


def own_command(*, is_headless: bool, base_dir: Path | None, program: Sequence[str] | None = None) -> list[str]:
    """The command for the app with its tray, or for the engine alone, with this Meadow's files.

    Args:
        base_dir: as it was given; None for the system's own places.
        program: the command `meadow` itself; found when it is None.

    Raises:
        AutostartRefusedError: a path in it cannot be written into a text file.
    """
    command = [*(find_program() if program is None else program)]
    if is_headless:
        command.append("--no-gui")
    if base_dir is not None:
        command += ["--base-dir", str(base_dir.expanduser().absolute())]
    for word in command:
        if any(unicodedata.category(character) in _UNWRITABLE for character in word):
            raise AutostartRefusedError(
                f"Meadow cannot start by itself from a folder with this name: {word!r}",
                "Give the folder a name without line breaks and other invisible characters.",
            )
    return command


def find_program(
    started_as: str | None = None, interpreter: str | None = None, platform: str = sys.platform
) -> list[str]:
    """The `meadow` script where that was started, else this Python with `-m meadow_engine`; absolute paths.

    Links are left as they are: they outlive what they point to, and a virtual environment's Python is one.
    """
    script = Path(os.path.abspath(sys.argv[0] if started_as is None else started_as))
    if platform == "win32" and script.suffix.lower() != ".exe":  # pip's starter takes it away
        script = script.with_name(f"{script.name}.exe")
    if script.stem == _SCRIPT and script.is_file() and os.access(script, os.X_OK):
        return [str(script)]
    python = Path(os.path.abspath(interpreter or sys.executable))
    without_console = python.with_name("pythonw.exe")
    if platform == "win32" and without_console.is_file():
        python = without_console
    return [str(python), "-m", "meadow_engine"]
