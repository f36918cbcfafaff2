"""A chat page with a desk, a fake engine and conversations, for tests of its controls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from PySide6.QtWidgets import QLineEdit, QPushButton, QTextEdit, QWidget

from fakes.desktop_qt import settle, wait_until
from meadow_desktop.chat.conversation import Answer, Conversation
from meadow_desktop.chat.desk import ChatDesk
from meadow_desktop.chat.keeping.store import ConversationStore
from meadow_desktop.engine.link import EngineLink
from meadow_desktop.engine.link_state import Connected
from meadow_desktop.windows.chat.chat_page import ChatPage
from meadow_desktop.windows.main_window import MainWindow
from meadow_desktop.windows.theme import LIGHT
from meadow_engine.api.places import Places

W = TypeVar("W", bound=QWidget)


class Room:
    """What somebody in front of the window sees and reaches."""

    def __init__(self, window: MainWindow, page: ChatPage, desk: ChatDesk) -> None:
        self.window, self.page, self.desk = window, page, desk

    @property
    def open(self) -> Conversation:
        conversation = self.desk.open_conversation
        assert conversation is not None
        return conversation

    @property
    def answer(self) -> Answer:
        assert self.open.last_answer is not None
        return self.open.last_answer

    def talk(self, *questions: str) -> None:
        for question in questions:
            self.desk.ask(question)
            self.wait()

    def wait(self) -> None:
        wait_until(lambda: self.answer.is_final)
        settle()

    def all(self, kind: type[W], name: str) -> list[W]:
        """Those on the screen, from above to below."""
        settle()
        found = [each for each in self.window.findChildren(kind, name) if each.isVisible()]
        return sorted(found, key=lambda each: each.mapTo(self.window, each.rect().topLeft()).y())

    def one(self, kind: type[W], name: str) -> W:
        """The lowest of them."""
        found = self.all(kind, name)
        assert found, name
        return found[-1]

    def button(self, name: str) -> QPushButton:
        return self.one(QPushButton, name)

    def field(self, name: str) -> QLineEdit:
        return self.one(QLineEdit, name)

    def text(self, name: str) -> QTextEdit:
        return self.one(QTextEdit, name)


@contextmanager
def opened_room(places: Places, undo_ms: int = 10_000) -> Iterator[Room]:
    """The page in a window; the engine has to run already."""
    link = EngineLink(places, factory=None)
    link.begin()
    wait_until(lambda: isinstance(link.state, Connected))
    desk = ChatDesk(ConversationStore(places.conversations), link, undo_ms)
    desk.load()
    window = MainWindow()
    page = ChatPage(desk, LIGHT)
    window.add_page("chat", "Chat", page)
    window.come_forward()
    window.activateWindow()
    settle()
    try:
        yield Room(window, page, desk)
    finally:
        window.hide()
        window.deleteLater()
        desk.close()
        link.close()
        settle()
