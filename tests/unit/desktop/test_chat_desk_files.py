"""What is on disk, and when: drafts, streams, exports, imports, and files that break or are of another time."""

from __future__ import annotations

import json
from pathlib import Path

from fakes.chat_desk import MakeDesk, last, shown, talk, titles
from fakes.desktop_qt import wait_until
from meadow_desktop.chat.chat_settings import USUAL
from meadow_desktop.chat.conversation import Conversation
from meadow_desktop.chat.desk import ChatDesk
from meadow_desktop.chat.keeping import store_problems
from meadow_desktop.chat.keeping.store import ConversationStore
from meadow_desktop.chat.keeping.store_problems import StoreError
from meadow_desktop.engine.link import EngineLink
from meadow_desktop.fake_engine import FakeEngine
from meadow_engine.api.errors import Problem
from meadow_engine.api.places import Places


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
