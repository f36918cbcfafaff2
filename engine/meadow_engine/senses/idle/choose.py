"""Find out which provider tells idle seconds and the lock on this computer, by asking each.

Order on Linux, best first; one that does not answer here is passed over.

    Wayland   ext-idle-notify-v1, KDE's older protocol, Mutter, login manager
    X11       screen saver extension, Mutter, login manager
    neither   Mutter, login manager          (a service that started outside the session)

Under Wayland X11 is never asked: Xwayland hears only of input to X programs. Under WSL nobody is asked, because the
screen there belongs to Windows.

When nothing tells, the result says what the person can do. The environment does not change under a running program, but
what answers does: ask again after a login or when a provider has said None for long.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from meadow_engine.senses.idle import IdleSense, ignore_return
from meadow_engine.senses.idle.macos import MacosIdle, load_seconds_since_input
from meadow_engine.senses.idle.windows import SystemCalls, WindowsIdle
from meadow_engine.senses.sense import Sense

_Provider_co = TypeVar("_Provider_co", covariant=True)

NO_DESKTOP = (
    "Meadow cannot tell whether somebody is at this computer, because it found no desktop session, and takes it as in"
    " use. Start it from within the desktop; on a server, choose to share always."
)
SILENT_DESKTOP = (
    "This desktop does not tell programs for how long nobody has used the keyboard or mouse, so Meadow takes the"
    " computer as in use. Choose the hours in which to share, or share and pause by hand."
)
ROUGH_DESKTOP = (
    "This desktop tells only after a while that nobody is there, and perhaps never. If Meadow does not begin to share,"
    " let the screen turn off by itself after a few minutes, or choose the hours in which to share."
)
INSIDE_WSL = (
    "Programs inside WSL cannot see whether somebody uses the keyboard or mouse, so Meadow takes the computer as in"
    " use. Choose the hours in which to share, or share and pause by hand."
)
SILENT_SYSTEM = (
    "The system did not tell for how long nobody has used the keyboard or mouse, so Meadow takes the computer as in"
    " use. Start Meadow as the person who is logged in, not as a system service."
)
UNKNOWN_LOCK = "Nothing here tells whether the screen is locked. Meadow goes by the keyboard and mouse alone."


@dataclass(frozen=True)
class Found(Generic[_Provider_co]):
    """The provider that answers on this computer, or None; and what a person should know or do, empty if nothing."""

    sense: _Provider_co | None
    advice: str = ""


async def find_idle_sense(
    on_active: Callable[[], None] = ignore_return,
    environment: Mapping[str, str] = os.environ,
    platform: str = sys.platform,
    is_inside_wsl: bool | None = None,
) -> Found[IdleSense]:
    """Find who tells idle seconds here. Takes half a second for each provider that hangs; raises nothing.

    `on_active` is called on the event loop at the person's return, by those whose `tells_return` is true. It must not
    raise. The sense belongs to the caller, who closes it.
    """
    if platform == "linux":
        if runs_in_wsl() if is_inside_wsl is None else is_inside_wsl:
            return Found(None, INSIDE_WSL)
        return await _first_answering(_linux_candidates(environment, on_active), _is_desktop(environment))
    try:
        sense: IdleSense = (
            WindowsIdle(SystemCalls.load()) if platform == "win32" else MacosIdle(load_seconds_since_input())
        )
    except (OSError, AttributeError):
        return Found(None, SILENT_SYSTEM)
    return Found(sense) if await sense.read() is not None else Found(None, SILENT_SYSTEM)


async def find_lock_sense(
    environment: Mapping[str, str] = os.environ, platform: str = sys.platform, is_inside_wsl: bool | None = None
) -> Found[Sense[bool]]:
    """Find who tells that the screen is locked: on Linux several, taken together; elsewhere nobody yet.

    Where one answers, the others are kept as well: at the login a screen saver often comes later than we do. The sense
    belongs to the caller, who closes it. Raises nothing.
    """
    if platform != "linux" or (runs_in_wsl() if is_inside_wsl is None else is_inside_wsl):
        return Found(None, UNKNOWN_LOCK)
    # dbus-fast is installed on Linux only.
    from meadow_engine.senses.idle.lock import AnyLock

    lock = AnyLock(list(_lock_candidates(environment)))
    return Found(lock) if await _answers(lock) else Found(None, UNKNOWN_LOCK)


def runs_in_wsl(release: Path = Path("/proc/sys/kernel/osrelease")) -> bool:
    """Whether this Linux runs under Windows: Microsoft's kernels say so in their name."""
    try:
        return "microsoft" in release.read_text().lower()
    except OSError:
        return False


async def _answers(sense: Sense[object]) -> bool:
    """Whether this provider knows anything; it is closed if not, also when nobody waits for the answer any more."""
    is_answering = False
    try:
        is_answering = await sense.read() is not None
    finally:
        if not is_answering:
            await sense.aclose()
    return is_answering


async def _first_answering(candidates: Iterator[tuple[IdleSense, str]], is_desktop: bool) -> Found[IdleSense]:
    for sense, advice in candidates:
        if await _answers(sense):
            return Found(sense, advice)
    return Found(None, SILENT_DESKTOP if is_desktop else NO_DESKTOP)


def _linux_candidates(environment: Mapping[str, str], on_active: Callable[[], None]) -> Iterator[tuple[IdleSense, str]]:
    """Providers worth a try in this environment, best first, each with the advice that goes with it."""
    # dbus-fast is installed on Linux only.
    from meadow_engine.senses.bus import session_bus_address, system_bus_address
    from meadow_engine.senses.idle.kde import KDE_IDLE
    from meadow_engine.senses.idle.logind import LogindIdle
    from meadow_engine.senses.idle.mutter import MutterIdle
    from meadow_engine.senses.idle.wayland import EXT_IDLE_NOTIFY, WaylandIdle
    from meadow_engine.senses.idle.x11 import X11Idle
    from meadow_engine.senses.x11_wire import authority_path

    compositor = _wayland_socket(environment)
    display = environment.get("DISPLAY")
    if compositor is not None:
        for protocol in (EXT_IDLE_NOTIFY, KDE_IDLE):
            yield WaylandIdle(compositor, protocol, on_active), ""
    elif display and environment.get("XDG_SESSION_TYPE") != "wayland":
        yield X11Idle(display, authority_path(environment), on_active), ""
    session_bus = session_bus_address(environment)
    if session_bus is not None:
        yield MutterIdle(session_bus, on_active), ""
    system_bus = system_bus_address(environment)
    if system_bus is not None:
        yield LogindIdle(system_bus), ROUGH_DESKTOP


def _lock_candidates(environment: Mapping[str, str]) -> Iterator[Sense[bool]]:
    from meadow_engine.senses.bus import session_bus_address, system_bus_address
    from meadow_engine.senses.idle.lock import ScreenSaverLock
    from meadow_engine.senses.idle.logind import LogindLock

    session_bus = session_bus_address(environment)
    if session_bus is not None:
        yield ScreenSaverLock(session_bus)
    system_bus = system_bus_address(environment)
    if system_bus is not None:
        yield LogindLock(system_bus)


def _wayland_socket(environment: Mapping[str, str]) -> str | None:
    """The compositor's socket: the one that was told, or the first in the runtime folder; None in an X11 session."""
    folder = environment.get("XDG_RUNTIME_DIR")
    told = environment.get("WAYLAND_DISPLAY")
    if environment.get("XDG_SESSION_TYPE") == "x11":
        return None
    if told:
        return told if told.startswith("/") or not folder else os.path.join(folder, told)
    if folder and (environment.get("XDG_SESSION_TYPE") == "wayland" or not environment.get("DISPLAY")):
        sockets = sorted(path for path in Path(folder).glob("wayland-*") if path.is_socket())
        return str(sockets[0]) if sockets else None
    return None


def _is_desktop(environment: Mapping[str, str]) -> bool:
    return bool(
        environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY") or environment.get("XDG_CURRENT_DESKTOP")
    )
