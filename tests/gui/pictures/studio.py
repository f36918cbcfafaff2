"""A screen with a panel, the desktop on it, and a camera: what all pictures have in common.

A picture is cut to a window or to the panel and brought to 256 colours, which keeps it small; nothing is drawn into it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fakes.desktop_display import Display, missing_programs, running_display
from fakes.desktop_program import DesktopProgram, running_desktop

WIDTH, HEIGHT, PANEL_HEIGHT = 1180, 800, 32
PANELS = {"light": "dfe3e0", "dark": "22262a"}
BACKGROUNDS = {"light": "c9d3cd", "dark": "121517"}
SETTLED_S = 0.6


@dataclass(frozen=True)
class Studio:
    """One theme at one scale, and where the pictures go; `desktop` shows the window."""

    display: Display
    desktop: DesktopProgram
    folder: Path
    theme: str
    scale: int
    taken: list[Path] = field(default_factory=list)

    def take(self, name: str, title: str = "Meadow") -> None:
        """A picture of the window with this title, as it looks when all has come to rest."""
        time.sleep(SETTLED_S)
        self.take_now(name, title)

    def take_now(self, name: str, title: str = "Meadow") -> None:
        """The same of something that will not stay."""
        self._take(name, _geometry(self.display, title))

    def take_corner(self, name: str, width: int, height: int) -> Path:
        """A picture of the screen's lower right corner, where the panel's icons are."""
        time.sleep(SETTLED_S)
        right, lower = WIDTH * self.scale, HEIGHT * self.scale
        width, height = width * self.scale, height * self.scale
        return self._take(name, f"{width}x{height}+{right - width}+{lower - height}")

    def click_icon(self, button: int = 1) -> None:
        """Press Meadow's icon in the panel; near its upper edge, so that a menu leaves it free."""
        self.display.click(self.scale * WIDTH - 16, self.scale * HEIGHT - PANEL_HEIGHT + 4, button)

    def put_pointer_away(self) -> None:
        """So that nothing looks as if it were about to be pressed."""
        self.display.move(2, 2)

    def put_side_by_side(self, name: str, pictures: Sequence[Path]) -> None:
        """One picture of several, which go away."""
        path = self._path(name)
        subprocess.run(["convert", *map(str, pictures), "+append", str(path)], check=True, timeout=60)
        for picture in pictures:
            self.taken.remove(picture)
            picture.unlink()
        self.taken.append(path)

    def _take(self, name: str, crop: str) -> Path:
        path = self._path(name)
        self.display.picture(path, crop)
        self.taken.append(path)
        return path

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}-{self.theme}{'' if self.scale == 1 else f'-{self.scale}x'}.png"

    def make_small(self) -> None:
        """Bring all that was taken to 256 colours."""
        for path in self.taken:
            command = ["convert", str(path), "-strip", "+dither", "-colors", "256", f"PNG8:{path}"]
            subprocess.run(command, check=True, timeout=60)


@contextmanager
def running_studio(
    folder: Path, base_dir: Path, theme: str, scale: int = 1, *, is_welcomed: bool = True
) -> Iterator[Studio]:
    """A screen, a panel, and the desktop with the engine that runs in `base_dir`."""
    os.environ["QT_SCALE_FACTOR"] = str(scale)
    arguments = ("--colour-scheme", theme, *(["--chat"] if is_welcomed else []))
    with (
        running_display(WIDTH * scale, HEIGHT * scale) as display,
        running_panel(display, theme),
        running_desktop(display, base_dir, *arguments, is_welcomed=is_welcomed) as desktop,
    ):
        desktop.wait_for("engine", lambda event: event["state"] == "connected")
        studio = Studio(display, desktop, folder, theme, scale)
        yield studio
        studio.make_small()


@contextmanager
def running_panel(display: Display, theme: str) -> Iterator[None]:
    """trayer, a panel that holds nothing but tray icons, along the lower edge of a screen in one colour."""
    paint = ["display", "-window", "root", f"xc:#{BACKGROUNDS[theme]}"]
    subprocess.run(paint, env=display.environment(), check=False, timeout=20)  # it says 1 although it has painted
    panel = subprocess.Popen(
        ["trayer", "--edge", "bottom", "--align", "right", "--widthtype", "request", "--height", str(PANEL_HEIGHT),
         "--tint", f"0x{PANELS[theme]}", "--transparent", "true", "--alpha", "0"],
        env=display.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(1)
    try:
        yield
    finally:
        panel.terminate()
        panel.wait(10)


def missing_for_pictures() -> list[str]:
    """The programs that are not installed of those that pictures need."""
    return [
        *missing_programs(),
        *(name for name in ("trayer", "import", "convert", "display") if shutil.which(name) is None),
    ]


def _geometry(display: Display, title: str) -> str:
    """Where a window is, as ImageMagick writes it."""
    found = subprocess.run(
        ["xdotool", "search", "--onlyvisible", "--name", f"^{title}$", "getwindowgeometry", "--shell"],
        env=display.environment(),
        check=True,
        capture_output=True,
        text=True,
        timeout=20,
    )
    values = dict(line.split("=") for line in found.stdout.split())
    return f"{values['WIDTH']}x{values['HEIGHT']}+{values['X']}+{values['Y']}"
