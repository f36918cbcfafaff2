"""As much of the X11 protocol as it takes to ask a few questions, over the socket and without Xlib.

Xlib ends the whole process when its server goes away; a volunteer's engine must outlive the desktop. Here a lost server
is an exception.

    setup     byte order, version, cookie  →  root window, ids that are ours
    request   opcode, detail, length in words, arguments  →  a reply, an error, or nothing
    event     32 bytes, any time, given to `on_event`

Only a server on this computer is spoken to (a Unix socket): the screen of `ssh -X` is another person's desk.
Event loop only. A message that claims to be longer than `_MAX_REPLY_BYTES` ends the connection.
Sources: X Window System Protocol, appendix B; Xau's file format.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from meadow_engine.senses.desktop_socket import DesktopSocket

_SOCKET_FOLDER = "/tmp/.X11-unix"
_COOKIE = b"MIT-MAGIC-COOKIE-1"
_LOCAL_FAMILY, _ANY_FAMILY = 256, 65535
_UNIT_BYTES = 32
_MAX_REPLY_BYTES = 1 << 20
_ERROR, _REPLY, _GENERIC_EVENT = 0, 1, 35
_QUERY_EXTENSION = 98


class X11Error(Exception):
    """The server refused us, lacks an extension, said something impossible, or is gone."""


class X11RefusedError(X11Error):
    """The server answered a request with an error, as for a window that has just been closed; the rest stands."""


class Extension(NamedTuple):
    """Numbers that an extension has on this server."""

    opcode: int
    first_event: int


def display_number(display: str) -> int | None:
    """The number in a DISPLAY of this computer, such as `:1` or `unix:0.0`; None where it is on another computer."""
    found = re.fullmatch(r"(?:unix)?:(\d{1,5})(?:\.\d+)?", display)
    return int(found[1]) if found else None


def find_cookie(authority: bytes, number: int, hostname: str) -> bytes | None:
    """The secret for a display in the bytes of an Xauthority file; None when there is none or the file is cut short."""
    at = 0
    try:
        while at < len(authority):
            (family,) = struct.unpack_from(">H", authority, at)
            at += 2
            fields: list[bytes] = []
            for _ in range(4):
                (length,) = struct.unpack_from(">H", authority, at)
                fields.append(authority[at + 2 : at + 2 + length])
                at += 2 + length
            address, display, kind, cookie = fields
            is_ours = family == _ANY_FAMILY or (family == _LOCAL_FAMILY and address == hostname.encode())
            if kind == _COOKIE and is_ours and display in (b"", str(number).encode()):
                return cookie
    except struct.error:
        pass
    return None


def padded(raw: bytes) -> bytes:
    """With zeros, up to whole words."""
    return raw + bytes(-len(raw) % 4)


class X11Connection(DesktopSocket):
    """One program's connection to an X server on this computer."""

    def __init__(self) -> None:
        super().__init__(X11Error)
        self.on_event: Callable[[bytes], None] = lambda _event: None
        self.root = 0
        self._id_base = 0
        self._ids_used = 0
        self._unread = b""
        self._setup: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sequence = 0
        self._replies: dict[int, asyncio.Future[bytes]] = {}  # by the lower half of the request's number

    @classmethod
    async def open(cls, display: str, authority: Path) -> X11Connection:
        """Connect to a display with the secret in the authority file, if any; OSError or X11Error when that fails."""
        number = display_number(display)
        if number is None:
            raise X11Error("this display is not on this computer")
        cookie = find_cookie(read_authority(authority), number, socket.gethostname())
        loop = asyncio.get_running_loop()
        path = f"{_SOCKET_FOLDER}/X{number}"
        try:
            _, connection = await loop.create_unix_connection(cls, path)
        except OSError:
            # Inside a sandbox the folder may be another one, while the abstract socket is the same.
            _, connection = await loop.create_unix_connection(cls, "\0" + path)
        try:
            kind = _COOKIE if cookie else b""
            opening = struct.pack("<cxHHHH2x", b"l", 11, 0, len(kind), len(cookie or b""))  # l: lower byte first
            connection._write(opening + padded(kind) + padded(cookie or b""))
            await connection._wait_for(connection._setup)
        except BaseException:
            connection.drop()
            raise
        return connection

    async def extension(self, name: str) -> Extension | None:
        """Ask for an extension by its name."""
        raw = name.encode()
        reply = await self.ask(_QUERY_EXTENSION, 0, struct.pack("<H2x", len(raw)) + padded(raw))
        is_present, opcode, first_event = struct.unpack_from("<BBB", reply, 8)
        return Extension(opcode, first_event) if is_present else None

    async def ask(self, opcode: int, detail: int, arguments: bytes = b"") -> bytes:
        """Send a request that has a reply; gives the whole reply, at least 32 bytes."""
        number = self.tell(opcode, detail, arguments)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._replies[number] = future
        try:
            return await self._wait_for(future)
        finally:
            self._replies.pop(number, None)

    def tell(self, opcode: int, detail: int, arguments: bytes = b"") -> int:
        """Send a request without a reply; gives its number, modulo 65536."""
        self._write(struct.pack("<BBH", opcode, detail, 1 + len(arguments) // 4) + arguments)
        self._sequence = (self._sequence + 1) & 0xFFFF
        return self._sequence

    def new_id(self) -> int:
        """An id for a resource of ours."""
        self._ids_used += 1
        return self._id_base | self._ids_used

    def data_received(self, data: bytes) -> None:
        self._unread += data
        try:
            if not self._setup.done():
                self._take_setup()
            while self._setup.done() and len(self._unread) >= _UNIT_BYTES and not self.is_lost:
                size = _UNIT_BYTES
                if self._unread[0] in (_REPLY, _GENERIC_EVENT):
                    size += 4 * struct.unpack_from("<I", self._unread, 4)[0]
                if size > _MAX_REPLY_BYTES:
                    raise X11Error("a reply is too long")
                if len(self._unread) < size:
                    return
                unit, self._unread = self._unread[:size], self._unread[size:]
                self._take(unit)
        except (X11Error, struct.error):
            self.drop()

    def _take_setup(self) -> None:
        if len(self._unread) < 8:
            return
        status, words = struct.unpack_from("<B5xH", self._unread)
        size = 8 + 4 * words
        if len(self._unread) < size:
            return
        raw, self._unread = self._unread[:size], self._unread[size:]
        if status != 1:
            raise X11Error("the X server wants another secret")
        (self._id_base,) = struct.unpack_from("<I", raw, 12)
        (vendor_bytes,) = struct.unpack_from("<H", raw, 24)
        format_count = raw[29]
        (self.root,) = struct.unpack_from("<I", raw, 40 + vendor_bytes + -vendor_bytes % 4 + 8 * format_count)
        self._setup.set_result(None)

    def _take(self, unit: bytes) -> None:
        if unit[0] not in (_ERROR, _REPLY):
            self.on_event(unit)
            return
        future = self._replies.get(struct.unpack_from("<H", unit, 2)[0])
        if future is None or future.done():
            return
        if unit[0] == _REPLY:
            future.set_result(unit)
        else:
            future.set_exception(X11RefusedError(f"the X server refused a request (error {unit[1]})"))


def authority_path(environment: Mapping[str, str]) -> Path:
    """Where the person's secrets for displays are, be there a file or not."""
    told = environment.get("XAUTHORITY")
    return Path(told) if told else Path(environment.get("HOME") or "/", ".Xauthority")


def read_authority(path: Path) -> bytes:
    """The file's bytes; empty where there is none, as with a server that asks for no secret."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
