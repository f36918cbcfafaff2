"""Take the pictures in docs/images from the running programs: a demo swarm, the chat window and a real panel.

    python tests/gui/take_pictures.py [FOLDER]      (docs/images by default)

Needs Xvfb, xdotool, dbus-daemon, trayer and ImageMagick's `import`. Everything runs under an X server of its own;
nothing is drawn afterwards, pictures are only cut to the window.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fakes.desktop_display import Display, missing_programs, running_display
from fakes.desktop_program import DesktopProgram, running_desktop
from fakes.processes import Program, running_meadow

ROOT = Path(__file__).resolve().parents[2]
WINDOW = "1000x700+0+0"
PANEL_HEIGHT = 32
WIDTH, HEIGHT = 1000, 700 + PANEL_HEIGHT
QUESTIONS = ("What is Meadow?", "Why do leaves fall in autumn?", "What is a swarm of computers?")


def main() -> int:
    """Take all pictures; 1 when a program is missing."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    missing = [*missing_programs(), *(name for name in ("trayer", "import") if shutil.which(name) is None)]
    if missing:
        sys.stderr.write(f"Error: not installed: {', '.join(missing)}.\n")
        return 1
    with (
        tempfile.TemporaryDirectory(prefix="meadow-pictures-") as name,
        running_display(WIDTH, HEIGHT) as display,
        running_panel(display),
        running_meadow("demo", "--no-window", "--base-dir", name) as demo,
        running_desktop(display, Path(name), "--attach-only", "--chat", "--colour-scheme", "light") as desktop,
    ):
        desktop.wait_for("engine", lambda event: event["state"] == "connected")
        take_chat(display, desktop, demo, folder)
        take_menu(display, desktop, folder)
        take_missing_layers(display, desktop, demo, folder)
    return 0


@contextmanager
def running_panel(display: Display) -> Iterator[None]:
    """trayer, a panel that holds nothing but tray icons, along the lower edge."""
    panel = subprocess.Popen(
        ["trayer", "--edge", "bottom", "--align", "right", "--widthtype", "request", "--height", str(PANEL_HEIGHT),
         "--tint", "0x22262a", "--transparent", "true", "--alpha", "0"],
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


def take_chat(display: Display, desktop: DesktopProgram, demo: Program, folder: Path) -> None:
    """An answer while it is being written, and one that is whole."""
    for question in QUESTIONS[:-1]:
        mark = desktop.place
        desktop.ask(question)
        desktop.wait_for_answer("complete", timeout_s=180, since=mark)
        display.press("ctrl+n")
    mark = desktop.place
    desktop.ask(QUESTIONS[-1])
    desktop.wait_for_answer("writing", timeout_s=60, since=mark, least=30)
    # The demo's model is small and its answers are over before a picture is taken: hold one engine for a moment.
    held = demo.ready["engines"][1]["pid"]
    os.kill(held, signal.SIGSTOP)
    time.sleep(0.2)
    display.picture(folder / "chat-streaming.png", WINDOW)
    os.kill(held, signal.SIGCONT)
    desktop.wait_for_answer("complete", timeout_s=180, since=mark)
    display.move(500, 300)
    time.sleep(0.5)
    display.picture(folder / "chat-answer.png", WINDOW)


def take_menu(display: Display, desktop: DesktopProgram, folder: Path) -> None:
    """The tray's menu while sharing, opened with the right button as anybody would."""
    desktop.click("share")
    desktop.wait_for("engine", lambda event: event["shape"] == "sharing", timeout_s=60)
    display.press("ctrl+w")
    desktop.wait_for("window-closed")
    time.sleep(0.5)
    display.click(WIDTH - 20, HEIGHT - PANEL_HEIGHT + 4, button=3)  # so that the menu leaves the icon free
    time.sleep(1)
    display.picture(folder / "tray-menu.png", f"360x220+{WIDTH - 360}+{HEIGHT - 220}")
    display.press("Escape")
    mark = desktop.place
    display.click(WIDTH - PANEL_HEIGHT // 2, HEIGHT - PANEL_HEIGHT // 2)
    desktop.wait_for("window-shown", since=mark)
    desktop.click("share")
    desktop.wait_for("engine", lambda event: event["shape"] == "off", timeout_s=60, since=mark)


def take_missing_layers(display: Display, desktop: DesktopProgram, demo: Program, folder: Path) -> None:
    """A question while the computer that holds some layers is off."""
    os.kill(demo.ready["engines"][1]["pid"], signal.SIGKILL)
    display.press("ctrl+n")
    mark = desktop.place
    desktop.ask(QUESTIONS[0])
    desktop.wait_for(
        "answer", lambda event: event["phase"] in {"waiting", "failed"}, timeout_s=60, since=mark
    )  # fmt: skip
    time.sleep(0.5)
    display.picture(folder / "chat-no-server.png", WINDOW)


if __name__ == "__main__":
    raise SystemExit(main())
