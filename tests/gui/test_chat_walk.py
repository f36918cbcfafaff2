"""A person's way through the chat with a real swarm of two models: ask, edit, branch, switch, lose, find, take along.

Everything is done with keyboard and mouse; what it came to is read from the JSON log and from what lies on disk.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fakes.desktop_display import Display
from fakes.desktop_program import DesktopProgram, running_desktop
from fakes.nonsense_model import LAYERS, write_nonsense_model
from fakes.processes import (
    LOOPBACK,
    Swarm,
    running_meadow,
    running_swarm,
    serve_arguments,
    start_meadow,
    wait_ready,
    wait_until,
)
from meadow_assets import demo_model_path
from meadow_desktop.chat.conversation import Answer, Conversation
from meadow_desktop.chat.keeping.store import ConversationStore
from meadow_engine.api.places import find_places

SPANS = ((0, 3), (3, 6), (6, 8))
ATTACHED = ("--attach-only", "--chat")
STORY = "Tell me all about swarms"
pytestmark = pytest.mark.display


@dataclass
class Place:
    """The computer in front of which somebody sits, and the swarm around it."""

    base: Path
    swarm: Swarm

    def conversations(self) -> list[Conversation]:
        store = ConversationStore(find_places(self.base).conversations)
        return [store.read(head.id) for head in store.load().heads]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    other = write_nonsense_model(tmp_path_factory.mktemp("models") / "meadow-nonsense")
    base = tmp_path_factory.mktemp("walk")
    with running_swarm(demo_model_path(), SPANS) as swarm:
        (base / "config").mkdir()
        settings = {
            "listen": [LOOPBACK],
            "device": "cpu",
            "initial_peers": [swarm.address],
            "models": [str(other)],
            "mode": "manual",
            "sharing": False,
        }
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        (base / "config" / "settings.toml").write_text("\n".join(lines), encoding="utf-8")
        serving = serve_arguments(other, (0, LAYERS), [swarm.address])
        with running_meadow(*serving), running_meadow("--no-gui", "--base-dir", str(base)):
            yield Place(base, swarm)


def kept(place: Place, is_so: Callable[[Conversation], bool]) -> Conversation:
    """The conversation on disk of which this is true; it is written within two seconds."""
    found: list[Conversation] = []

    def look() -> bool:
        found[:] = [each for each in place.conversations() if is_so(each)]
        return bool(found)

    wait_until(look, 15, "what was to be kept")
    return found[0]


def last_answer(conversation: Conversation) -> Answer:
    assert conversation.last_answer is not None
    return conversation.last_answer


def choose_model(desktop: DesktopProgram, row: int) -> None:
    """The menu opens with nothing chosen; `row` is counted from 1."""
    desktop.display.press("ctrl+m")
    time.sleep(0.5)
    desktop.display.press(*["Down"] * row, "Return")
    time.sleep(0.3)


def choose_in_menu(desktop: DesktopProgram, *keys: str) -> None:
    desktop.click("conversation-menu-button")
    time.sleep(0.5)
    desktop.display.press(*keys)


def name_file(desktop: DesktopProgram, file: Path) -> None:
    """Type a name into the file dialog that has just opened."""
    time.sleep(1)
    desktop.display.type(str(file))
    desktop.display.press("Return")


def test_a_walk_through_everything_that_can_be_done_with_a_conversation(
    display: Display, place: Place, tmp_path: Path
) -> None:
    with running_desktop(display, place.base, *ATTACHED) as desktop:
        desktop.wait_for("engine", lambda event: event["state"] == "connected")

        desktop.ask(STORY)
        desktop.wait_for_answer("writing", timeout_s=60)
        display.press("Escape")
        desktop.wait_for_answer("stopped")

        mark = desktop.place
        display.press("ctrl+e")
        desktop.wait_for_control("save-edit")
        display.type(" please")
        display.press("ctrl+Return")
        desktop.wait_for_answer("complete", timeout_s=120, since=mark)
        edited = kept(place, lambda each: len(each.children[""]) == 2 and not each.is_busy)
        assert [node.text for node in edited.children[""]] == [STORY, STORY + " please"]

        mark = desktop.place
        display.press("ctrl+r")
        desktop.wait_for_answer("complete", timeout_s=120, since=mark)
        question = edited.messages[0].id
        both = kept(place, lambda each: len(each.children.get(question, [])) == 2 and not each.is_busy)
        first, second = both.children[question]
        assert last_answer(both).id == second.id
        desktop.click("version-before-answer")
        kept(place, lambda each: each.leaf == first.id)

        choose_model(desktop, 2)
        mark = desktop.place
        desktop.ask("And you")
        desktop.wait_for_answer("writing", timeout_s=60, since=mark)
        display.press("Escape")
        desktop.wait_for("answer", lambda event: event["phase"] in {"stopped", "complete"}, since=mark)
        other = kept(place, lambda each: each.messages[-2:][0].text == "And you" and not each.is_busy)
        assert last_answer(other).model == "meadow-nonsense"
        choose_model(desktop, 1)

        lose_a_server_in_mid_answer(desktop, place)

        display.press("ctrl+n")
        desktop.click("composer-text")
        display.type("half a thought")
        time.sleep(1.5)  # a draft is on disk within a second
        desktop.kill()

    with running_desktop(display, place.base, *ATTACHED) as desktop:
        desktop.wait_for("engine", lambda event: event["state"] == "connected")
        desktop.click("composer-text")
        mark = desktop.place
        display.press("Return")  # nothing is typed: what is sent is what was there
        desktop.wait_for("answer", since=mark)
        display.press("Escape")
        thought = kept(place, lambda each: each.title == "half a thought" and not each.is_busy)

        display.press("ctrl+n")
        mark = desktop.place
        display.press("ctrl+f")
        display.type("half THOUGHT")
        time.sleep(1)
        display.press("Return")
        desktop.wait_for("opened", lambda event: event["conversation"] == thought.id, since=mark)
        display.press("Escape")

        choose_in_menu(desktop, "Down", "Down", "Right", "Return")
        name_file(desktop, tmp_path / "thought.md")
        wait_until(lambda: (tmp_path / "thought.md").is_file(), 10, "the export")
        assert "half a thought" in (tmp_path / "thought.md").read_text(encoding="utf-8")
        choose_in_menu(desktop, "Down", "Down", "Down", "Right", "Down", "Return")
        name_file(desktop, tmp_path / "all.json")
        wait_until(lambda: (tmp_path / "all.json").is_file(), 10, "the export")
        time.sleep(0.5)
        exported = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))["conversations"]
        assert {each["title"] for each in exported} == {each.title for each in place.conversations()}

        before = len(place.conversations())
        choose_in_menu(desktop, "Down", "Down", "Down", "Down", "Return")
        name_file(desktop, tmp_path / "all.json")
        wait_until(lambda: len(place.conversations()) == 2 * before, 15, "the import")
        desktop.click("composer-text")
        display.press("ctrl+q")
        assert desktop.end() == 0


def lose_a_server_in_mid_answer(desktop: DesktopProgram, place: Place) -> None:
    """The computer with the layers in the middle is killed while an answer comes; another one takes over."""
    last_engine = place.swarm.engines[2].process.pid
    for attempt in range(5):
        desktop.display.press("ctrl+n")
        mark = desktop.place
        desktop.ask(f"{STORY} {attempt}")
        desktop.wait_for_answer("writing", timeout_s=60, since=mark)
        os.kill(last_engine, signal.SIGSTOP)  # the answer stands still
        time.sleep(0.3)
        if not any(event.get("phase") == "complete" for event in desktop.events[mark:]):
            break
        os.kill(last_engine, signal.SIGCONT)
    else:
        pytest.fail("every answer was over before it could be interrupted")
    place.swarm.engines[1].kill()
    os.kill(last_engine, signal.SIGCONT)
    replica = serve_arguments(demo_model_path(), SPANS[1], [place.swarm.address], name="replica")
    place.swarm.engines.append(wait_ready(start_meadow(*replica)))
    done = desktop.wait_for_answer("complete", timeout_s=120, since=mark)
    answered = kept(place, lambda each: each.id == done["conversation"] and not each.is_busy)
    origin = last_answer(answered).origin
    assert origin is not None
    assert [link.name for link in origin.chain] == ["layers-0-3", "replica", "layers-6-8"]
    assert [(each.lost, each.instead) for each in origin.recoveries] == [(["layers-3-6"], ["replica"])]
