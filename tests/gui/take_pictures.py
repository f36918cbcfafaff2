"""Take the pictures in docs/images from the running programs: a swarm, the desktop and a real panel.

    python tests/gui/take_pictures.py [FOLDER] [--themes light dark]     (docs/images by default)

Needs Xvfb, xdotool, dbus-daemon, trayer, and ImageMagick's `import` and `convert`. Everything runs under X servers of
its own. A few pictures are taken at twice the scale, too. What is on them is described beside each in `pictures/`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fakes.desktop_display import running_display
from gui.pictures.conversations import QUESTIONS, ask, take_answers, take_empty, take_missing_layers, take_replaced
from gui.pictures.first_start import take_first_start
from gui.pictures.neighbourhood import Neighbourhood, running_neighbourhood
from gui.pictures.pages import take_credits, take_settings, take_swarm
from gui.pictures.panel import take_panel
from gui.pictures.studio import missing_for_pictures, running_studio
from meadow_engine.api.places import find_places
from meadow_engine.cli.console import note

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"


def main() -> int:
    """Take all pictures; 1 when a program is missing."""
    options = parse()
    missing = missing_for_pictures()
    if missing:
        sys.stderr.write(f"Error: not installed: {', '.join(missing)}.\n")
        return 1
    os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1")
    with (
        running_display() as screen,
        changed_environment(screen.environment()),  # where the engine can see that nobody touches anything
        tempfile.TemporaryDirectory(prefix="meadow-pictures-") as name,
        running_neighbourhood(Path(name)) as neighbourhood,
    ):
        for theme in options.themes:
            take_first(options.folder, theme, neighbourhood)
            take_rest(options.folder, theme, neighbourhood)
        take_large(options.folder, options.themes[0], neighbourhood)
    return 0


@contextmanager
def changed_environment(names: dict[str, str]) -> Iterator[None]:
    """For programs that are started from here on."""
    before = dict(os.environ)
    os.environ.update(names)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Take the pictures of the documentation.")
    parser.add_argument("folder", type=Path, nargs="?", default=IMAGES)
    parser.add_argument("--themes", nargs="+", choices=("light", "dark"), default=["light", "dark"])
    return parser.parse_args()


def take_first(folder: Path, theme: str, neighbourhood: Neighbourhood) -> None:
    """What somebody sees at the first start."""
    note(f"the first start, {theme}")
    base = neighbourhood.here.base
    forget(base)
    with running_studio(folder, base, theme, is_welcomed=False) as studio:
        take_first_start(studio)
        take_empty(studio)


def take_rest(folder: Path, theme: str, neighbourhood: Neighbourhood) -> None:
    """What somebody sees later."""
    note(f"all pages, {theme}")
    with running_studio(folder, neighbourhood.here.base, theme) as studio:
        take_answers(studio, neighbourhood)
        neighbourhood.switch_on("attic")
        take_swarm(studio)
        take_replaced(studio, neighbourhood)
        take_credits(studio)
        take_settings(studio)
        take_panel(studio, neighbourhood.here)
        take_missing_layers(studio, neighbourhood)
    neighbourhood.switch_off("attic")
    for name in ("lab-2", "mill-lane"):
        neighbourhood.switch_on(name)


def take_large(folder: Path, theme: str, neighbourhood: Neighbourhood) -> None:
    """Some of it at twice the scale."""
    note("at twice the scale")
    base = neighbourhood.here.base
    forget(base)
    with running_studio(folder, base, theme, scale=2) as studio:
        ask(studio, QUESTIONS[-1])
        studio.put_pointer_away()
        studio.take("chat-answer")
        take_swarm(studio)
        take_credits(studio)


def forget(base: Path) -> None:
    """All conversations, and that there ever was a first start."""
    places = find_places(base)
    shutil.rmtree(places.conversations, ignore_errors=True)
    (places.configuration / "desktop.json").unlink(missing_ok=True)


if __name__ == "__main__":
    raise SystemExit(main())
