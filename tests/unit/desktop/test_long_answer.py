"""The fake engine's state `long`, with which the app is measured."""

from __future__ import annotations

from meadow_desktop.chat.answering import TextArrived
from meadow_desktop.chat.chunks import read_chunk
from meadow_desktop.fakes_of_engine.answers import LONG_WORDS, answer, long_text


def test_the_long_answer_has_20_000_words_and_loses_none_between_its_400_pieces() -> None:
    chunks = [event.removeprefix("data: ") for event in answer("long", 1, 0.0)]
    events = [event for chunk in chunks for event in read_chunk(chunk)]
    arrived = [event for event in events if isinstance(event, TextArrived)]
    assert "".join(each.text for each in arrived) == long_text()
    assert len(long_text().split()) >= LONG_WORDS == 20_000
    assert 390 <= len(arrived) <= 400
