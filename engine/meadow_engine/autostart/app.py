"""The app's own start at login, as the control API shows and switches it. Writes files of this user's; blocks.

Threads: any but the event loop's, because the system's own programs may be asked.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from meadow_client.errors import MeadowError
from meadow_engine.api.autostart import AutostartStatus
from meadow_engine.api.places import Places, find_places
from meadow_engine.autostart.choose import Surroundings, choose
from meadow_engine.autostart.interface import AutostartUnavailableError
from meadow_engine.autostart.own_command import own_command

_NO_DESKTOP = "The desktop is not installed here, so there is no app to start"


def look_at_autostart(here: Surroundings | None = None, *, has_desktop: bool | None = None) -> AutostartStatus:
    """What the system's entry says now."""
    if has_desktop is None:
        has_desktop = importlib.util.find_spec("PySide6") is not None
    if not has_desktop:
        return AutostartStatus(is_on=False, is_possible=False, description=_NO_DESKTOP)
    try:
        way = choose(is_headless=False, here=here)
    except AutostartUnavailableError as error:
        return AutostartStatus(is_on=False, is_possible=False, description=str(error))
    return AutostartStatus(is_on=way.is_on(), is_possible=True, description=way.describe())


def switch_autostart(
    enabled: bool, places: Places, here: Surroundings | None = None, *, has_desktop: bool | None = None
) -> AutostartStatus:
    """Start the app with the files of `places` at every login from now on, or no longer; what holds then.

    Raises:
        MeadowError: it is not possible here, or the system refused.
    """
    before = look_at_autostart(here, has_desktop=has_desktop)
    if enabled and not before.is_possible:
        raise MeadowError(before.description, "Meadow can still be started by hand.")
    if before.is_possible:
        way = choose(is_headless=False, here=here)
        if enabled:
            way.switch_on(own_command(is_headless=False, base_dir=base_dir_of(places)))
        else:
            way.switch_off()
    return look_at_autostart(here, has_desktop=has_desktop)


def base_dir_of(places: Places) -> Path | None:
    """The folder given as --base-dir, or None where the places are the system's own."""
    base = places.configuration.parent
    return base if find_places(base) == places else None
