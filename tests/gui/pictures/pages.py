"""Pictures of the other pages: the swarm, the credits, and two sections of the settings."""

from __future__ import annotations

from gui.pictures.studio import Studio


def take_swarm(studio: Studio) -> None:
    """Who holds which layers."""
    studio.desktop.click("go-swarm")
    studio.put_pointer_away()
    studio.take("swarm")


def take_credits(studio: Studio) -> None:
    """What was earned and spent."""
    mark = studio.desktop.place
    studio.desktop.click("go-credits")
    studio.desktop.wait_for("credits", since=mark)
    studio.put_pointer_away()
    studio.take("credits")


def take_settings(studio: Studio) -> None:
    """When to share, and how much."""
    studio.desktop.click("go-settings")
    studio.put_pointer_away()
    studio.take("settings-when")
    studio.display.press("Tab", "Down")
    studio.take("settings-how-much")
