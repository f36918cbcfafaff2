"""Server-sent events, however the socket cuts them."""

from __future__ import annotations

import pytest

from meadow_desktop.engine.sse import MAX_EVENT_BYTES, EventParser, EventTooLargeError, ServerSentEvent

STREAM = 'event: status\ndata: {"a": 1}\n\n: sign of life\n\ndata: grüße\r\ndata: 🌱\r\n\r\ndata: [DONE]\n\n'.encode()
EVENTS = [
    ServerSentEvent("status", '{"a": 1}'),
    ServerSentEvent("message", "grüße\n🌱"),
    ServerSentEvent("message", "[DONE]"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_the_same_wherever_the_stream_is_cut(size: int) -> None:
    parser = EventParser()
    events = []
    for start in range(0, len(STREAM), size):
        events += parser.feed(STREAM[start : start + size])
    assert events == EVENTS


def test_an_event_is_given_only_when_it_is_whole() -> None:
    parser = EventParser()
    assert parser.feed(b"data: half") == []
    assert parser.feed(b" and half\n") == []
    assert parser.feed(b"\n") == [ServerSentEvent("message", "half and half")]


def test_an_event_without_end_is_refused() -> None:
    parser = EventParser()
    with pytest.raises(EventTooLargeError):
        parser.feed(b"data: " + b"x" * (MAX_EVENT_BYTES + 1))


def test_many_lines_of_one_event_count_together() -> None:
    parser = EventParser()
    line = b"data: " + b"x" * (MAX_EVENT_BYTES // 2) + b"\n"
    parser.feed(line)
    with pytest.raises(EventTooLargeError):
        parser.feed(line + line)
