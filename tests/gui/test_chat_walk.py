"""A person's way through the chat with a real swarm of two models: ask, edit, branch, switch, lose, find, take along.

Everything is done with keyboard and mouse, and what it came to is read in the window, as a screen reader tells it: the
program keeps its accessible tree all the while. Only the files that were exported are looked at themselves.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from fakes.chat_as_read import ChatAsRead
from fakes.desktop_display import Display
from fakes.desktop_program import DesktopProgram, running_desktop
from fakes.nonsense_model import LAYERS, write_nonsense_model
from fakes.processes import wait_ready
from fakes.screen_reader import running_screen_reader
from fakes.swarm_around import SwarmAround
from meadow_assets import demo_model_path

BEGINNING, REST = (0, 3), (3, 8)
ATTACHED = ("--attach-only", "--chat")
STORY = "Tell me all about swarms"
AGAIN = STORY + " again"
DONE = "tokens/s · first token"  # below an answer that is complete
GOES_ON_S = 3.0
pytestmark = pytest.mark.display


@pytest.fixture
def place(tmp_path: Path) -> Iterator[SwarmAround]:
    with ExitStack() as ending:
        place = SwarmAround(tmp_path / "walk", ending)
        first = place.start("first", demo_model_path(), BEGINNING)
        other = write_nonsense_model(tmp_path / "meadow-nonsense")
        wait_ready(first)
        place.start("one", demo_model_path(), REST)
        place.start("another", demo_model_path(), REST)
        place.start("nonsense", other, (0, LAYERS))
        place.start_engine(other)
        for program in list(place.computers.values())[1:]:
            wait_ready(program)
        yield place
        for name, program in place.computers.items():
            if name != "own":
                program.kill()  # how they leave is other tests' business, and takes longer


@contextmanager
def window(display: Display, base: Path) -> Iterator[tuple[DesktopProgram, ChatAsRead]]:
    """The app, which is attached to this computer's engine, and what is to be read in it."""
    with running_screen_reader(display.bus) as reader, running_desktop(display, base, *ATTACHED) as desktop:
        desktop.wait_for("engine", lambda event: event["state"] == "connected")
        yield desktop, ChatAsRead(reader)


def choose_model(desktop: DesktopProgram, row: int) -> None:
    """The menu opens with nothing chosen; `row` is counted from 1."""
    desktop.display.press("ctrl+m")
    time.sleep(0.3)
    desktop.display.press(*["Down"] * row, "Return")


def choose_in_menu(desktop: DesktopProgram, *keys: str) -> None:
    desktop.click("conversation-menu-button")
    time.sleep(0.3)
    desktop.display.press(*keys)


def name_file(desktop: DesktopProgram, chat: ChatAsRead, title: str, file: Path) -> None:
    """Type a name into the file dialog of this title."""
    chat.wait_for_window(title)
    desktop.display.type(str(file))
    desktop.display.press("Return")


def answer_anew(desktop: DesktopProgram) -> None:
    mark = desktop.place
    desktop.display.press("ctrl+r")
    desktop.wait_for_answer("complete", timeout_s=120, since=mark)


def test_a_walk_through_everything_that_can_be_done_with_a_conversation(
    display: Display, place: SwarmAround, tmp_path: Path
) -> None:
    with window(display, place.base) as (desktop, chat):
        ask_stop_and_edit(desktop, chat)
        regenerate_branch_and_switch_the_model(desktop, chat)
        lose_servers_in_mid_answer(desktop, chat, place)
        display.press("ctrl+n")
        desktop.click("composer-text")
        display.type("half a thought")
        time.sleep(1.5)  # a draft is on disk within a second
        titles = chat.titles
        desktop.kill()

    with window(display, place.base) as (desktop, chat):
        chat.wait_for_titles(lambda shown: shown == titles)
        assert chat.draft == "half a thought"
        search(desktop, chat)
        chat.wait_for_questions(AGAIN)
        chat.wait_for("Version 3 of 3", "newcomer, layers 3–7, took over in mid-answer")
        desktop.click("version-before-answer")
        chat.wait_for("Version 2 of 3", "took over in mid-answer", " left; ")
        assert "newcomer" not in chat.chain
        export_and_import(desktop, chat, tmp_path, titles)
        desktop.click("composer-text")
        display.press("ctrl+q")
        assert desktop.end() == 0


def ask_stop_and_edit(desktop: DesktopProgram, chat: ChatAsRead) -> None:
    desktop.ask(STORY)
    desktop.wait_for_answer("writing", timeout_s=60)
    desktop.display.press("Escape")
    chat.wait_for("Stopped · meadow-demo")
    beginning = chat.answers
    assert beginning
    mark = desktop.place
    desktop.display.press("ctrl+e")
    desktop.wait_for_control("save-edit")
    desktop.display.type(" please")
    desktop.display.press("ctrl+Return")
    desktop.wait_for_answer("complete", timeout_s=120, since=mark)
    chat.wait_for("Version 2 of 2", DONE)
    chat.wait_for_questions(STORY + " please")
    desktop.click("version-before-question")
    chat.wait_for_questions(STORY)
    chat.wait_for_answers(beginning)
    desktop.click("version-after-question")
    chat.wait_for(DONE)


def regenerate_branch_and_switch_the_model(desktop: DesktopProgram, chat: ChatAsRead) -> None:
    """The follow-up of an answer's first version belongs to that version, and is answered by the other model."""
    first = chat.answers
    answer_anew(desktop)
    chat.reader.wait_until(lambda said: [each.name for each in said].count("Version 2 of 2") == 2)
    second = chat.answers
    desktop.click("version-before-answer")
    chat.wait_for("Version 1 of 2")
    chat.wait_for_answers(first)
    choose_model(desktop, 2)
    chat.wait_for("Model: meadow-nonsense")
    mark = desktop.place
    desktop.ask("And you")
    desktop.wait_for_answer("writing", timeout_s=60, since=mark)
    desktop.display.press("Escape")
    chat.wait_for(" · meadow-nonsense")
    chat.wait_for_questions(STORY + " please", "And you")
    desktop.click("version-after-answer")
    chat.wait_for_questions(STORY + " please")
    chat.wait_for_answers(second)
    desktop.click("version-before-answer")
    chat.wait_for_questions(STORY + " please", "And you")
    choose_model(desktop, 1)
    chat.wait_for("Model: meadow-demo")


def lose_servers_in_mid_answer(desktop: DesktopProgram, chat: ChatAsRead, place: SwarmAround) -> None:
    """Killed while it computes: first somebody stands by for its layers, then nobody does until a new one comes up.

    The likeliest token is taken always, so that an answer which nothing disturbed says what the others have to say.
    """
    desktop.display.press("ctrl+n")
    take_the_likeliest_tokens(desktop, chat)
    mark = desktop.place
    desktop.ask(AGAIN)
    desktop.wait_for_answer("complete", timeout_s=60, since=mark)
    chat.wait_for(DONE)
    undisturbed = chat.answers
    lost, instead = ("one", "another") if "one, layers 3–7" in chat.chain else ("another", "one")
    assert chat.chain == f"Answered by first, layers 0–2; {lost}, layers 3–7"

    mark, characters = kill_in_mid_answer(desktop, place, lost)
    desktop.wait_for("answer", lambda event: event["characters"] > characters, timeout_s=GOES_ON_S, since=mark)
    desktop.wait_for_answer("complete", timeout_s=60, since=mark)
    chat.wait_for(f"{instead}, layers 3–7, took over in mid-answer", f"{lost} left; {instead} took over in ")
    chat.wait_for_answers(undisturbed)
    assert f"{lost} left; {instead} took over in " in chat.reader.announced[-1]

    mark, _characters = kill_in_mid_answer(desktop, place, instead)
    wait_ready(place.start("newcomer", demo_model_path(), REST))
    desktop.wait_for_answer("complete", timeout_s=60, since=mark)
    chat.wait_for("newcomer, layers 3–7, took over in mid-answer", f"{instead} left; newcomer took over in ")
    chat.wait_for_answers(undisturbed)
    chat.wait_for("Version 3 of 3")


def take_the_likeliest_tokens(desktop: DesktopProgram, chat: ChatAsRead) -> None:
    desktop.display.press("ctrl+shift+s")
    desktop.click("temperature")
    desktop.display.press("Up")
    chat.reader.wait_until(lambda said: any((each.name, each.text) == ("Temperature", "0") for each in said))
    desktop.display.press("Escape")


def kill_in_mid_answer(desktop: DesktopProgram, place: SwarmAround, name: str) -> tuple[int, int]:
    """Have the last answer written again, and `kill -9` this computer meanwhile; how many events and characters came.

    The first computer is held up for an instant, so that the answer cannot be over before that.
    """
    first = place.computers["first"].process.pid
    for _attempt in range(5):
        begin = desktop.place
        desktop.display.press("ctrl+r")
        desktop.wait_for_answer("writing", timeout_s=60, since=begin)
        os.kill(first, signal.SIGSTOP)
        time.sleep(0.3)
        mark = desktop.place
        last = [event for event in desktop.events[begin:mark] if event["event"] == "answer"][-1]
        if last["phase"] == "writing":
            place.computers[name].kill()
        os.kill(first, signal.SIGCONT)
        if last["phase"] == "writing":
            return mark, last["characters"]
        desktop.wait_for_answer("complete", since=begin)
    pytest.fail("every answer was over before it could be interrupted")


def search(desktop: DesktopProgram, chat: ChatAsRead) -> None:
    mark = desktop.place
    desktop.display.press("ctrl+f")
    desktop.display.type("SWARMS again")
    desktop.wait_for("found", since=mark)
    chat.wait_for_titles(lambda shown: len(shown) > 0 and all(AGAIN in each for each in shown))
    desktop.display.press("Return")
    desktop.wait_for("opened", since=mark)
    desktop.display.press("Escape")


def export_and_import(desktop: DesktopProgram, chat: ChatAsRead, folder: Path, titles: list[str]) -> None:
    answer = chat.answers
    choose_in_menu(desktop, "Down", "Down", "Right", "Return")
    name_file(desktop, chat, "Export the conversation", folder / "again.md")
    chat.wait_for("1 conversation was exported")
    written = (folder / "again.md").read_text(encoding="utf-8")
    assert AGAIN in written
    assert answer.splitlines()[0] in written
    choose_in_menu(desktop, "Down", "Down", "Down", "Right", "Down", "Return")
    name_file(desktop, chat, "Export all conversations", folder / "all.json")
    chat.wait_for(f"{len(titles)} conversations were exported")
    exported = json.loads((folder / "all.json").read_text(encoding="utf-8"))["conversations"]
    assert sorted(each["title"] for each in exported) == sorted(titles)
    choose_in_menu(desktop, "Down", "Down", "Down", "Down", "Return")
    name_file(desktop, chat, "Import conversations", folder / "all.json")
    chat.wait_for(f"{len(titles)} conversations were imported")
    assert chat.reader.announced[-1] == f"{len(titles)} conversations were imported"
    chat.wait_for_titles(lambda shown: sorted(shown) == sorted(2 * titles))
