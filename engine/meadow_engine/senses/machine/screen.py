"""Whether the window in front fills the screen: a game, a film, a talk.

Under X11 window managers say so on the windows themselves: `_NET_ACTIVE_WINDOW` on the root window names the one in
front, and `_NET_WM_STATE` of that one contains `_NET_WM_STATE_FULLSCREEN`.
Sources: Extended Window Manager Hints 1.5; X Window System Protocol, InternAtom and GetProperty.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping
from pathlib import Path

from meadow_engine.senses.x11_wire import X11Connection, X11Error, X11RefusedError, authority_path, padded

LIMIT_S = 1.0
_INTERN_ATOM, _GET_PROPERTY = 16, 20
_ONLY_IF_EXISTS = 1
_ANY_TYPE = 0
_MOST_NUMBERS = 256
_NUMBER_BITS = 32


class X11FullScreenSense:
    """Implements `Sense[bool]`. Keeps one connection to the X server, and makes a new one after it was lost.

    Beside a Wayland compositor (`is_wayland`) an X server knows X11 programs only, as most games are: "yes" is then
    true and "no" means nothing.
    """

    name = "X11 windows"

    def __init__(self, display: str, authority: Path, *, is_wayland: bool = False) -> None:
        self._display = display
        self._authority = authority
        self._is_wayland = is_wayland
        self._connection: X11Connection | None = None

    async def read(self) -> bool | None:
        """None without an X server, without a window manager, or where Wayland programs may be in front."""
        try:
            async with asyncio.timeout(LIMIT_S):
                is_full_screen = await self._ask()
        except (OSError, TimeoutError, X11Error, struct.error):
            await self.aclose()
            return None
        return None if self._is_wayland and not is_full_screen else is_full_screen

    async def aclose(self) -> None:
        """Leave the server."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()

    async def _ask(self) -> bool | None:
        if self._connection is None or self._connection.is_lost:
            self._connection = await X11Connection.open(self._display, self._authority)
        server = self._connection
        # Asked anew each time: a name gets its number when the first program uses it.
        active_atom = await _atom(server, "_NET_ACTIVE_WINDOW")
        active = await _numbers(server, server.root, active_atom) if active_atom else ()
        if not active:
            return None
        state_atom = await _atom(server, "_NET_WM_STATE")
        full_screen_atom = await _atom(server, "_NET_WM_STATE_FULLSCREEN")
        states = await _numbers(server, active[0], state_atom) if active[0] and state_atom else ()
        return bool(full_screen_atom) and full_screen_atom in states


async def _atom(server: X11Connection, name: str) -> int:
    """The number of a name; 0 where no program has ever used it."""
    raw = name.encode()
    reply = await server.ask(_INTERN_ATOM, _ONLY_IF_EXISTS, struct.pack("<H2x", len(raw)) + padded(raw))
    return int(struct.unpack_from("<I", reply, 8)[0])


async def _numbers(server: X11Connection, window: int, atom: int) -> tuple[int, ...]:
    """A property that is a list of numbers; empty where the window, or the property, is not there."""
    try:
        reply = await server.ask(_GET_PROPERTY, 0, struct.pack("<5I", window, atom, _ANY_TYPE, 0, _MOST_NUMBERS))
    except X11RefusedError:
        return ()
    if reply[1] != _NUMBER_BITS:
        return ()
    (count,) = struct.unpack_from("<I", reply, 16)
    return struct.unpack_from(f"<{min(count, _MOST_NUMBERS)}I", reply, 32)


def choose_full_screen_sense(environment: Mapping[str, str]) -> X11FullScreenSense | None:
    """The provider for the session that these variables describe; None where nobody can be asked.

    Wayland itself tells no program about the windows of others.
    """
    display = environment.get("DISPLAY")
    if not display:
        return None
    is_wayland = bool(environment.get("WAYLAND_DISPLAY"))
    return X11FullScreenSense(display, authority_path(environment), is_wayland=is_wayland)
