"""Pictures of the window as it is now and then: small, in German, in high contrast, and when something is wrong with
the engine or with a file.

The files' theme is then the word for what is special: `credits-german.png`. High contrast has one of its own.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

from fakes.processes import LOOPBACK
from gui.pictures.kept_conversations import MARKDOWN
from gui.pictures.pages import take_credits, take_swarm
from gui.pictures.panel import MISSING_MODEL, held_engine
from gui.pictures.states_of_chat import open_conversation
from gui.pictures.studio import Studio, running_studio
from gui.pictures.surroundings import chosen_appearance
from meadow_engine.api.places import find_places

SMALLEST = (640, 440)
FAILS_S = 60.0


def take_appearances(folder: Path, base: Path) -> None:
    """All pages small, in German, and in high contrast."""
    with running_studio(folder, base, "light") as studio:
        studio.resize(*SMALLEST)
        take_pages_of(replace(studio, theme="small"))
    with chosen_appearance(base, language="de"), running_studio(folder, base, "light") as studio:
        take_pages_of(replace(studio, theme="german"))
    arguments = ("--chat", "--colour-scheme", "system")
    with (
        chosen_appearance(base, theme="high-contrast"),
        running_studio(folder, base, "light", arguments=arguments) as studio,
    ):
        take_pages_of(replace(studio, theme="high-contrast"))


def take_pages_of(studio: Studio) -> None:
    """Each page once."""
    open_conversation(studio, MARKDOWN)
    studio.take("chat")
    take_swarm(studio)
    take_credits(studio)
    studio.desktop.click("go-settings")
    studio.put_pointer_away()
    studio.take("settings")


def take_troubles(folder: Path, theme: str) -> None:
    """An engine that starts, that does not find its model, and none; then conversations that cannot be read."""
    with tempfile.TemporaryDirectory(prefix="meadow-troubles-") as name:
        base = Path(name)
        (base / "config").mkdir()
        settings = {"listen": [LOOPBACK], "model": MISSING_MODEL}
        lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
        (base / "config" / "settings.toml").write_text("\n".join(lines))
        with running_studio(folder, base, theme, until="searching") as studio:
            with held_engine(studio):
                studio.put_pointer_away()
                studio.take("window-starting")
            studio.desktop.wait_for("engine", lambda event: event["shape"] == "attention", timeout_s=FAILS_S)
            studio.take("window-attention")
        arguments = ("--chat", "--attach-only")
        with running_studio(folder, base, theme, arguments=arguments, until="unreachable") as studio:
            studio.put_pointer_away()
            studio.take("window-no-engine")
        damage_conversations(base)
        with running_studio(folder, base, theme, arguments=arguments, until="unreachable") as studio:
            studio.desktop.wait_for_control("dismiss-notice")
            studio.put_pointer_away()
            studio.take("chat-unreadable")


def damage_conversations(base: Path) -> None:
    """As a disk that has lost a few blocks."""
    kept = find_places(base).conversations
    kept.mkdir(parents=True, exist_ok=True)
    (kept / "conversations.sqlite").write_bytes(b"\x00 no longer a database" * 300)
