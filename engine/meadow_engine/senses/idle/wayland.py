"""Idle seconds from a Wayland compositor that offers ext-idle-notify-v1 (KWin 5.27, Sway 1.8, Hyprland, COSMIC and on).

The compositor says `idled` when there was no input for a second and `resumed` at the next one; in between, a clock
gives the seconds. A film or a call that keeps the screen awake (an idle inhibitor) counts as input: somebody watches.
What happened before we connected is not known, so that the count starts at 0 then.

Sources: wayland-protocols, staging/ext-idle-notify/ext-idle-notify-v1.xml.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from meadow_engine.senses.idle import NOTICED_AFTER_S, READING_LIMIT_S, ignore_return
from meadow_engine.senses.idle.wayland_wire import Global, WaylandConnection, WaylandError, word

_SEAT = "wl_seat"


@dataclass(frozen=True)
class NoticeProtocol:
    """One way to ask a compositor for notices. All have: event 0 no input for a while, event 1 input again."""

    name: str
    interface: str
    ask: int  # opcode
    is_seat_first: bool  # (id, seat, timeout), else (id, timeout, seat)


EXT_IDLE_NOTIFY = NoticeProtocol("Wayland ext-idle-notify-v1", "ext_idle_notifier_v1", ask=1, is_seat_first=False)
_IDLED, _RESUMED = 0, 1


class WaylandIdle:
    """Idle seconds of all seats of one compositor: the smallest counts."""

    tells_return = True

    def __init__(
        self,
        socket_path: str,
        protocol: NoticeProtocol = EXT_IDLE_NOTIFY,
        on_active: Callable[[], None] = ignore_return,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = protocol.name
        self._path = socket_path
        self._protocol = protocol
        self._on_active = on_active
        self._clock = clock
        self._connection: WaylandConnection | None = None
        self._last_input_s: dict[int, float | None] = {}  # by seat; None: less than a second ago
        self._seats: list[Global] = []

    async def read(self) -> float | None:
        """Seconds without input; 0 within the first second."""
        try:
            async with asyncio.timeout(READING_LIMIT_S):
                connection = await self._connected()
                await connection.settle()
        except (OSError, TimeoutError, WaylandError):
            self._drop()
            return None
        now = self._clock()
        return min(0.0 if last is None else now - last for last in self._last_input_s.values())

    async def aclose(self) -> None:
        """Leave the compositor."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()

    async def _connected(self) -> WaylandConnection:
        if self._connection is not None and not self._connection.is_lost:
            return self._connection
        self._connection = connection = await WaylandConnection.open(self._path)
        offers = connection.offered(self._protocol.interface)
        self._seats = connection.offered(_SEAT)
        if not offers or not self._seats:
            raise WaylandError(f"this compositor lacks {self._protocol.interface} or seats")
        notifier = connection.bind(offers[0], version=1)
        self._last_input_s = {}
        for seat in self._seats:
            self._ask(connection, notifier, seat)
        connection.on_globals_changed = self._look_at_seats
        return connection

    def _ask(self, connection: WaylandConnection, notifier: int, seat: Global) -> None:
        def on_notice(opcode: int, _arguments: bytes) -> None:
            if opcode == _IDLED:
                self._last_input_s[seat.name] = self._clock() - NOTICED_AFTER_S
            elif opcode == _RESUMED:
                self._last_input_s[seat.name] = None
                self._on_active()

        self._last_input_s[seat.name] = None
        bound = word(connection.bind(seat, version=1))
        timeout_ms = word(round(NOTICED_AFTER_S * 1000))
        notice = word(connection.new_object(on_notice))
        order = (notice, bound, timeout_ms) if self._protocol.is_seat_first else (notice, timeout_ms, bound)
        connection.request(notifier, self._protocol.ask, b"".join(order))

    def _look_at_seats(self) -> None:
        """Begin anew when a seat came or went: one that is gone would never resume."""
        if self._connection is not None and self._connection.offered(_SEAT) != self._seats:
            self._connection.drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.drop()
            self._connection = None
