"""A desk of conversations as a test uses it: what is asked there, what is shown, and what is found."""

from __future__ import annotations

from collections.abc import Callable

from fakes.desktop_qt import wait_until
from meadow_desktop.chat.conversation import Answer
from meadow_desktop.chat.desk import ChatDesk
from meadow_desktop.chat.search import SearchHit

MakeDesk = Callable[..., ChatDesk]


def last(desk: ChatDesk) -> Answer:
    conversation = desk.open_conversation
    assert conversation is not None
    assert conversation.last_answer is not None
    return conversation.last_answer


def talk(desk: ChatDesk, *questions: str) -> None:
    for question in questions:
        desk.ask(question)
        wait_until(lambda: last(desk).is_final)


def shown(desk: ChatDesk) -> list[str]:
    """The questions of the open conversation."""
    conversation = desk.open_conversation
    return [message.text for message in conversation.messages if message.role == "user"] if conversation else []


def message_id(desk: ChatDesk, place: int) -> str:
    conversation = desk.open_conversation
    assert conversation is not None
    return conversation.messages[place].id


def search(desk: ChatDesk, query: str) -> list[SearchHit]:
    found: list[tuple[str, list[SearchHit]]] = []
    connection = desk.found.connect(lambda query, hits: found.append((query, hits)))
    desk.search("what was typed before")
    desk.search(query)
    wait_until(lambda: bool(found))
    desk.found.disconnect(connection)
    assert [each for each, _hits in found] == [query]
    return found[0][1]


def titles(desk: ChatDesk) -> list[str]:
    return [head.title for head in desk.conversations]
