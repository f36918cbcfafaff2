"""Versions of a message beside each other, and the way to them: titles, and hits of a search."""

from __future__ import annotations

from fakes.chat_desk import MakeDesk, last, message_id, search, shown, talk, titles
from fakes.desktop_qt import wait_until
from meadow_desktop.chat.desk import ChatDesk
from meadow_desktop.fake_engine import FakeEngine
from meadow_desktop.fakes_of_engine.answers import CANNED


def test_an_edited_question_is_sent_without_what_followed_the_old_one(engine: FakeEngine, desk: ChatDesk) -> None:
    talk(desk, "one", "two")
    desk.edit_question(message_id(desk, 0), " uno ")
    wait_until(lambda: last(desk).is_final)
    assert engine.requests[-1]["messages"] == [{"role": "user", "content": "uno"}]
    assert shown(desk) == ["uno"]
    desk.switch(message_id(desk, 0), -1)
    assert shown(desk) == ["one", "two"]


def test_an_answer_goes_on_while_another_branch_is_shown(engine: FakeEngine, desk: ChatDesk) -> None:
    talk(desk, "one")
    engine.piece_s = 0.02
    desk.ask_again()
    wait_until(lambda: last(desk).phase == "writing")
    second = last(desk).id
    desk.switch(second, -1)
    assert last(desk).text == CANNED[0]
    desk.ask("not while an answer is under way")
    desk.ask_again()
    assert shown(desk) == ["one"]
    desk.stop()
    desk.switch(last(desk).id, +1)
    assert (last(desk).id, last(desk).phase) == (second, "stopped")
    assert last(desk).text


def test_another_title_is_kept_and_found(engine: FakeEngine, desk: ChatDesk, make_desk: MakeDesk) -> None:
    talk(desk, "one")
    desk.rename(desk.conversations[0].id, "Bicycles and Cafés")
    again = make_desk()
    assert titles(again) == ["Bicycles and Cafés"]
    (hit,) = search(again, "cafes")
    assert hit.message_id == ""


def test_a_hit_on_another_branch_is_shown_there(engine: FakeEngine, desk: ChatDesk) -> None:
    talk(desk, "needle", "two")
    desk.edit_question(message_id(desk, 0), "haystack")
    wait_until(lambda: last(desk).is_final)
    desk.rename(desk.conversations[0].id, "Sewing")
    desk.open("")
    (hit,) = search(desk, "needle")
    desk.open_hit(hit)
    assert shown(desk) == ["needle", "two"]
