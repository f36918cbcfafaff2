"""A D-Bus daemon of the test's own, and services on it that answer what the test tells them to.

Everything runs on the test's event loop; the daemon is a real process.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dbus_fast import ErrorType, Message, MessageType, RequestNameReply, Variant
from dbus_fast.aio import MessageBus

Method = Callable[..., tuple[str, list[Any]] | None]
"""Takes a call's arguments; gives signature and values of the answer, or None for no answer ever."""


@contextmanager
def running_bus(socket: Path | None = None) -> Iterator[str]:
    """A bus, by its address, at this path if one is given; the test is skipped where there is no daemon."""
    with running_daemon(socket) as (address, _):
        yield address


@contextmanager
def running_daemon(socket: Path | None = None) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """As `running_bus`, with the daemon, which may be killed or frozen."""
    if shutil.which("dbus-daemon") is None:
        pytest.skip("dbus-daemon is not installed")
    where = [f"--address=unix:path={socket}"] if socket else []
    daemon = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address", *where],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert daemon.stdout is not None
        yield daemon.stdout.readline().strip(), daemon
    finally:
        daemon.send_signal(signal.SIGCONT)
        daemon.terminate()
        daemon.communicate(timeout=10)


class FakeService:
    """A program that owns a name on a bus: methods by (path, interface, member), properties by (path, interface)."""

    def __init__(self, address: str, name: str) -> None:
        self._address = address
        self._name = name
        self._bus: MessageBus | None = None
        self.methods: dict[tuple[str, str, str], Method] = {}
        self.properties: dict[tuple[str, str], dict[str, Variant]] = {}
        self.calls: list[str] = []

    async def start(self) -> None:
        """Appear on the bus."""
        self._bus = await MessageBus(bus_address=self._address).connect()
        self._bus.add_message_handler(self._answer)
        assert await self._bus.request_name(self._name) == RequestNameReply.PRIMARY_OWNER

    async def stop(self) -> None:
        """Vanish from the bus, as a program that ends."""
        if self._bus is not None:
            self._bus.disconnect()
            await self._bus.wait_for_disconnect()
            self._bus = None

    async def signal(self, path: str, interface: str, member: str, signature: str, values: list[Any]) -> None:
        """Tell everybody who listens."""
        assert self._bus is not None
        await self._bus.send(Message.new_signal(path, interface, member, signature, values))

    def _answer(self, message: Message) -> Message | bool | None:
        if message.message_type is not MessageType.METHOD_CALL or not message.path:
            return None
        self.calls.append(message.member or "")
        if message.member == "GetAll":
            found = self.properties.get((message.path, message.body[0]), {})
            return Message.new_method_return(message, "a{sv}", [found])
        if message.member == "Get":
            interface, name = message.body
            found = self.properties.get((message.path, interface), {})
            if name not in found:
                return Message.new_error(message, ErrorType.UNKNOWN_PROPERTY, "no such property here")
            return Message.new_method_return(message, "v", [found[name]])
        method = self.methods.get((message.path, message.interface or "", message.member or ""))
        if method is None:
            return Message.new_error(message, ErrorType.UNKNOWN_METHOD, "no such method here")
        answer = method(*message.body)
        return True if answer is None else Message.new_method_return(message, *answer)
