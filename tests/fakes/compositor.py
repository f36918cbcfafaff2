"""Wayland compositors for tests: one that speaks the wire protocol as it is told to, and KWin without a screen.

The fake runs on the test's event loop, on a real Unix socket. It knows the registry, seats and the two idle protocols.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fakes.private_bus import running_bus

EXT_IDLE = "ext_idle_notifier_v1"
KDE_IDLE = "org_kde_kwin_idle"
_DISPLAY = 1


@dataclass
class _Client:
    writer: asyncio.StreamWriter
    registry: int = 0
    bound: dict[int, int] = field(default_factory=dict)  # object → name of the global
    notices: dict[int, tuple[int, int]] = field(default_factory=dict)  # object → seat's name, timeout_ms

    def send(self, sender: int, opcode: int, arguments: bytes = b"") -> None:
        self.writer.write(struct.pack("=II", sender, (8 + len(arguments)) << 16 | opcode) + arguments)


class FakeCompositor:
    """Offers these globals, in this order; a name of a global is its place, from 1."""

    def __init__(self, path: Path, *interfaces: str) -> None:
        self._path = path
        self._offered = dict(enumerate(interfaces, 1))
        self._clients: list[_Client] = []
        self._server: asyncio.Server | None = None
        self.highest_id = 0
        self.is_frozen = False

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_unix_server(self._serve, self._path)

    async def stop(self) -> None:
        """End, as a compositor that crashes."""
        assert self._server is not None
        self._server.close()
        for client in self._clients:
            client.writer.transport.abort()
        await asyncio.sleep(0.01)

    @property
    def notices(self) -> list[tuple[int, int]]:
        """What clients want to hear of: seat's name and milliseconds."""
        return [notice for client in self._clients for notice in client.notices.values()]

    def idled(self, seat: int) -> None:
        """Nobody has used this seat for as long as was asked for."""
        self._notify(seat, 0)

    def resumed(self, seat: int) -> None:
        """Somebody uses this seat again."""
        self._notify(seat, 1)

    def add(self, interface: str) -> int:
        """Something more is offered; gives its name."""
        name = max(self._offered, default=0) + 1
        self._offered[name] = interface
        for client in self._clients:
            self._offer(client, name)
        return name

    def remove(self, name: int) -> None:
        """Something is offered no more."""
        del self._offered[name]
        for client in self._clients:
            client.send(client.registry, 1, struct.pack("=I", name))

    def say(self, raw: bytes) -> None:
        """Anything at all, to everybody."""
        for client in self._clients:
            client.writer.write(raw)

    def _notify(self, seat: int, opcode: int) -> None:
        for client in self._clients:
            for notice, (wanted, _) in client.notices.items():
                if wanted == seat:
                    client.send(notice, opcode)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = _Client(writer)
        self._clients.append(client)
        try:
            while True:
                receiver, size_and_opcode = struct.unpack("=II", await reader.readexactly(8))
                arguments = await reader.readexactly((size_and_opcode >> 16) - 8)
                if not self.is_frozen:
                    self._take(client, receiver, size_and_opcode & 0xFFFF, arguments)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._clients.remove(client)
            writer.close()

    def _take(self, client: _Client, receiver: int, opcode: int, arguments: bytes) -> None:
        if receiver == _DISPLAY:
            (created,) = struct.unpack("=I", arguments)
            self.highest_id = max(self.highest_id, created)
            if opcode == 0:
                client.send(created, 0, bytes(4))
                client.send(_DISPLAY, 1, struct.pack("=I", created))
            else:
                client.registry = created
                for name in self._offered:
                    self._offer(client, name)
        elif receiver == client.registry:
            (name,) = struct.unpack_from("=I", arguments)
            (created,) = struct.unpack("=I", arguments[-4:])
            client.bound[created] = name
        else:
            interface = self._offered[client.bound[receiver]]
            created, first, second = struct.unpack("=III", arguments)
            seat, timeout_ms = (first, second) if (interface, opcode) == (KDE_IDLE, 0) else (second, first)
            assert (interface, opcode) in ((KDE_IDLE, 0), (EXT_IDLE, 1))
            client.notices[created] = (client.bound[seat], timeout_ms)

    def _offer(self, client: _Client, name: int) -> None:
        raw = self._offered[name].encode() + b"\0"
        text = struct.pack("=I", len(raw)) + raw + bytes(-len(raw) % 4)
        client.send(client.registry, 0, struct.pack("=I", name) + text + struct.pack("=I", 1))


@contextmanager
def running_kwin(folder: Path) -> Iterator[Path]:
    """KWin without a screen, by its socket; the test is skipped where it is not installed.

    Programs may send it fake input. The binary is copied, because the installed one has a file capability that some
    containers refuse to run; its name is kept, because KWin looks at it.
    """
    installed = shutil.which("kwin_wayland")
    if installed is None:
        pytest.skip("kwin_wayland is not installed")
    program = folder / "kwin_wayland"
    shutil.copyfile(installed, program)
    program.chmod(0o700)
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    with running_bus() as bus:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(runtime),
            "DBUS_SESSION_BUS_ADDRESS": bus,
            "KWIN_COMPOSE": "Q",
            "KWIN_WAYLAND_NO_PERMISSION_CHECKS": "1",
        }
        compositor = subprocess.Popen(
            [program, "--virtual", "--no-lockscreen", "--no-global-shortcuts", "--socket", "wayland-7"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            socket = runtime / "wayland-7"
            deadline = time.monotonic() + 20
            while not socket.is_socket():
                assert compositor.poll() is None, "KWin did not start"
                assert time.monotonic() < deadline, "KWin is not ready"
                time.sleep(0.05)
            yield socket
        finally:
            compositor.kill()
            compositor.wait(10)


@contextmanager
def running_xwayland(compositor: Path) -> Iterator[str]:
    """An X server for X programs on this compositor, by its display; skipped where it is not installed."""
    if shutil.which("Xwayland") is None:
        pytest.skip("Xwayland is not installed")
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xwayland", "-displayfd", str(write), "-rootless", "-noreset"],
        env={**os.environ, "WAYLAND_DISPLAY": str(compositor), "XDG_RUNTIME_DIR": str(compositor.parent)},
        pass_fds=(write,),
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    try:
        with os.fdopen(read) as numbers:
            yield f":{numbers.readline().strip()}"
    finally:
        server.kill()
        server.wait(10)
