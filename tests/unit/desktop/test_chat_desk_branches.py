"""What a person can do with conversations: branches, deleting and undoing, settings, drafts, files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.desktop_qt import settle, wait_until
from meadow_desktop.chat.chat_settings import CREATIVE, USUAL, ChatSettings, Sampling, make_preset, use_preset
from meadow_desktop.chat.conversation import Answer, Conversation
from meadow_desktop.chat.desk import ChatDesk
from meadow_desktop.chat.keeping import store_problems
from meadow_desktop.chat.keeping.store import ConversationStore
from meadow_desktop.chat.keeping.store_problems import StoreError
from meadow_desktop.chat.search import SearchHit
from meadow_desktop.chat.undo import DeletedConversation
from meadow_desktop.engine.link import EngineLink
from meadow_desktop.engine.link_state import Connected
from meadow_desktop.fake_engine import FakeEngine
from meadow_desktop.fakes_of_engine.answers import CANNED
from meadow_engine.api.errors import Problem
from meadow_engine.api.places import Places

StartEngine = Callable[..., FakeEngine]


@pytest.fixture
def link(places: Places, start_engine: StartEngine) -> Iterator[EngineLink]:
    link = EngineLink(places, factory=None)
    yield link
    link.close()
    settle()


@pytest.fixture
def engine(start_engine: StartEngine, link: EngineLink) -> FakeEngine:
    engine = start_engine()
    link.begin()
    wait_until(lambda: isinstance(link.state, Connected))
    return engine


MakeDesk = Callable[..., ChatDesk]


@pytest.fixture
def make_desk(link: EngineLink, places: Places) -> Iterator[MakeDesk]:
    desks: list[ChatDesk] = []

    def make(undo_ms: int = 10_000) -> ChatDesk:
        desk = ChatDesk(ConversationStore(places.conversations), link, undo_ms)
        desk.load()
        desks.append(desk)
        return desk

    yield make
    for desk in desks:
        desk.close()


@pytest.fixture
def desk(make_desk: MakeDesk) -> ChatDesk:
    return make_desk()


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


def test_the_counted_tokens_and_the_model_stay_with_the_answer(
    engine: FakeEngine, desk: ChatDesk, make_desk: MakeDesk
) -> None:
    wait_until(lambda: bool(desk.models.models))
    talk(desk, "one")
    assert last(desk).model == "meadow-demo"
    assert desk.context_use.limit_tokens == 512
    assert desk.context_use.used_tokens > 0
    before = desk.context_use.used_tokens
    desk.set_draft("x" * 400)
    assert desk.context_use.used_tokens > before + 90


def test_the_settings_of_a_conversation_are_sent_with_its_next_question(
    engine: FakeEngine, desk: ChatDesk, make_desk: MakeDesk
) -> None:
    changes: list[ChatSettings] = []
    desk.settings_changed.connect(lambda: changes.append(desk.settings))
    settings = ChatSettings(system_prompt="Rhyme.", sampling=Sampling(temperature=0.3, max_tokens=64), model="other")
    desk.change_settings(settings)
    talk(desk, "one")
    request = engine.requests[-1]
    assert (request["temperature"], request["max_tokens"], request["model"]) == (0.3, 64, "other")
    assert "top_p" not in request
    assert request["messages"][0] == {"role": "system", "content": "Rhyme."}
    desk.change_settings(use_preset(desk.settings, CREATIVE))
    talk(desk, "two")
    assert engine.requests[-1]["temperature"] == CREATIVE.sampling.temperature
    assert len(changes) == 2
    conversation = desk.open_conversation
    desk.open("")
    assert desk.settings == ChatSettings(model="other")  # the next one begins as usual, with the same model
    assert conversation is not None
    again = make_desk()
    again.open(conversation.id)
    assert again.settings == use_preset(settings, CREATIVE)


def test_presets_of_ones_own_are_kept(desk: ChatDesk, make_desk: MakeDesk) -> None:
    desk.keep_preset(make_preset("Poet", ChatSettings(system_prompt="Rhyme.")))
    desk.keep_preset(make_preset("Poet", ChatSettings(system_prompt="Rhyme well.")))
    desk.close()
    again = make_desk()
    assert [(each.name, each.system_prompt) for each in again.own_presets] == [("Poet", "Rhyme well.")]
    again.forget_preset("Poet")
    assert again.own_presets == ()


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


def test_drafts_are_on_disk_within_a_second(
    engine: FakeEngine, desk: ChatDesk, make_desk: MakeDesk, places: Places
) -> None:
    desk.set_draft("a new though")
    desk.set_draft("a new thought")
    on_disk = ConversationStore(places.conversations)
    wait_until(lambda: on_disk.kept().get("draft:") == "a new thought", timeout_s=3)
    assert make_desk().draft == "a new thought"
    talk(desk, "one")
    assert desk.draft == ""
    desk.set_draft("more")
    desk.open("")
    assert desk.draft == ""
    desk.open(desk.conversations[0].id)
    assert desk.draft == "more"


def test_the_stream_is_on_disk_within_two_seconds_even_if_it_stalls(
    engine: FakeEngine, desk: ChatDesk, places: Places
) -> None:
    engine.mishap = "stalled"
    desk.ask("one")
    wait_until(lambda: len(last(desk).text) > 100)
    on_disk = ConversationStore(places.conversations)

    def is_saved() -> bool:
        saved = on_disk.peek(desk.conversations[0].id).last_answer
        return saved is not None and saved.text == last(desk).text

    wait_until(is_saved, timeout_s=5)
    desk.stop()


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


def test_too_long_requests_are_sent_again_with_less(engine: FakeEngine, desk: ChatDesk) -> None:
    talk(desk, "one", "two", "three")
    engine.longest_request = 3
    talk(desk, "four")
    assert last(desk).phase == "complete"
    assert last(desk).left_out > 0
    assert len(engine.requests[-1]["messages"]) <= 3
    assert desk.context_use.left_out == last(desk).left_out
    desk.change_settings(desk.settings.model_copy(update={"leaves_out_oldest": False}))
    talk(desk, "five")
    problem = last(desk).problem
    assert problem is not None
    assert problem.code == "context_length_exceeded"


def test_all_conversations_go_into_a_file_and_come_back_elsewhere(
    engine: FakeEngine, desk: ChatDesk, make_desk: MakeDesk, tmp_path: Path
) -> None:
    talk(desk, "one")
    desk.open("")
    talk(desk, "two")
    said: list[str | Problem] = []
    desk.exchange.finished.connect(said.append)
    desk.exchange.failed.connect(said.append)
    desk.exchange.export(tmp_path / "all.json", "json")
    wait_until(lambda: len(said) == 1)
    assert said == ["2 conversations were exported"]
    assert len(json.loads((tmp_path / "all.json").read_bytes())["conversations"]) == 2
    desk.exchange.import_file(tmp_path / "all.json")
    wait_until(lambda: len(said) == 2)
    assert sorted(titles(desk)) == ["one", "one", "two", "two"]
    one = desk.conversations[0]
    desk.exchange.export(tmp_path / "one.md", "markdown", [one.id])
    desk.exchange.export(tmp_path / "nowhere" / "one.md", "markdown", [one.id])
    desk.exchange.import_file(tmp_path / "one.md")
    desk.exchange.import_file(tmp_path / "nothing.json")
    wait_until(lambda: len(said) == 6)
    assert (tmp_path / "one.md").read_text(encoding="utf-8").startswith(f"# {one.title}")
    problems = [each for each in said if isinstance(each, Problem)]
    assert [each.code for each in problems] == ["export-unwritable", "import-unreadable", "import-unreadable"]


def test_one_imported_conversation_is_opened(desk: ChatDesk, tmp_path: Path) -> None:
    (tmp_path / "chat.json").write_text('{"messages": [{"role": "user", "content": "From elsewhere"}]}')
    desk.exchange.import_file(tmp_path / "chat.json")
    wait_until(lambda: shown(desk) == ["From elsewhere"])
    assert desk.settings == USUAL


class BreaksOnce(ConversationStore):
    """As when the file turns out to be broken in the middle of an evening."""

    def save(self, conversation: Conversation) -> None:
        if not self.has_broken:
            self.has_broken = True
            raise StoreError(store_problems.set_aside(self.path))
        super().save(conversation)

    has_broken = False


def test_a_file_that_breaks_meanwhile_is_followed_by_one_with_all_that_is_known(
    engine: FakeEngine, link: EngineLink, places: Places
) -> None:
    desk = ChatDesk(BreaksOnce(places.conversations), link)
    said: list[Problem] = []
    over: list[bool] = []
    desk.trouble.connect(said.append)
    desk.trouble_over.connect(lambda: over.append(True))
    desk.set_draft("later")
    talk(desk, "one")
    desk.close()
    assert [problem.code for problem in said] == ["conversations-broken"]
    assert over == []  # the sentence stays until somebody has read it
    store = ConversationStore(places.conversations)
    assert [head.title for head in store.load().heads] == ["one"]


def test_files_of_the_time_before_appear_in_the_list(make_desk: MakeDesk, places: Places) -> None:
    places.conversations.mkdir(parents=True)
    for number in range(3):
        old = {
            "format": 1,
            "id": f"{number:032x}",
            "title": f"Old {number}",
            "created": "2025-01-01T00:00:00Z",
            "changed": f"2025-01-0{number + 1}T00:00:00Z",
            "messages": [{"role": "user", "text": "words"}],
        }
        (places.conversations / f"{number:032x}.json").write_text(json.dumps(old))
    (places.conversations / "bad.json").write_text("{")
    desk = make_desk()
    said: list[Problem] = []
    desk.trouble.connect(said.append)
    wait_until(lambda: len(desk.conversations) == 3 and bool(said))
    assert titles(desk) == ["Old 2", "Old 1", "Old 0"]
    assert [problem.code for problem in said] == ["conversation-broken"]
    desk.open(desk.conversations[0].id)
    assert shown(desk) == ["words"]
