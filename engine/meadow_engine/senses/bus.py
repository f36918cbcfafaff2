"""A D-Bus connection that is kept between readings, and opened again when it was lost.

A question goes to a name on the bus and gives the answer's values, or None: nobody owns the name, the service refuses,
or the bus is gone. Nothing is started by asking. Event loop only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbus_fast import Message, MessageFlag, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.errors import DBusFastError

_BUS = "org.freedesktop.DBus"
_BUS_PATH = "/org/freedesktop/DBus"
_PROPERTIES = "org.freedesktop.DBus.Properties"


class BusError(Exception):
    """The bus cannot be reached, or hung up."""


@dataclass(frozen=True)
class Place:
    """An object on a bus and one of its interfaces."""

    destination: str
    path: str
    interface: str


@dataclass(frozen=True)
class Answer:
    """What a call gave, and who answered: a unique name, another one when the service was started anew."""

    values: list[Any]
    sender: str


class Bus:
    """One bus. Signals go to `on_signal` with member and values."""

    def __init__(self, address: str, on_signal: Callable[[str, list[Any]], None] | None = None) -> None:
        self._address = address
        self._on_signal = on_signal
        self._rules: list[str] = []
        self._connection: MessageBus | None = None
        self.times_opened = 0
        """A service forgets what it promised to a connection that is gone."""

    async def call(self, place: Place, member: str, signature: str = "", *arguments: Any) -> Answer | None:
        """Ask a method; None when there is no such service or it refuses. BusError when there is no bus."""
        message = Message(
            destination=place.destination,
            path=place.path,
            interface=place.interface,
            member=member,
            signature=signature,
            body=list(arguments),
            flags=MessageFlag.NO_AUTOSTART,
        )
        try:
            reply = await (await self._connected()).call(message)
        except (OSError, EOFError, DBusFastError) as error:
            self.drop()
            raise BusError(str(error)) from error
        if reply is None or reply.message_type is not MessageType.METHOD_RETURN:
            return None
        return Answer(list(reply.body), reply.sender or "")

    async def properties(self, place: Place) -> dict[str, Any]:
        """All properties of an interface, without their wrapping; empty when nobody answers."""
        answer = await self.call(Place(place.destination, place.path, _PROPERTIES), "GetAll", "s", place.interface)
        if answer is None or not answer.values or not isinstance(answer.values[0], dict):
            return {}
        found: dict[str, Variant] = answer.values[0]
        return {name: value.value for name, value in found.items()}

    async def property(self, place: Place, name: str) -> Any:
        """One property, without its wrapping; None when nobody answers."""
        answer = await self.call(Place(place.destination, place.path, _PROPERTIES), "Get", "ss", place.interface, name)
        if answer is None or len(answer.values) != 1 or not isinstance(answer.values[0], Variant):
            return None
        return answer.values[0].value

    async def listen(self, rule: str) -> None:
        """Receive the signals of this match rule, also after the connection was opened again."""
        if rule not in self._rules:
            self._rules.append(rule)
        await self.call(Place(_BUS, _BUS_PATH, _BUS), "AddMatch", "s", rule)

    def drop(self) -> None:
        """Close without waiting; the next call opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.connected:
            connection.disconnect()

    async def aclose(self) -> None:
        """Close, and wait until the socket is closed."""
        connection = self._connection
        self.drop()
        if connection is not None:
            with contextlib.suppress(OSError, EOFError, DBusFastError):  # it was lost before
                await connection.wait_for_disconnect()

    async def _connected(self) -> MessageBus:
        if self._connection is not None and self._connection.connected:
            return self._connection
        self._connection = None
        connection = MessageBus(bus_address=self._address)
        connection.add_message_handler(self._take)
        self._connection = await connection.connect()
        self.times_opened += 1
        for rule in self._rules:
            await self.call(Place(_BUS, _BUS_PATH, _BUS), "AddMatch", "s", rule)
        return self._connection

    def _take(self, message: Message) -> None:
        if message.message_type is MessageType.SIGNAL and self._on_signal is not None:
            self._on_signal(message.member or "", list(message.body))


def session_bus_address(environment: Mapping[str, str]) -> str | None:
    """Where the person's bus is: as told, or at its usual place; None when there is none."""
    told = environment.get("DBUS_SESSION_BUS_ADDRESS")
    if told:
        return told
    folder = environment.get("XDG_RUNTIME_DIR")
    usual = Path(folder or "/", "bus")
    return f"unix:path={usual}" if folder and usual.is_socket() else None


def system_bus_address(environment: Mapping[str, str]) -> str | None:
    """Where the computer's bus is; None when there is none."""
    told = environment.get("DBUS_SYSTEM_BUS_ADDRESS")
    if told:
        return told
    usual = Path("/run/dbus/system_bus_socket")
    return f"unix:path={usual}" if usual.is_socket() else None
