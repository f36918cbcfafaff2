"""An XDG autostart entry: for the app with its tray, on every Linux desktop.

Sources: the Desktop Application Autostart Specification for the folder and `Hidden`, the Desktop Entry
Specification, "The Exec key", for quoting: an argument in double quotes has a backslash before `"`, backtick, `$` and
`\\`, and then, as in every string of such a file, every backslash is doubled. GNOME's library looks for the program
before it replaces `%%`, and the specification allows no `=` in its path: such a program is started by a shell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from meadow_engine.autostart.interface import remove_entry, through_shell, write_entry

_PLAIN = re.compile(r"[\w./:@+,-]+", re.ASCII)
_NOT_IN_A_PROGRAM = frozenset("%=")

_TEXT = """\
# Written by `meadow autostart on`; `meadow autostart off` removes it.
[Desktop Entry]
Type=Application
Name=Meadow
Comment=Lends this computer to language models while nobody uses it
Exec={command}
Terminal=false
StartupNotify=false
X-GNOME-Autostart-enabled=true
"""


class DesktopEntry:
    """meadow.desktop in this user's folder of programs that start with the desktop.

    Args:
        configuration: the user's folder of configuration, such as ~/.config.
    """

    def __init__(self, configuration: Path) -> None:
        self.path = configuration / "autostart" / "meadow.desktop"

    def is_on(self) -> bool:
        """Desktops' own settings switch an entry off by a line in it."""
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return False
        values = {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}
        return values.get("Hidden") != "true" and values.get("X-GNOME-Autostart-enabled") != "false"

    def switch_on(self, command: Sequence[str]) -> None:
        write_entry(self.path, entry_text(command))

    def switch_off(self) -> None:
        remove_entry(self.path)

    def describe(self) -> str:
        return f"the autostart entry {self.path} starts the app when you log in to the desktop"


def entry_text(command: Sequence[str]) -> str:
    """The entry's file."""
    if not _NOT_IN_A_PROGRAM.isdisjoint(command[0]):
        command = through_shell(command)
    return _TEXT.format(command=" ".join(map(_quote, command)).replace("\\", "\\\\"))


def _quote(word: str) -> str:
    if _PLAIN.fullmatch(word):
        return word
    escaped = re.sub(r'(["`$\\])', r"\\\1", word).replace("%", "%%")
    return f'"{escaped}"'
