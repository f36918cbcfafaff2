"""As much of the Wayland wire protocol as it takes to be told something: connect, bind what is offered, hear events.

A message is the object's id, its size and opcode in one word, then arguments; words have this computer's byte order.

    client → compositor   request(object, opcode, arguments)
    compositor → client   event, given to the handler of its object

Event loop only. Of what the compositor says, sizes are checked
before anything is read; nonsense ends the connection. Source: wayland.freedesktop.org, "Wire Format" and wayland.xml.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass

from meadow_engine.senses.desktop_socket import DesktopSocket

_DISPLAY = 1
_SYNC, _GET_REGISTRY = 0, 1
_ERROR, _DELETE_ID = 0, 1
_BIND = 0
_GLOBAL, _GLOBAL_REMOVE = 0, 1
_HEADER_BYTES = 8

EventHandler = Callable[[int, bytes], None]
"""Called with opcode and arguments."""


class WaylandError(Exception):
    """The compositor said something impossible, refused us, or lacks what is needed."""


@dataclass(frozen=True)
class Global:
    """Something that a compositor offers to bind."""

    name: int
    interface: str
    version: int


def word(value: int) -> bytes:
    """One unsigned argument, object or new id."""
    return struct.pack("=I", value)


def text(value: str) -> bytes:
    """A string argument: its length with the final zero, then padded to words."""
    raw = value.encode() + b"\0"
    return word(len(raw)) + raw + bytes(-len(raw) % 4)


def read_text(arguments: bytes, start: int) -> tuple[str, int]:
    """A string argument that begins at `start`, and where the next argument begins."""
    (length,) = struct.unpack_from("=I", arguments, start)
    end = start + 4 + length
    if length == 0 or end > len(arguments):
        raise WaylandError("a text is longer than its message")
    return arguments[start + 4 : end - 1].decode(errors="replace"), end + (-length % 4)


class WaylandConnection(DesktopSocket):
    """One program's connection to a compositor."""

    def __init__(self) -> None:
        super().__init__(WaylandError)
        self.globals: dict[int, Global] = {}
        self.on_globals_changed: Callable[[], None] = lambda: None
        self._unread = b""
        self._handlers: dict[int, EventHandler] = {}
        self._next_id = _DISPLAY + 1
        self._free_ids: list[int] = []
        self._registry = 0

    @classmethod
    async def open(cls, path: str) -> WaylandConnection:
        """Connect to this socket and learn what is offered; OSError or WaylandError when that fails."""
        _, connection = await asyncio.get_running_loop().create_unix_connection(cls, path)
        try:
            connection._registry = connection.new_object(connection._on_registry)
            connection.request(_DISPLAY, _GET_REGISTRY, word(connection._registry))
            await connection.settle()
        except BaseException:
            connection.drop()
            raise
        return connection

    def offered(self, interface: str) -> list[Global]:
        """What can be bound of this interface."""
        return [each for each in self.globals.values() if each.interface == interface]

    def bind(self, offer: Global, version: int, handler: EventHandler | None = None) -> int:
        """Take up an offer at this version; gives the object's id."""
        bound = self.new_object(handler)
        arguments = word(offer.name) + text(offer.interface) + word(version) + word(bound)
        self.request(self._registry, _BIND, arguments)
        return bound

    def new_object(self, handler: EventHandler | None = None) -> int:
        """An id for an object of ours. Ids are dense and used again: the compositor keeps an array of them."""
        if self._free_ids:
            number = self._free_ids.pop()
        else:
            number = self._next_id
            self._next_id += 1
        if handler is not None:
            self._handlers[number] = handler
        return number

    def request(self, receiver: int, opcode: int, arguments: bytes = b"") -> None:
        """Ask the compositor for something; it answers with events or not at all."""
        size = _HEADER_BYTES + len(arguments)
        self._write(word(receiver) + word(size << 16 | opcode) + arguments)

    async def settle(self) -> None:
        """Wait until the compositor has worked off all requests and its events have been handled here."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def on_done(_opcode: int, _arguments: bytes) -> None:
            if not done.done():
                done.set_result(None)

        self.request(_DISPLAY, _SYNC, word(self.new_object(on_done)))
        await self._wait_for(done)

    def data_received(self, data: bytes) -> None:
        self._unread += data
        try:
            while len(self._unread) >= _HEADER_BYTES and not self.is_lost:
                sender, size_and_opcode = struct.unpack_from("=II", self._unread)
                size, opcode = size_and_opcode >> 16, size_and_opcode & 0xFFFF
                if size < _HEADER_BYTES:
                    raise WaylandError("a message is smaller than its header")
                if len(self._unread) < size:
                    return
                arguments, self._unread = self._unread[_HEADER_BYTES:size], self._unread[size:]
                self._take(sender, opcode, arguments)
        except (WaylandError, struct.error):
            self.drop()

    def _take(self, sender: int, opcode: int, arguments: bytes) -> None:
        if sender != _DISPLAY:
            handler = self._handlers.get(sender)
            if handler is not None:
                handler(opcode, arguments)
        elif opcode == _DELETE_ID:
            (number,) = struct.unpack("=I", arguments)
            self._handlers.pop(number, None)
            self._free_ids.append(number)
        elif opcode == _ERROR:
            raise WaylandError("the compositor refused a request")

    def _on_registry(self, opcode: int, arguments: bytes) -> None:
        (name,) = struct.unpack_from("=I", arguments)
        if opcode == _GLOBAL:
            interface, end = read_text(arguments, 4)
            (version,) = struct.unpack_from("=I", arguments, end)
            self.globals[name] = Global(name, interface, version)
            self.on_globals_changed()
        elif opcode == _GLOBAL_REMOVE and self.globals.pop(name, None) is not None:
            self.on_globals_changed()
