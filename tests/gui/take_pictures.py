"""Take the pictures in docs/images from the running programs: a swarm, the desktop and a real panel.

    python tests/gui/take_pictures.py [FOLDER] [--themes light dark] [--parts first pages chat tray …]

FOLDER is docs/images by default; all of it takes ten minutes, and the tray's part alone two minutes.

Light and dark: the first start, every page, every section of the settings, the chat's usual states, and the icon.
Light only: dialogs, menus, what was searched for, what is empty or wrong, long names, a small window; every page once
at twice the scale, in German, and in the colours of high contrast.

Engine, swarm and downloads are real ones. Made up are: the counts of earlier days (`neighbourhood.py`), the
conversations that the small model could not write (`kept_conversations.py`), and huggingface.co (`alone.py`).

Needs Xvfb, xdotool, dbus-daemon, trayer, and ImageMagick's `import` and `convert`. Everything runs under X servers of
its own. What is on a picture is described beside each in `pictures/`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fakes.desktop_display import running_display
from gui.pictures.alone import take_alone
from gui.pictures.conversations import QUESTIONS, ask, take_answers, take_empty, take_missing_layers, take_replaced
from gui.pictures.first_start import take_first_start, take_welcome
from gui.pictures.kept_conversations import keep_conversations
from gui.pictures.neighbourhood import Neighbourhood, running_neighbourhood
from gui.pictures.pages import (
    take_credits,
    take_found_settings,
    take_invitations,
    take_own_place,
    take_settings,
    take_swarm,
)
from gui.pictures.panel import take_panel
from gui.pictures.states_of_chat import take_around, take_failed, take_full, take_kept, take_long_names
from gui.pictures.studio import missing_for_pictures, running_studio
from gui.pictures.surroundings import changed_environment
from gui.pictures.window import take_appearances, take_troubles
from meadow_engine.api.places import find_places
from meadow_engine.cli.console import note

Take = Callable[[Path, str, Neighbourhood], None]

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"


def main() -> int:
    """Take all pictures; 1 when a program is missing."""
    options = parse()
    missing = missing_for_pictures()
    if missing:
        sys.stderr.write(f"Error: not installed: {', '.join(missing)}.\n")
        return 1
    os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1")
    # The display is where the engine, too, can see that nobody touches anything.
    with running_display() as screen, changed_environment(screen.environment()):
        for theme in options.themes:
            take_parts(PARTS, options, theme)
        take_parts(ONCE, options, options.themes[0])
    return 0


def take_parts(parts: Mapping[str, Take], options: argparse.Namespace, theme: str) -> None:
    """In a neighbourhood of their own: an engine begins to share four times an hour at most."""
    chosen = [take for name, take in parts.items() if name in options.parts]
    if not chosen:
        return
    with (
        tempfile.TemporaryDirectory(prefix="meadow-pictures-") as name,
        running_neighbourhood(Path(name)) as neighbourhood,
    ):
        for take in chosen:
            take(options.folder, theme, neighbourhood)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Take the pictures of the documentation.")
    parser.add_argument("folder", type=Path, nargs="?", default=IMAGES)
    parser.add_argument("--themes", nargs="+", choices=("light", "dark"), default=["light", "dark"])
    parser.add_argument("--parts", nargs="+", choices=(*PARTS, *ONCE), default=[*PARTS, *ONCE])
    return parser.parse_args()


def take_first(folder: Path, theme: str, neighbourhood: Neighbourhood) -> None:
    """What somebody sees at the first start."""
    note(f"the first start, {theme}")
    base = neighbourhood.here.base
    forget(base)
    with running_studio(folder, base, theme, is_welcomed=False) as studio:
        take_first_start(studio)
        take_empty(studio)


def take_pages(folder: Path, theme: str, neighbourhood: Neighbourhood) -> None:
    """What somebody sees later."""
    note(f"all pages, {theme}")
    with running_studio(folder, neighbourhood.here.base, theme) as studio:
        take_answers(studio, neighbourhood)
        neighbourhood.switch_on("attic")
        take_swarm(studio)
        take_replaced(studio, neighbourhood)
        take_credits(studio)
        take_settings(studio)
        take_own_place(studio, neighbourhood)
        take_missing_layers(studio, neighbourhood)
    neighbourhood.switch_off("attic")
    for name in ("lab-2", "mill-lane"):
        neighbourhood.switch_on(name)


def take_tray(folder: Path, theme: str, neighbourhood: Neighbourhood) -> None:
    """What somebody sees of Meadow without a window."""
    note(f"the tray, {theme}")
    take_panel(folder, theme, neighbourhood.here)


def take_chat(folder: Path, theme: str, neighbourhood: Neighbourhood) -> None:
    """What the chat is for with a larger model."""
    note(f"conversations, {theme}")
    base = neighbourhood.here.base
    forget(base)
    keep_conversations(base)
    with running_studio(folder, base, theme) as studio:
        take_kept(studio)


def take_rest(folder: Path, theme: str, neighbourhood: Neighbourhood) -> None:
    """Dialogs, menus, searches, long names and an answer that failed."""
    note("dialogs and other states")
    base = neighbourhood.here.base
    forget(base)
    keep_conversations(base)
    with running_studio(folder, base, theme) as studio:
        take_full(studio)
        take_around(studio)
        take_found_settings(studio)
        neighbourhood.switch_off("mill-lane")
        take_failed(studio)
        neighbourhood.switch_on("mill-lane")
        take_long_names(studio, neighbourhood)
        take_invitations(studio)


def take_lonely(folder: Path, theme: str, neighbourhood: Neighbourhood) -> None:
    """A computer that knows nobody."""
    note("a computer alone")
    here = neighbourhood.here
    invitation = here.ask("GET", "/api/swarms").json()["swarms"][0]["invitation"]
    take_alone(folder, theme, here.base.parent / "alone", invitation)


def take_window(folder: Path, theme: str, neighbourhood: Neighbourhood) -> None:
    """The window small, in another language, in other colours, and with something wrong."""
    note("the window")
    base = neighbourhood.here.base
    forget(base)
    keep_conversations(base)
    take_appearances(folder, base)
    take_troubles(folder, theme)


def take_large(folder: Path, theme: str, neighbourhood: Neighbourhood) -> None:
    """Every page at twice the scale."""
    note("at twice the scale")
    base = neighbourhood.here.base
    forget(base)
    with running_studio(folder, base, theme, scale=2, is_welcomed=False) as studio:
        take_welcome(studio)
    keep_conversations(base)
    with running_studio(folder, base, theme, scale=2) as studio:
        ask(studio, QUESTIONS[-1])
        studio.put_pointer_away()
        studio.take("chat-answer")
        take_kept(studio)
        take_swarm(studio)
        take_credits(studio)
        take_settings(studio, sections=2)


def forget(base: Path) -> None:
    """All conversations, and that there ever was a first start."""
    places = find_places(base)
    shutil.rmtree(places.conversations, ignore_errors=True)
    (places.configuration / "desktop.json").unlink(missing_ok=True)


PARTS = {"first": take_first, "pages": take_pages, "chat": take_chat, "tray": take_tray}
ONCE = {"rest": take_rest, "alone": take_lonely, "window": take_window, "large": take_large}

if __name__ == "__main__":
    raise SystemExit(main())
