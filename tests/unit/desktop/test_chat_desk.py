"""Conversations against a fake engine over real sockets: streaming, stopping, asking again, losing the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QListWidget, QPushButton, QTextEdit

from fakes.chat_desk import last
from fakes.desktop_qt import settle, wait_until
from fakes.engine_link import connect
from meadow_desktop.chat.conversation import Conversation, Question
from meadow_desktop.chat.desk import ChatDesk
from meadow_desktop.chat.keeping.store import ConversationStore
from meadow_desktop.engine.link import EngineLink
from meadow_desktop.engine.link_state import Connected, Unreachable
from meadow_desktop.fake_engine import FakeEngine
from meadow_desktop.fakes_of_engine.answers import CANNED
from meadow_desktop.tray.view import present
from meadow_desktop.windows.chat.chat_page import ChatPage
from meadow_desktop.windows.main_window import MainWindow
from meadow_desktop.windows.theme import LIGHT
from meadow_engine.api.errors import Problem
from meadow_engine.api.places import Places

StartEngine = Callable[..., FakeEngine]


@pytest.fixture
def desk(link: EngineLink, places: Places) -> Iterator[ChatDesk]:
    desk = ChatDesk(ConversationStore(places.conversations), link)
    yield desk
    desk.close()


def reread(places: Places) -> list[Conversation]:
    """What another start of the program would find."""
    store = ConversationStore(places.conversations)
    return [store.read(head.id) for head in store.load().heads]


def is_writing(desk: ChatDesk) -> bool:
    return last(desk).phase == "writing" and len(last(desk).text) > 20


def test_an_answer_arrives_in_pieces_and_says_who_gave_it(
    link: EngineLink, desk: ChatDesk, start_engine: StartEngine
) -> None:
    engine = start_engine()
    connect(link)
    lengths: list[int] = []
    desk.changed.connect(lambda _: lengths.append(len(last(desk).text)))
    desk.ask("  What is a swarm?  ")
    wait_until(lambda: last(desk).phase == "complete")
    assert last(desk).text == CANNED[0]
    assert len(set(lengths)) > 20
    origin = last(desk).origin
    assert origin is not None
    assert [link.name for link in origin.chain] == ["volunteer-a", "volunteer-b", "volunteer-c"]
    (request,) = engine.requests
    assert request["stream"]
    assert request["stream_options"] == {"include_usage": True}
    assert request["messages"] == [{"role": "user", "content": "What is a swarm?"}]
    desk.ask("And then?")
    wait_until(lambda: last(desk).phase == "complete")
    assert [message["role"] for message in engine.requests[1]["messages"]] == ["user", "assistant", "user"]


def test_stopping_hangs_up_and_keeps_what_was_written(
    link: EngineLink, desk: ChatDesk, start_engine: StartEngine, places: Places
) -> None:
    engine = start_engine(piece_s=0.02)
    connect(link)
    desk.ask("q")
    wait_until(lambda: is_writing(desk))
    desk.stop()
    text = last(desk).text
    assert last(desk).phase == "stopped"
    wait_until(lambda: engine.answers_cut == 1)
    assert last(desk).text == text
    (saved,) = reread(places)
    assert saved.last_answer == last(desk)


def test_asking_again_writes_another_answer_beside_the_first(
    link: EngineLink, desk: ChatDesk, start_engine: StartEngine
) -> None:
    engine = start_engine()
    connect(link)
    desk.ask("q")
    wait_until(lambda: last(desk).is_final)
    desk.ask_again()
    assert last(desk).text == ""
    wait_until(lambda: last(desk).is_final)
    assert last(desk).text == CANNED[1]
    assert engine.requests[0]["messages"] == engine.requests[1]["messages"]
    desk.switch(last(desk).id, -1)
    assert last(desk).text == CANNED[0]
    conversation = desk.open_conversation
    assert conversation is not None
    assert len(conversation.messages) == 2


def test_several_conversations_are_answered_at_once_and_kept(
    link: EngineLink, desk: ChatDesk, start_engine: StartEngine, places: Places
) -> None:
    start_engine(piece_s=0.01)
    connect(link)
    desk.ask("first")
    first = desk.open_conversation
    assert first is not None
    desk.open("")
    assert desk.open_conversation is None
    desk.ask("second")
    wait_until(lambda: not any(desk.is_busy(each.id) for each in desk.conversations))
    assert [each.title for each in desk.conversations] == ["second", "first"]
    assert sorted(each.last_answer.text for each in reread(places) if each.last_answer) == sorted(CANNED)
    again = ChatDesk(ConversationStore(places.conversations), link)
    again.load()
    assert again.conversations == desk.conversations
    desk.open(first.id)
    desk.delete(first.id)
    assert desk.open_conversation is None
    assert [each.title for each in reread(places)] == ["second"]


def test_a_lost_server_and_a_refusal_are_shown_and_can_be_tried_again(
    link: EngineLink, desk: ChatDesk, start_engine: StartEngine
) -> None:
    engine = start_engine("lost")
    connect(link)
    desk.ask("q")
    wait_until(lambda: last(desk).phase == "failed")
    assert last(desk).problem == Problem(
        code="server-lost",
        message="The computer volunteer-b with layers 3–5 stopped answering",
        advice="Ask again: the swarm finds another way.",
    )
    assert last(desk).text
    engine.mishap = "refused"
    desk.ask_again()
    wait_until(lambda: last(desk).phase == "failed")
    problem = last(desk).problem
    assert problem is not None
    assert (problem.code, problem.advice) == ("layers-missing", "Try again when more computers are on.")
    engine.mishap = ""
    desk.ask_again()
    wait_until(lambda: last(desk).phase == "complete")


def test_waiting_for_layers_is_said_while_it_lasts(link: EngineLink, desk: ChatDesk, start_engine: StartEngine) -> None:
    start_engine("missing")
    connect(link)
    desk.ask("q")
    wait_until(lambda: last(desk).phase == "waiting")
    assert "layers 3–5" in last(desk).notice
    wait_until(lambda: last(desk).phase == "complete")


def test_a_question_asked_before_the_engine_is_there_waits_for_it(
    link: EngineLink, desk: ChatDesk, start_engine: StartEngine
) -> None:
    link.begin()
    desk.ask("early")
    assert last(desk).phase == "waiting"
    start_engine()
    wait_until(lambda: last(desk).phase == "complete")
    assert last(desk).notice == ""


def test_without_an_engine_a_question_fails_in_words(link: EngineLink, desk: ChatDesk) -> None:
    link.begin()
    desk.ask("q")
    wait_until(lambda: last(desk).phase == "failed")
    problem = last(desk).problem
    assert problem is not None
    assert problem.code == "engine-absent"
    assert problem.advice


def test_a_stale_record_of_a_dead_engine_is_not_believed(
    link: EngineLink, start_engine: StartEngine, places: Places
) -> None:
    engine = start_engine()
    record = places.engine_file.read_bytes()
    engine.stop()
    places.engine_file.write_bytes(record)
    link.begin()
    wait_until(lambda: isinstance(link.state, Unreachable))
    start_engine()
    wait_until(lambda: isinstance(link.state, Connected))


def test_the_switch_asks_the_engine_and_shows_what_it_says(link: EngineLink, start_engine: StartEngine) -> None:
    engine = start_engine("off")
    connect(link)
    link.set_sharing(True)
    pending = [link.is_sharing_pending]
    link.changed.connect(lambda: pending.append(link.is_sharing_pending))
    wait_until(lambda: present(link.state).shape == "sharing" and not link.is_sharing_pending)
    assert (pending[0], pending[-1]) == (True, False)
    engine.set_sharing(False)  # somebody else did: `meadow pause`
    wait_until(lambda: present(link.state).shape == "off")


@contextmanager
def opened_window(desk: ChatDesk, link: EngineLink) -> Iterator[MainWindow]:
    window = MainWindow()
    window.add_page("chat", "Chat", ChatPage(desk, LIGHT))
    desk.trouble.connect(window.show_problem)
    desk.trouble_over.connect(window.hide_problem)
    window.show_engine(present(link.state), is_pending=False)
    window.come_forward()
    settle()
    yield window
    window.hide()
    window.deleteLater()
    settle()


def button(window: MainWindow, name: str) -> QPushButton:
    found = window.findChild(QPushButton, name)
    assert found is not None, name
    return found


def test_the_window_sends_on_enter_and_begins_a_line_on_shift_enter(
    link: EngineLink, desk: ChatDesk, start_engine: StartEngine
) -> None:
    start_engine(piece_s=0.02)
    connect(link)
    with opened_window(desk, link) as window:
        field = window.findChild(QTextEdit, "composer-text")
        assert field is not None
        assert not button(window, "send").isEnabled()
        QTest.keyClicks(field, "one")
        QTest.keyClick(field, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
        QTest.keyClicks(field, "two")
        QTest.keyClick(field, Qt.Key.Key_Return)
        conversation = desk.open_conversation
        assert conversation is not None
        assert isinstance(conversation.messages[0], Question)
        assert conversation.messages[0].text == "one\ntwo"
        assert field.toPlainText() == ""
        wait_until(lambda: is_writing(desk))
        QTest.keyClicks(field, "next")
        QTest.keyClick(field, Qt.Key.Key_Return)
        assert field.toPlainText() == "next"  # not sent while an answer is under way, and not lost
        QTest.mouseClick(button(window, "stop"), Qt.MouseButton.LeftButton)
        assert last(desk).phase == "stopped"
        settle()
        QTest.mouseClick(button(window, "regenerate"), Qt.MouseButton.LeftButton)
        wait_until(lambda: last(desk).phase == "complete")


def test_long_titles_do_not_make_the_window_wider(link: EngineLink, desk: ChatDesk, start_engine: StartEngine) -> None:
    start_engine()
    connect(link)
    with opened_window(desk, link) as window:
        desk.ask("W" * 400 + "\n" + "long " * 500)
        settle()
        assert window.width() == 1080
        window.resize(640, 440)
        settle()
        assert (window.width(), window.height()) == (640, 440)
        titles = window.findChild(QListWidget, "conversation-list")
        assert titles is not None
        assert titles.horizontalScrollBar().maximum() == 0


def test_a_folder_that_takes_no_conversations_is_a_sentence_in_the_window(
    link: EngineLink, places: Places, start_engine: StartEngine
) -> None:
    places.data.mkdir(parents=True)
    places.conversations.write_text("in the way")
    start_engine()
    connect(link)
    desk = ChatDesk(ConversationStore(places.conversations), link)
    with opened_window(desk, link) as window:
        desk.load()
        desk.ask("q")
        wait_until(lambda: last(desk).phase == "complete")
        notice = button(window, "dismiss-notice")
        assert notice.isVisible()
        places.conversations.unlink()
        desk.ask("again")
        wait_until(lambda: last(desk).phase == "complete")
        assert not notice.isVisible()
