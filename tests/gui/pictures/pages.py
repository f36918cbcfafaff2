"""Pictures of the other pages: the swarm, the credits, and every section of the settings."""

from __future__ import annotations

import time

from gui.pictures.neighbourhood import Neighbourhood, change
from gui.pictures.studio import Studio

# In their order in the window.
SECTIONS = ("when", "how-much", "model-and-swarm", "app", "api", "storage", "logs", "about")
WORDS_IN_LOGS = "policy"
_FILTERED_S = 1.0


def take_swarm(studio: Studio) -> None:
    """Who holds which layers."""
    studio.desktop.click("go-swarm")
    studio.put_pointer_away()
    studio.take("swarm")


def take_own_place(studio: Studio, neighbourhood: Neighbourhood) -> None:
    """The same while this computer holds layers, too."""
    change(neighbourhood.here, share=True, mode="always")
    neighbourhood.here.until("sharing")
    neighbourhood.wait_for(4)
    studio.desktop.click("go-swarm")
    studio.put_pointer_away()
    studio.desktop.wait_for("engine", lambda event: event["shape"] == "sharing")
    time.sleep(_FILTERED_S)
    studio.take("swarm-sharing")
    change(neighbourhood.here, share=None, mode=None)
    neighbourhood.here.until("off")


def take_invitations(studio: Studio) -> None:
    """The windows in which a swarm is begun, or joined with what is no invitation."""
    desktop = studio.desktop
    desktop.click("go-swarm")
    desktop.click("new-swarm")
    desktop.wait_for_control("new-swarm-name")
    studio.display.type("Reading circle")
    studio.put_pointer_away()
    studio.take("swarm-new", "New swarm.*")
    desktop.click("membership-cancel")
    desktop.click("join-swarm")
    desktop.wait_for_control("join-invitation")
    studio.display.type("https://meadow.example/join")
    studio.put_pointer_away()
    studio.take("swarm-join-wrong", "Join a swarm.*")
    desktop.click("membership-cancel")


def take_credits(studio: Studio) -> None:
    """What was earned and spent."""
    mark = studio.desktop.place
    studio.desktop.click("go-credits")
    studio.desktop.wait_for("credits", since=mark)
    studio.put_pointer_away()
    studio.take("credits")


def take_settings(studio: Studio, sections: int = len(SECTIONS)) -> None:
    """So many sections, from the first on."""
    studio.desktop.click("go-settings")
    studio.desktop.wait_for_control("settings-search")
    studio.put_pointer_away()
    studio.display.press("Tab", "Home")
    for section in SECTIONS[:sections]:
        studio.take(f"settings-{section}")
        studio.display.press("Down")


def take_found_settings(studio: Studio) -> None:
    """A search in all sections, and one in a log."""
    desktop, display = studio.desktop, studio.display
    desktop.click("go-settings")
    desktop.click("settings-search")
    display.type("memory")
    studio.put_pointer_away()
    studio.take("settings-search")
    display.press("ctrl+a", "BackSpace", "Tab", "End", "Up")
    desktop.click("log-words")
    display.type(WORDS_IN_LOGS)
    time.sleep(_FILTERED_S)
    studio.put_pointer_away()
    studio.take("settings-logs-filtered")
    display.press("ctrl+a", "BackSpace")
