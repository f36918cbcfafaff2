"""The chat window with keyboard and mouse, against a fake engine."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from fakes.desktop_display import Display
from fakes.desktop_program import DesktopProgram, running_desktop
from meadow_desktop.chat.keeping.store import ConversationStore
from meadow_desktop.fakes_of_engine.answers import CANNED
from meadow_engine.api.places import find_places

pytestmark = pytest.mark.display


def saved(base_dir: Path) -> dict[str, list[dict[str, Any]]]:
    """The messages of the conversations on disk that are shown, by title."""
    store = ConversationStore(find_places(base_dir).conversations)
    conversations = [store.read(head.id) for head in store.load().heads]
    return {each.title: [message.model_dump() for message in each.messages] for each in conversations}


def drawn_lengths(desktop: DesktopProgram) -> set[int]:
    return {event["characters"] for event in desktop.events if event["event"] == "drawn"}


def test_an_answer_is_drawn_piece_by_piece(display: Display, tmp_path: Path) -> None:
    with running_desktop(display, tmp_path, "--fake-engine", "sharing", "--chat") as desktop:
        desktop.ask("What is a swarm?")
        desktop.wait_for_answer("writing")
        done = desktop.wait_for_answer("complete")
        assert done["links"] == 3
        assert done["characters"] == len(CANNED[0])
        assert len(drawn_lengths(desktop)) > 20
    (messages,) = saved(tmp_path).values()
    assert [message["text"] for message in messages] == ["What is a swarm?", CANNED[0]]
    logs = "".join(file.read_text(encoding="utf-8") for file in find_places(tmp_path).logs.iterdir())
    seen = logs + json.dumps(desktop.events)
    assert "What is a swarm" not in seen
    assert "hidden states" not in seen


def test_stop_regenerate_and_several_conversations_that_a_restart_keeps(display: Display, tmp_path: Path) -> None:
    with running_desktop(display, tmp_path, "--fake-engine", "sharing", "--chat") as desktop:
        desktop.ask("first question")
        desktop.wait_for_answer("writing", least=40)
        desktop.click("stop")
        stopped = desktop.wait_for_answer("stopped")
        assert 40 <= stopped["characters"] < len(CANNED[0])
        mark = desktop.place
        desktop.click("regenerate")
        desktop.wait_for_answer("complete", since=mark)

        display.press("ctrl+n")
        mark = desktop.place
        desktop.ask("second question")
        desktop.wait_for_answer("writing", since=mark, least=40)
        display.press("Escape")
        desktop.wait_for_answer("stopped", since=mark)
        display.press("ctrl+q")
        assert desktop.end() == 0
    before = saved(tmp_path)
    assert sorted(before) == ["first question", "second question"]
    assert before["first question"][1]["text"] == CANNED[1]
    assert before["second question"][1]["phase"] == "stopped"

    with running_desktop(display, tmp_path, "--fake-engine", "sharing", "--chat") as desktop:
        x, y, _, _ = desktop.wait_for_control("conversation-list")
        display.click(x + 60, y + 15)  # the latest is the first in the list
        mark = desktop.place
        desktop.wait_for_control("regenerate")
        desktop.click("regenerate")
        desktop.wait_for_answer("complete", since=mark)
    after = saved(tmp_path)
    assert after["first question"] == before["first question"]
    assert after["second question"][1]["text"] == CANNED[0]


def test_kill_9_in_mid_answer_keeps_all_but_its_last_two_seconds(display: Display, tmp_path: Path) -> None:
    with running_desktop(display, tmp_path, "--fake-engine", "stalled", "--chat") as desktop:
        desktop.ask("What is a swarm?")
        desktop.wait_for_answer("writing", least=200)
        time.sleep(5)  # the rest of what the stalled engine gives, and two seconds
        written = max(event["characters"] for event in desktop.events if event["event"] == "answer")
        desktop.kill()
    (messages,) = saved(tmp_path).values()
    assert [message["phase"] for message in messages[1:]] == ["stopped"]
    assert len(messages[1]["text"]) == written


def test_a_second_launch_raises_the_first_window_and_ends(display: Display, tmp_path: Path) -> None:
    with running_desktop(display, tmp_path, "--fake-engine", "sharing", "--chat") as first:
        mark = first.place
        second = DesktopProgram(display, tmp_path, "--attach-only")
        assert second.end() == 0
        second.wait_for("raised-other")
        first.wait_for("window-shown", since=mark)
        other_folder = tmp_path / "other"
        with running_desktop(display, other_folder, "--fake-engine", "off"):
            pass  # another base folder is another Meadow
        first.kill()
    with running_desktop(display, tmp_path, "--fake-engine", "sharing"):
        pass  # a killed desktop's lock holds nobody up
