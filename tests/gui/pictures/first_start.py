"""Pictures of the four screens of the first start, which is broken off before its last click."""

from __future__ import annotations

from gui.pictures.studio import Studio

TITLE = "Welcome to Meadow.*"  # Qt adds the program's name on some systems


def take_welcome(studio: Studio) -> None:
    """The second screen alone."""
    desktop = studio.desktop
    desktop.click("welcome-continue")
    desktop.choose("choose-share")
    studio.put_pointer_away()
    studio.take("welcome-share", TITLE)


def take_first_start(studio: Studio) -> None:
    """From the first screen to the last; the main window follows."""
    desktop = studio.desktop
    desktop.wait_for_control("welcome-continue")
    studio.put_pointer_away()
    studio.take("welcome-what", TITLE)
    desktop.click("welcome-continue")
    desktop.choose("choose-share")
    studio.put_pointer_away()
    studio.take("welcome-share", TITLE)
    desktop.click("welcome-continue")
    desktop.wait_for_control("choose-default-swarm")
    studio.put_pointer_away()
    studio.take("welcome-swarm", TITLE)
    desktop.click("welcome-continue")
    desktop.wait_for_control("start-at-login")
    studio.put_pointer_away()
    studio.take("welcome-summary", TITLE)
    studio.display.press("Escape")
    desktop.wait_for("window-shown")
