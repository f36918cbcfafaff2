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

    def take_with_menu(self, name: str) -> None:
        """The window with what is on the screen right of it: menus may be wider than the room in the window."""
        time.sleep(SETTLED_S)
        window = max(_windows(self.display, "Meadow"), key=_area)
        self._take(name, f"{WIDTH * self.scale}x{window['HEIGHT']}+0+0")

    def take_box(self, name: str) -> None:
        """A question in a box over the window, which has the same title."""
        time.sleep(SETTLED_S)
        self._take(name, _place(sorted(_windows(self.display, "Meadow"), key=_area)[-2]))

    def take_now(self, name: str, title: str = "Meadow") -> None:
        """The same of something that will not stay."""
        self._take(name, _geometry(self.display, title))

    def take_corner(self, name: str, width: int, height: int) -> Path:
        """A picture of the screen's lower right corner, where the panel's icons are."""
        time.sleep(SETTLED_S)
        return self.take_corner_now(name, width, height)

    def take_corner_now(self, name: str, width: int, height: int) -> Path:
        """The same of something that will not stay."""
        right, lower = WIDTH * self.scale, HEIGHT * self.scale
        width, height = width * self.scale, height * self.scale
        return self._take(name, f"{width}x{height}+{right - width}+{lower - height}")

    def click_icon(self, button: int = 1) -> None:
        """Press Meadow's icon in the panel; near its upper edge, so that a menu leaves it free."""
        self.display.click(*self._icon_place(), button)

    def put_pointer_away(self) -> None:
        """So that nothing looks as if it were about to be pressed."""
        self.display.move(2, 2)

    def point_at_icon(self) -> None:
        """Rest with the pointer on Meadow's icon, at the place where `click_icon` presses it."""
        x, y = self._icon_place()
        self.display.move(x - 1, y)  # Qt begins to wait at a movement on the icon, not where the pointer enters it
        self.display.move(x, y)

    def resize(self, width: int, height: int) -> None:
        """Give the window this size, in its own pixels."""
        window = max(_windows(self.display, "Meadow"), key=_area)["WINDOW"]
        size = (str(width * self.scale), str(height * self.scale))
        subprocess.run(
            ["xdotool", "windowsize", "--sync", window, *size],
            env=self.display.environment(), check=True, timeout=20,
        )  # fmt: skip

    def _take(self, name: str, crop: str) -> Path:
        path = self._path(name)
        self.display.picture(path, crop)
        self.taken.append(path)
        return path

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}-{self.theme}{'' if self.scale == 1 else f'-{self.scale}x'}.png"

    def _icon_place(self) -> tuple[int, int]:
        return self.scale * WIDTH - 16, self.scale * HEIGHT - PANEL_HEIGHT + 4

    def make_small(self) -> None:
        """Bring all that was taken to 256 colours."""
        for path in self.taken:
            _convert([path], path)


def put_below_one_another(pictures: Sequence[Path], path: Path) -> None:
    """One picture of several that are equally wide; they go away."""
    _convert(pictures, path, "-append")
    for picture in pictures:
        picture.unlink()


def is_plain(picture: Path, height: int) -> bool:
    """Nothing but one colour is in its upper part, so many pixels high."""
    command = ["convert", str(picture), "-crop", f"x{height}+0+0", "-format", "%k", "info:"]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout == "1"


def _convert(pictures: Sequence[Path], path: Path, *how: str) -> None:
    small = ("-strip", "+dither", "-colors", "256", f"PNG8:{path}")
    subprocess.run(["convert", *map(str, pictures), *how, *small], check=True, timeout=60)


@contextmanager
def running_studio(
    folder: Path,
    base_dir: Path,
    theme: str,
    scale: int = 1,
    *,
    is_welcomed: bool = True,
    arguments: Sequence[str] = ("--chat",),
    until: str = "connected",
) -> Iterator[Studio]:
    """A screen, a panel, and the desktop with the engine that runs in `base_dir`; `until` is the link's state then."""
    os.environ["QT_SCALE_FACTOR"] = str(scale)
    with (
        running_display(WIDTH * scale, HEIGHT * scale) as display,
        running_panel(display, theme),
        running_desktop(
            display, base_dir, "--colour-scheme", theme, *arguments, is_welcomed=is_welcomed
        ) as desktop,
    ):  # fmt: skip
        desktop.wait_for("engine", lambda event: event["state"] == until)
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
    """Where a window is, as ImageMagick writes it; of several (menus and boxes have the same title) the largest."""
    return _place(max(_windows(display, title), key=_area))


def _place(window: dict[str, str]) -> str:
    return f"{window['WIDTH']}x{window['HEIGHT']}+{window['X']}+{window['Y']}"


def _windows(display: Display, title: str) -> list[dict[str, str]]:
    """What xdotool says of every window that is shown under this title."""
    found = subprocess.run(
        ["xdotool", "search", "--onlyvisible", "--name", f"^{title}$", "getwindowgeometry", "--shell", "%@"],
        env=display.environment(),
        check=True,
        capture_output=True,
        text=True,
        timeout=20,
    )
    windows: list[dict[str, str]] = []
    for line in found.stdout.split():
        name, _, value = line.partition("=")
        if name == "WINDOW":
            windows.append({})
        windows[-1][name] = value
    return windows


def _area(window: dict[str, str]) -> int:
    return int(window["WIDTH"]) * int(window["HEIGHT"])
