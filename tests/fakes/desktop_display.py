"""A screen and a session bus of the test's own, and hands: what a person would press, type and look at."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fakes.private_bus import running_bus
from fakes.x_server import running_server

NEEDED = ("Xvfb", "xdotool", "dbus-daemon")


def missing_programs() -> list[str]:
    """What is not installed of what a display of our own needs."""
    return [name for name in NEEDED if shutil.which(name) is None]


@dataclass(frozen=True)
class Display:
    """An X server without a window manager, and a D-Bus session bus."""

    name: str
    bus: str

    def environment(self) -> dict[str, str]:
        """For programs that shall appear here and nowhere else."""
        kept = {key: value for key, value in os.environ.items() if key != "WAYLAND_DISPLAY"}
        return {
            **kept,
            "DISPLAY": self.name,
            "DBUS_SESSION_BUS_ADDRESS": self.bus,
            "QT_QPA_PLATFORM": "xcb",
            "XDG_CURRENT_DESKTOP": "",
            "NO_AT_BRIDGE": "1",
        }

    def click(self, x: int, y: int, button: int = 1) -> None:
        """Move the pointer there and press."""
        self._xdotool("mousemove", str(x), str(y), "click", str(button))

    def move(self, x: int, y: int) -> None:
        """Move the pointer there."""
        self._xdotool("mousemove", str(x), str(y))

    def drag(self, *places: tuple[int, int], rest_s: float = 0.0) -> None:
        """Press at the first place, come over the others, stay at the last for a while, and let go."""
        (x, y), *others = places
        self._xdotool("mousemove", str(x), str(y), "mousedown", "1")
        for x, y in others:
            self._xdotool("mousemove", str(x), str(y))
            time.sleep(0.03)
        time.sleep(rest_s)
        self._xdotool("mouseup", "1")

    def type(self, text: str) -> None:
        """Type on the keyboard."""
        self._xdotool("type", "--delay", "8", text)

    def press(self, *keys: str) -> None:
        """Press keys one after the other, such as Return or ctrl+n."""
        self._xdotool("key", "--delay", "30", *keys)

    def picture(self, path: Path, crop: str | None = None) -> None:
        """Take a picture of the screen; `crop` is ImageMagick's WxH+X+Y."""
        path.parent.mkdir(parents=True, exist_ok=True)
        cut = ["-crop", crop] if crop else []
        subprocess.run(
            ["import", "-window", "root", *cut, "+repage", str(path)], env=self.environment(), check=True, timeout=20
        )

    def _xdotool(self, *arguments: str) -> None:
        subprocess.run(["xdotool", *arguments], env=self.environment(), check=True, timeout=60, capture_output=True)


@contextmanager
def running_display(width: int = 1100, height: int = 800) -> Iterator[Display]:
    """Start both; end both."""
    with running_server(width=width, height=height) as (name, _), running_bus() as bus:
        yield Display(name, bus)
