"""Deleting, and having it back for a while."""

from __future__ import annotations

from fakes.chat_desk import MakeDesk, last, message_id, search, shown, talk, titles
from fakes.desktop_qt import wait_until
from meadow_desktop.chat.desk import ChatDesk
from meadow_desktop.chat.undo import DeletedConversation
from meadow_desktop.fake_engine import FakeEngine
from meadow_engine.api.places import Places


def test_a_deleted_conversation_can_be_brought_back_until_its_time_is_over(
    engine: FakeEngine, make_desk: MakeDesk, places: Places
) -> None:
    desk = make_desk(undo_ms=300)
    talk(desk, "one")
    desk.open("")
    talk(desk, "two")
    open_id = message_id(desk, 0)
    desk.delete(desk.conversations[0].id)
    assert titles(desk) == ["one"]
    assert desk.open_conversation is None
    assert isinstance(desk.deleted, DeletedConversation)
    assert desk.deleted.head.title == "two"
    desk.undo_delete()
    assert titles(desk) == ["two", "one"]
    assert message_id(desk, 0) == open_id
    desk.delete(desk.conversations[0].id)
    wait_until(lambda: desk.deleted is None)
    desk.undo_delete()
    assert titles(desk) == ["one"]
    assert search(desk, "two") == []


def test_deleting_another_one_or_ending_the_program_makes_it_final(
    engine: FakeEngine, desk: ChatDesk, make_desk: MakeDesk
) -> None:
    for question in ("one", "two"):
        desk.open("")
        talk(desk, question)
    for head in desk.conversations:
        desk.delete(head.id)
    desk.undo_delete()
    assert titles(desk) == ["one"]
    desk.delete(desk.conversations[0].id)
    assert titles(make_desk()) == []  # as after a crash: what the person deleted is deleted


def test_deleting_what_is_being_answered_hangs_up(engine: FakeEngine, desk: ChatDesk) -> None:
    engine.piece_s = 0.02
    desk.ask("one")
    wait_until(lambda: last(desk).phase == "writing")
    desk.delete(desk.conversations[0].id)
    wait_until(lambda: engine.answers_cut == 1)
    desk.undo_delete()
    assert last(desk).phase == "stopped"


def test_deleted_messages_come_back(engine: FakeEngine, desk: ChatDesk) -> None:
    talk(desk, "one", "two")
    desk.delete_messages(message_id(desk, 2))
    assert shown(desk) == ["one"]
    desk.undo_delete()
    assert shown(desk) == ["one", "two"]
    desk.delete_messages(message_id(desk, 0))
    assert shown(desk) == []
    talk(desk, "another beginning")
    desk.undo_delete()
    assert shown(desk) == ["one", "two"]
