"""A screen reader of our own: it is told of a program's windows over AT-SPI, as Orca is, and says what is on them.

It plays the registry of accessible programs on the test's own bus, so that nothing of a desktop has to be installed.
Where it is, the program under test keeps a whole accessible tree up to date, as it does beside somebody who sees
nothing. It asks for each widget again at every look; a look at a full window takes a fifth of a second.

Runs an event loop in a thread, because the tests wait for other programs in theirs.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from dbus_fast import Message, MessageType, RequestNameReply
from dbus_fast.aio import MessageBus

REGISTRY = "org.a11y.atspi.Registry"
ROOT = "/org/a11y/atspi/accessible/root"
_ACCESSIBLE = "org.a11y.atspi.Accessible"
_TEXT = "org.a11y.atspi.Text"
_PAUSE_S = 0.25  # between two looks: each of them is work for the program, too
_PROPERTIES = "org.freedesktop.DBus.Properties"
_CHECKED, _SHOWING = 1 << 4, 1 << 25  # bits of a state, from atspi-constants.h
_ANSWERS: dict[str, tuple[str, list[Any]]] = {
    "GetRegisteredEvents": ("a(ss)", [[["", "object:"]]]),  # everything: Qt 6.11 knows no "object:announcement"
    "NotifyListenersSync": ("b", [False]),  # keys: none of them is the reader's
}

Reference = tuple[str, str]


@dataclass(frozen=True)
class Spoken:
    """One thing in a window: `text` is what can be read letter by letter."""

    role: str
    name: str
    description: str
    text: str
    is_checked: bool

    @property
    def words(self) -> str:
        """Everything that is said of it."""
        return "\n".join(each for each in (self.name, self.text, self.description) if each)


class ScreenReader:
    """Reads the program that appeared last on this bus. Create one with `running_screen_reader`."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._bus: MessageBus | None = None
        self._program: Reference | None = None
        self.announced: list[str] = []  # what it says without being asked

    def start(self) -> None:
        """Own the registry's name."""
        self._thread.start()
        self._run(self._start())

    def stop(self) -> None:
        """Go away."""
        if self._bus is not None:
            self._loop.call_soon_threadsafe(self._bus.disconnect)
            time.sleep(0.1)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def look(self) -> list[Spoken]:
        """Everything that is shown now, in the order in which it is read."""
        found: list[Spoken] = self._run(self._look())
        return found

    def named(self, name: str, role: str = "") -> list[Spoken]:
        """What bears this name, from above to below."""
        return [each for each in self.look() if each.name == name and role in {"", each.role}]

    def wait_for(self, words: str, timeout_s: float = 10.0) -> Spoken:
        """The first thing of which something is said that contains these words."""
        found: list[Spoken] = []

        def look(said: list[Spoken]) -> bool:
            found[:] = [each for each in said if words in each.words]
            return bool(found)

        self.wait_until(look, timeout_s, repr(words))
        return found[0]

    def wait_until(self, is_so: Callable[[list[Spoken]], bool], timeout_s: float = 10.0, what: str = "it") -> None:
        """Look until this is true of what is shown."""
        deadline = time.monotonic() + timeout_s
        while not is_so(said := self.look()):
            shown = "\n".join(each.words for each in said if each.words)
            assert time.monotonic() < deadline, f"{what} was not to be read in time; there was:\n{shown}"
            time.sleep(_PAUSE_S)

    async def _look(self) -> list[Spoken]:
        if self._program is None:
            return []
        try:
            return [each async for each in self._walk(self._program, is_window=False)]
        except _GoneError:  # it changed while it was read
            return []

    async def _walk(self, at: Reference, *, is_window: bool = True) -> AsyncIterator[Spoken]:
        state = await self._ask(at, _ACCESSIBLE, "GetState")
        bits = state[0] | state[1] << 32
        if is_window and not bits & _SHOWING:
            return
        interfaces = await self._ask(at, _ACCESSIBLE, "GetInterfaces")
        text = await self._ask(at, _TEXT, "GetText", "ii", [0, -1]) if _TEXT in interfaces else ""
        yield Spoken(
            role=await self._ask(at, _ACCESSIBLE, "GetRoleName"),
            name=(await self._ask(at, _PROPERTIES, "Get", "ss", [_ACCESSIBLE, "Name"])).value,
            description=(await self._ask(at, _PROPERTIES, "Get", "ss", [_ACCESSIBLE, "Description"])).value,
            text=text,
            is_checked=bool(bits & _CHECKED),
        )
        for child in await self._ask(at, _ACCESSIBLE, "GetChildren"):
            async for each in self._walk((child[0], child[1])):
                yield each

    async def _ask(
        self, at: Reference, interface: str, member: str, signature: str = "", body: list[Any] | None = None
    ) -> Any:
        message = Message(
            destination=at[0],
            path=at[1],
            interface=interface,
            member=member,
            signature=signature,
            body=body or [],
        )
        assert self._bus is not None
        reply = await self._bus.call(message)
        if reply is None or reply.message_type != MessageType.METHOD_RETURN:
            raise _GoneError(at)
        return reply.body[0]

    async def _start(self) -> None:
        self._bus = await MessageBus(bus_address=self._address).connect()
        self._bus.add_message_handler(self._answer)
        assert await self._bus.request_name(REGISTRY) == RequestNameReply.PRIMARY_OWNER
        rule = "type='signal',interface='org.a11y.atspi.Event.Object',member='Announcement'"
        listen = Message(
            destination="org.freedesktop.DBus",
            path="/org/freedesktop/DBus",
            interface="org.freedesktop.DBus",
            member="AddMatch",
            signature="s",
            body=[rule],
        )
        await self._bus.call(listen)

    def _answer(self, message: Message) -> Message | None:
        if message.member == "Announcement":
            self.announced.append(message.body[3].value)
        if message.message_type != MessageType.METHOD_CALL:
            return None
        if message.member == "Embed":
            self._program = (message.body[0][0], message.body[0][1])
            assert self._bus is not None
            return Message.new_method_return(message, "(so)", [[self._bus.unique_name, ROOT]])
        if message.member in _ANSWERS:
            return Message.new_method_return(message, *_ANSWERS[message.member])
        return None

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)


class _GoneError(Exception):
    """What was to be read is there no longer."""


@contextmanager
def running_screen_reader(address: str) -> Iterator[ScreenReader]:
    """A reader on this bus; programs that are started meanwhile let it read them."""
    reader = ScreenReader(address)
    reader.start()
    # Qt warns of a question about a widget that went away meanwhile; that is ours to live with, and nobody's fault.
    variables = {"AT_SPI_BUS_ADDRESS": address, "QT_LOGGING_RULES": "qt.accessibility.atspi.warning=false"}
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            yield reader
    finally:
        reader.stop()
