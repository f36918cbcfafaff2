"""Server-sent events: bytes as they come off a socket in, whole events out. Pure.

Follows https://html.spec.whatwg.org/multipage/server-sent-events.html for `event` and `data`; ids and retry
times have no use here. Pieces may be cut anywhere, also inside a UTF-8 character or between CR and LF.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_EVENT_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class ServerSentEvent:
    """One event. `name` is "message" unless the server named it."""

    name: str
    data: str


class EventTooLargeError(ValueError):
    """The other end sent more than `MAX_EVENT_BYTES` without ending its event."""


class EventParser:
    """Collects pieces until events are whole."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[str] = []
        self._held_bytes = 0

    def feed(self, piece: bytes) -> list[ServerSentEvent]:
        """Take the next piece; return the events that it completed.

        Raises:
            EventTooLargeError: nothing that long is meant for a person.
        """
        pending = self._rest + piece
        # A CR at the very end may be half of a CR LF: wait for what follows.
        held_back = b"\r" if pending.endswith(b"\r") else b""
        text = pending[: len(pending) - len(held_back)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, last = text.split(b"\n")
        self._rest = last + held_back
        events = []
        for line in lines:
            event = self._take_line(line.decode("utf-8", errors="replace"))
            if event is not None:
                events.append(event)
        if self._held_bytes + len(self._rest) > MAX_EVENT_BYTES:
            raise EventTooLargeError
        return events

    def _take_line(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._dispatch()
        if line.startswith(":"):
            return None
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
            self._held_bytes += len(value)
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        name, data = self._name or "message", self._data
        self._name, self._data, self._held_bytes = "", [], 0
        return ServerSentEvent(name, "\n".join(data)) if data else None
