"""The list of conversations: search, rename, delete and undo, with keyboard and mouse."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QLineEdit, QListWidget, QPushButton, QStyleOptionViewItem, QTextEdit, QWidget

from fakes.chat_room import Room, opened_room
from fakes.desktop_qt import settle, wait_until
from meadow_desktop.chat.conversation import ConversationHead, begin_conversation, new_id
from meadow_desktop.chat.search import SearchHit
from meadow_desktop.chat.undo import DeletedConversation
from meadow_desktop.chat.words.undo_words import describe_deleted
from meadow_desktop.fake_engine import FakeEngine
from meadow_desktop.windows.chat import search_results
from meadow_desktop.windows.chat.conversation_list import ConversationList
from meadow_desktop.windows.chat.search_results import SearchResults
from meadow_engine.api.places import Places

CONTROL = Qt.KeyboardModifier.ControlModifier


def titles(room: Room) -> list[str]:
    found = room.one(QListWidget, "conversation-list")
    return [found.item(row).text() for row in range(found.count())]


def begin(room: Room, *questions: str) -> None:
    for question in questions:
        room.desk.open("")
        room.talk(question)


def look_for(room: Room, words: str) -> SearchResults:
    QTest.keyClick(room.text("composer-text"), Qt.Key.Key_F, CONTROL)
    field = room.field("search")
    assert field.hasFocus()
    QTest.keyClicks(field, words)
    results = room.one(SearchResults, "search-results")
    wait_until(lambda: room.one(QLabel, "search-summary").text() != "")
    settle()
    return results


def test_a_search_takes_the_lists_place_and_enter_opens_the_message(room: Room) -> None:
    begin(room, "about apples", "about pears")
    results = look_for(room, "Apples")
    assert room.all(QListWidget, "conversation-list") == []
    hits = [results.model().index(row, 0).data(Qt.ItemDataRole.UserRole) for row in range(2)]
    assert [(hit.snippet, hit.marks) for hit in hits] == [("about apples", ((6, 12),))] * 2
    QTest.keyClick(room.field("search"), Qt.Key.Key_Down)
    QTest.keyClick(room.field("search"), Qt.Key.Key_Return)
    settle()
    assert room.open.title == "about apples"
    assert room.all(QTextEdit, "question-text")[0].toPlainText() == "about apples"
    QTest.keyClick(room.field("search"), Qt.Key.Key_Escape)
    settle()
    assert titles(room) == ["about pears", "about apples"]


def test_a_hit_far_above_is_scrolled_to(room: Room) -> None:
    room.talk("the needle", *(f"hay {number}" for number in range(6)))
    look_for(room, "needle")
    QTest.keyClick(room.field("search"), Qt.Key.Key_Down)
    QTest.keyClick(room.field("search"), Qt.Key.Key_Return)
    settle()
    question = room.all(QTextEdit, "question-text")[0]
    assert question.toPlainText() == "the needle"
    transcript = room.one(QWidget, "transcript")
    assert 0 <= question.mapTo(transcript, QPoint(0, 0)).y() < 100


def test_nothing_found_is_said(room: Room) -> None:
    begin(room, "about apples")
    look_for(room, "zebra")
    assert room.one(QLabel, "search-summary").text() == "Nothing was found."


def test_hits_are_drawn_with_marks_also_behind_characters_of_two_units(room: Room) -> None:
    results = room.page.findChild(SearchResults, "search-results")
    assert results is not None
    hits = [SearchHit(new_id(), "W" * 300, "m", "🌱 sprouts " + "grow " * 60, ((2, 9), (10, 14)))]
    results.resize(180, 300)
    results.show_hits(hits)
    index = results.model().index(0, 0)
    assert "🌱 sprouts" in str(index.data(Qt.ItemDataRole.AccessibleTextRole))
    height = results.sizeHintForRow(0)
    lines = height / results.fontMetrics().lineSpacing()
    assert 3 < lines < 5.5
    results.grab()


def test_a_hit_that_has_no_room_ends_in_an_ellipsis(application: object) -> None:
    item = QStyleOptionViewItem()
    hit = SearchHit("c", "t", "m", "🌱 sprouts " + "grow " * 60, ((2, 9), (10, 14), (290, 294)))
    layout = search_results._lay_out(hit, item, 160, QColor())
    assert layout.lineCount() == 2
    assert layout.text().startswith("🌱 sprouts grow")
    assert layout.text().endswith("…")
    assert layout.lineAt(1).naturalTextWidth() <= 160
    whole = SearchHit("c", "t", "m", "short", ())
    assert search_results._lay_out(whole, item, 160, QColor()).text() == "short"


def test_the_last_question_is_edited_from_the_search_field_as_well(room: Room) -> None:
    begin(room, "about apples")
    look_for(room, "apples")
    QTest.keyClick(room.field("search"), Qt.Key.Key_E, CONTROL)
    assert room.text("edit-text").toPlainText() == "about apples"


def test_a_title_is_typed_anew_in_the_list_with_f2(room: Room) -> None:
    begin(room, "one", "two")
    found = room.one(QListWidget, "conversation-list")
    found.setFocus()
    QTest.keyClick(found, Qt.Key.Key_F2)
    field = room.field("rename-in-list")
    field.selectAll()
    QTest.keyClicks(field, "Second thoughts")
    room.desk.list_changed.emit()  # an answer elsewhere ends while somebody types
    QTest.keyClick(field, Qt.Key.Key_Return)
    settle()
    assert titles(room) == ["Second thoughts", "one"]
    assert room.desk.conversations[0].title == "Second thoughts"


def test_escape_keeps_the_old_title(room: Room) -> None:
    begin(room, "one")
    for name, focus in (("rename-in-list", "conversation-list"), ("title-field", "composer-text")):
        widget = room.one(QWidget, focus)
        widget.setFocus()
        QTest.keyClick(widget, Qt.Key.Key_F2)
        QTest.keyClicks(room.field(name), "other")
        QTest.keyClick(room.field(name), Qt.Key.Key_Escape)
        settle()
        assert room.open.title == "one"
        assert room.all(QLineEdit, name) == []


def test_the_title_above_the_messages_is_typed_anew_with_a_double_click(room: Room) -> None:
    begin(room, "one")
    QTest.mouseDClick(room.one(QLabel, "title"), Qt.MouseButton.LeftButton)
    field = room.field("title-field")
    QTest.keyClicks(field, "  A better   name ")
    QTest.keyClick(field, Qt.Key.Key_Return)
    settle()
    assert room.open.title == "A better name"
    assert titles(room) == ["A better name"]


def test_deleting_asks_nothing_and_can_be_undone_with_the_button_and_with_ctrl_z(room: Room) -> None:
    begin(room, "one", "two")
    found = room.one(QListWidget, "conversation-list")
    for undoes in ("button", "keys"):
        found.setFocus()
        found.setCurrentRow(0)
        QTest.keyClick(found, Qt.Key.Key_Delete)
        settle()
        assert titles(room) == ["one"]
        note = [each.text() for each in room.window.findChildren(QLabel) if "Deleted" in each.text()]
        assert note == ["Deleted “two”."]
        if undoes == "button":
            QTest.mouseClick(room.button("undo-delete"), Qt.MouseButton.LeftButton)
        else:
            QTest.keyClick(found, Qt.Key.Key_Z, CONTROL)
        settle()
        assert titles(room) == ["two", "one"]
        assert room.all(QPushButton, "undo-delete") == []


def test_the_undo_goes_when_its_time_is_over(places: Places, start_engine: Callable[..., FakeEngine]) -> None:
    start_engine(piece_s=0.001)
    with opened_room(places, undo_ms=300) as room:
        begin(room, "one")
        QTest.keyClick(room.text("composer-text"), Qt.Key.Key_Backspace, CONTROL | Qt.KeyboardModifier.ShiftModifier)
        assert room.button("undo-delete").isVisible()
        wait_until(lambda: room.all(QPushButton, "undo-delete") == [])
        assert room.desk.conversations == []


def test_drafts_come_back_with_their_conversation(room: Room) -> None:
    begin(room, "one")
    first = room.open.id
    QTest.keyClicks(room.text("composer-text"), "to one")
    QTest.keyClick(room.text("composer-text"), Qt.Key.Key_N, CONTROL)
    assert room.text("composer-text").toPlainText() == ""
    QTest.keyClicks(room.text("composer-text"), "to nobody yet")
    room.desk.open(first)
    assert room.text("composer-text").toPlainText() == "to one"
    room.desk.open("")
    assert room.text("composer-text").toPlainText() == "to nobody yet"


def test_three_hundred_conversations_are_shown_in_no_time(room: Room) -> None:
    now = datetime.now(UTC)
    heads = [ConversationHead(new_id(), f"Conversation {number}", now - timedelta(number)) for number in range(300)]
    shown = room.page.findChild(ConversationList)
    assert shown is not None
    shown.show_conversations(heads, heads[5].id)
    began = time.thread_time()
    shown.show_conversations([heads[7], *heads[:7], *heads[8:]], heads[7].id)
    settle()
    assert time.thread_time() - began < 0.2  # 50 ms may be felt; tests share their computer
    assert len(titles(room)) == 300


def test_what_was_deleted_is_named() -> None:
    conversation = begin_conversation("A title")
    head = ConversationHead(conversation.id, conversation.title, conversation.changed)
    assert describe_deleted(DeletedConversation(head, was_open=True)) == "Deleted “A title”."
    assert describe_deleted(None) == ""
