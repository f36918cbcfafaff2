"""Idle seconds from an X server, through its screen saver extension.

One question for each reading (MIT-SCREEN-SAVER, QueryInfo). The return of the person comes unasked, as an alarm on the
SYNC extension's counter IDLETIME, where the server has it. Xwayland lacks the screen saver, so that it is not mistaken
for a desktop: it would only know of input to X programs.

Sources: X11 Screen Saver Extension, chapter 6; X Synchronization Extension Protocol, appendix A.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable
from pathlib import Path

from meadow_engine.senses.idle import NOTICED_AFTER_S, READING_LIMIT_S, ignore_return
from meadow_engine.senses.x11_wire import X11Connection, X11Error

_QUERY_INFO = 1
_INITIALIZE, _LIST_SYSTEM_COUNTERS, _CREATE_ALARM, _QUERY_ALARM = 0, 1, 8, 10
_ALARM_NOTIFY = 1  # behind the extension's first event
_COUNTER, _VALUE_TYPE, _VALUE, _TEST_TYPE, _DELTA, _EVENTS = (1 << bit for bit in range(6))
_ABSOLUTE, _NEGATIVE_TRANSITION = 0, 1
_IDLE_TIME = b"IDLETIME"


class X11Idle:
    """Idle seconds of one display on this computer."""

    name = "X11 screen saver"

    def __init__(self, display: str, authority: Path, on_active: Callable[[], None] = ignore_return) -> None:
        self.tells_return = False
        self._display = display
        self._authority = authority
        self._on_active = on_active
        self._connection: X11Connection | None = None
        self._saver_opcode = 0

    async def read(self) -> float | None:
        """Seconds without input, to the millisecond."""
        try:
            async with asyncio.timeout(READING_LIMIT_S):
                connection = await self._connected()
                reply = await connection.ask(self._saver_opcode, _QUERY_INFO, struct.pack("<I", connection.root))
        except (OSError, TimeoutError, X11Error, struct.error):
            self._drop()
            return None
        (idle_ms,) = struct.unpack_from("<I", reply, 16)
        return float(idle_ms) / 1000

    async def aclose(self) -> None:
        """Leave the server."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()

    async def _connected(self) -> X11Connection:
        if self._connection is not None and not self._connection.is_lost:
            return self._connection
        self.tells_return = False
        self._connection = connection = await X11Connection.open(self._display, self._authority)
        saver = await connection.extension("MIT-SCREEN-SAVER")
        if saver is None:
            raise X11Error("this server has no screen saver extension")
        self._saver_opcode = saver.opcode
        with contextlib.suppress(X11Error):  # without the alarm, the return is seen at the next reading
            await self._set_alarm(connection)
        return connection

    async def _set_alarm(self, connection: X11Connection) -> None:
        """Have the server say when IDLETIME falls below a second again, every time."""
        sync = await connection.extension("SYNC")
        if sync is None:
            return
        await connection.ask(sync.opcode, _INITIALIZE, struct.pack("<BB2x", 3, 0))
        counter = _find_counter(await connection.ask(sync.opcode, _LIST_SYSTEM_COUNTERS), _IDLE_TIME)
        if counter is None:
            return

        def on_event(event: bytes) -> None:
            if event[0] & 0x7F == sync.first_event + _ALARM_NOTIFY:
                self._on_active()

        connection.on_event = on_event
        threshold_ms = round(NOTICED_AFTER_S * 1000)
        mask = _COUNTER | _VALUE_TYPE | _VALUE | _TEST_TYPE | _DELTA | _EVENTS
        values = struct.pack(
            "<IIiIIiII", counter, _ABSOLUTE, 0, threshold_ms, _NEGATIVE_TRANSITION, 0, 0, True
        )  # 64-bit numbers go as two words, the upper one first
        alarm = struct.pack("<I", connection.new_id())
        connection.tell(sync.opcode, _CREATE_ALARM, alarm + struct.pack("<I", mask) + values)
        await connection.ask(sync.opcode, _QUERY_ALARM, alarm)  # an error when it was not created
        self.tells_return = True

    def _drop(self) -> None:
        self.tells_return = False
        if self._connection is not None:
            self._connection.drop()
            self._connection = None


def _find_counter(reply: bytes, wanted: bytes) -> int | None:
    """The id of a named system counter in the reply of ListSystemCounters."""
    (count,) = struct.unpack_from("<I", reply, 8)
    at = 32
    for _ in range(count):
        counter, length = struct.unpack_from("<I8xH", reply, at)
        if reply[at + 14 : at + 14 + length] == wanted:
            return int(counter)
        at += 14 + length + -(14 + length) % 4
    return None
