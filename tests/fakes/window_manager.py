"""What a window manager does on an X server: makes windows and says things about them.

Speaks the protocol itself, so that nothing but Xvfb is needed.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_ATOM, _WINDOW = 4, 33  # types that every server knows by these numbers


class WindowManager:
    """Connected to a server that lets everybody in."""

    def __init__(self, display: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(10)
        self._socket.connect(f"/tmp/.X11-unix/X{display.removeprefix(':')}")
        self._socket.sendall(struct.pack("<BxHHHHxx", ord("l"), 11, 0, 0, 0))
        head = self._receive(8)
        assert head[0] == 1
        body = self._receive(struct.unpack_from("<H", head, 6)[0] * 4)
        self._next_window = int(struct.unpack_from("<I", body, 4)[0])
        vendor_length, formats_count = struct.unpack_from("<H", body, 16)[0], body[21]
        (self._root,) = struct.unpack_from("<I", body, 32 + (vendor_length + 3) // 4 * 4 + formats_count * 8)

    def open_window(self, *states: str) -> int:
        """A window in these states, such as `_NET_WM_STATE_FULLSCREEN`."""
        self._next_window += 1
        geometry = struct.pack("<hhHHHHII", 0, 0, 640, 480, 0, 1, 0, 0)
        self._send(1, 0, struct.pack("<II", self._next_window, self._root) + geometry)
        self.set_states(self._next_window, *states)
        return self._next_window

    def set_states(self, window: int, *states: str) -> None:
        """What the window is now."""
        self._change(window, "_NET_WM_STATE", _ATOM, [self._atom(state) for state in states])

    def put_in_front(self, window: int) -> None:
        """This window has the keyboard; 0 means that none has."""
        self._change(self._root, "_NET_ACTIVE_WINDOW", _WINDOW, [window])

    def close_window(self, window: int) -> None:
        """It is gone, and the one in front has not been named yet."""
        self._send(4, 0, struct.pack("<I", window))
        self._atom("WM_STATE")

    def disconnect(self) -> None:
        """Its windows vanish with it."""
        self._socket.close()

    def _change(self, window: int, name: str, kind: int, numbers: Sequence[int]) -> None:
        data = struct.pack(f"<{len(numbers)}I", *numbers)
        atom = self._atom(name)
        self._send(18, 0, struct.pack("<IIIBxxxI", window, atom, kind, 32, len(numbers)) + data)
        self._atom("WM_STATE")  # its answer means that the change before it has been made

    def _atom(self, name: str) -> int:
        encoded = name.encode()
        self._send(16, 0, struct.pack("<HH", len(encoded), 0) + encoded + bytes(-len(encoded) % 4))
        answer = self._receive(32)
        assert answer[0] == 1, "the server refused"
        (number,) = struct.unpack_from("<I", answer, 8)
        return int(number)

    def _send(self, opcode: int, detail: int, body: bytes) -> None:
        self._socket.sendall(struct.pack("<BBH", opcode, detail, 1 + len(body) // 4) + body)

    def _receive(self, size: int) -> bytes:
        received = b""
        while len(received) < size:
            part = self._socket.recv(size - len(received))
            assert part, "the server hung up"
            received += part
        return received


@contextmanager
def managing(display: str) -> Iterator[WindowManager]:
    """A window manager for the time of the block."""
    manager = WindowManager(display)
    try:
        yield manager
    finally:
        manager.disconnect()
