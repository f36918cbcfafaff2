"""A panel of our own: a StatusNotifierWatcher that sees icon and menu as a real panel does, and clicks.

Runs an event loop in a thread, because the tests wait for other programs in theirs.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dbus_fast import Message, MessageType, RequestNameReply, Variant
from dbus_fast.aio import MessageBus

WATCHER = "org.kde.StatusNotifierWatcher"
ITEM = "org.kde.StatusNotifierItem"
MENU = "com.canonical.dbusmenu"


class TrayHost:
    """What is in the panel."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._bus: MessageBus | None = None
        self.items: list[str] = []

    def start(self) -> None:
        """Own the watcher's name."""
        self._thread.start()
        self._run(self._start())

    def stop(self) -> None:
        """The panel goes away."""
        if self._bus is not None:
            self._loop.call_soon_threadsafe(self._bus.disconnect)
            time.sleep(0.1)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def stop_owning(self) -> None:
        """The panel crashes, as far as programs can tell."""
        assert self._bus is not None
        self._run(self._bus.release_name(WATCHER))
        self.items.clear()

    def own_again(self) -> None:
        """It is started again, and knows of no icons."""
        assert self._bus is not None
        assert self._run(self._bus.request_name(WATCHER)) == RequestNameReply.PRIMARY_OWNER

    def wait_for_item(self, timeout_s: float = 10.0) -> None:
        """Wait until a program has put an icon into the panel."""
        self._wait(lambda: bool(self.items), timeout_s)

    def tooltip(self) -> str:
        """The tooltip's title."""
        return str(self._property("ToolTip")[2])

    def icon_bytes(self) -> bytes:
        """The largest picture of the icon, as ARGB."""
        pictures = self._property("IconPixmap")
        return bytes(max(pictures, key=lambda picture: picture[0])[2])

    def menu(self) -> list[dict[str, Any]]:
        """The entries that are shown: id, label, enabled, toggle-state; a submenu's are its `entries`, as deep."""
        path = self._property("Menu")
        return _entries(self._call(path, MENU, "GetLayout", "iias", [0, -1, []])[1])

    def wait_for_menu(self, condition: Callable[[dict[str, dict[str, Any]]], bool], timeout_s: float = 10.0) -> None:
        """Wait until the menu, by label, is so."""
        self._wait(lambda: condition({each["label"]: each for each in self.menu()}), timeout_s)

    def choose(self, *labels: str) -> None:
        """Click on an entry of the menu, or of a submenu: the labels on the way there.

        Nobody can click on a grey entry: as long as there is one on the way, it is waited for.
        """
        way: list[dict[str, Any]] = []

        def is_offered() -> bool:
            way[:] = self._find(labels)
            return all(entry.get("enabled", True) for entry in way)

        self._wait(is_offered, 10.0)
        path = self._property("Menu")
        self._call(path, MENU, "Event", "isvu", [way[-1]["id"], "clicked", Variant("i", 0), 0])

    def activate(self) -> None:
        """Click on the icon itself."""
        self._call("/StatusNotifierItem", ITEM, "Activate", "ii", [0, 0])

    def _find(self, labels: Sequence[str]) -> list[dict[str, Any]]:
        way, entries = [], self.menu()
        for label in labels:
            (entry,) = [each for each in entries if each["label"] == label]
            way.append(entry)
            entries = entry["entries"]
        return way

    async def _start(self) -> None:
        self._bus = await MessageBus(bus_address=self._address).connect()
        self._bus.add_message_handler(self._answer)
        reply = await self._bus.request_name(WATCHER)
        assert reply == RequestNameReply.PRIMARY_OWNER

    def _answer(self, message: Message) -> Message | None:
        if message.message_type != MessageType.METHOD_CALL or message.path != "/StatusNotifierWatcher":
            return None
        properties = {
            "IsStatusNotifierHostRegistered": Variant("b", True),
            "RegisteredStatusNotifierItems": Variant("as", list(self.items)),
            "ProtocolVersion": Variant("i", 0),
        }
        if message.member == "Get":
            return Message.new_method_return(message, "v", [properties[message.body[1]]])
        if message.member == "GetAll":
            return Message.new_method_return(message, "a{sv}", [properties])
        if message.member == "RegisterStatusNotifierItem":
            self.items.append(message.body[0] if not message.body[0].startswith("/") else message.sender)
            return Message.new_method_return(message)
        return None

    def _property(self, name: str) -> Any:
        found = self._call("/StatusNotifierItem", "org.freedesktop.DBus.Properties", "Get", "ss", [ITEM, name])
        return found[0].value

    def _call(self, path: str, interface: str, member: str, signature: str, body: list[Any]) -> list[Any]:
        message = Message(
            destination=self.items[-1],
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=body,
        )
        assert self._bus is not None
        reply = self._run(self._bus.call(message))
        assert reply.message_type == MessageType.METHOD_RETURN, reply.body
        return list(reply.body)

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def _wait(self, condition: Callable[[], bool], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "the panel did not see it in time"
            time.sleep(0.05)


def _entries(layout: Any) -> list[dict[str, Any]]:
    entries = []
    for child in layout[2]:
        number, properties, _ = child.value
        entry = {key: value.value for key, value in properties.items()}
        if entry.get("type") != "separator" and entry.get("visible", True):
            entries.append({"id": number, "entries": _entries(child.value), **entry})
    return entries


@contextmanager
def running_tray_host(address: str) -> Iterator[TrayHost]:
    """A panel on this session bus."""
    host = TrayHost(address)
    host.start()
    try:
        yield host
    finally:
        host.stop()
