"""The window against real engines: a question is typed, and the answer of a swarm arrives piece by piece."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.desktop_display import Display
from fakes.desktop_program import DesktopProgram, is_alive, running_desktop, wait_until_gone
from fakes.processes import Program, running_meadow
from meadow_desktop.chat.keeping.store import ConversationStore
from meadow_engine.api.places import find_places

ATTACHED = ("--attach-only", "--chat")
pytestmark = pytest.mark.display


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    base_dir = tmp_path_factory.mktemp("demo")
    with running_meadow("demo", "--no-window", "--base-dir", str(base_dir)) as program:
        yield program


def test_a_question_typed_into_the_window_is_answered_by_the_swarm_piece_by_piece(
    display: Display, demo: Program
) -> None:
    base_dir = Path(demo.ready["base_dir"])
    with running_desktop(display, base_dir, *ATTACHED) as desktop:
        desktop.wait_for("engine", lambda event: event["state"] == "connected")
        desktop.ask("What is Meadow?")
        desktop.wait_for_answer("writing", timeout_s=60)
        done = desktop.wait_for_answer("complete", timeout_s=120)
        assert done["links"] == 3
        pieces = {each["characters"] for each in desktop.events if each["event"] == "answer"}
        assert len(pieces) >= 5
        drawn = {each["characters"] for each in desktop.events if each["event"] == "drawn"}
        assert len(drawn - {0, done["characters"]}) >= 2
    store = ConversationStore(find_places(base_dir).conversations)
    (head,) = store.load().heads
    question, answer = (message.model_dump() for message in store.read(head.id).messages)
    assert question["text"] == "What is Meadow?"
    assert "Meadow" in answer["text"]
    assert [(link["start"], link["end"]) for link in answer["origin"]["chain"]] == [(0, 3), (3, 6), (6, 8)]
    assert answer["origin"]["tokens_per_second"] > 0
    assert answer["usage"]["completion_tokens"] > 0


def test_stopping_an_answer_of_the_swarm_keeps_its_beginning(display: Display, demo: Program) -> None:
    with running_desktop(display, Path(demo.ready["base_dir"]), *ATTACHED) as desktop:
        desktop.wait_for("engine", lambda event: event["state"] == "connected")
        desktop.ask("Tell me about leaves")
        desktop.wait_for_answer("writing", timeout_s=60)
        display.press("Escape")
        mark = desktop.place
        ended = desktop.wait_for("answer", lambda event: event["phase"] in {"stopped", "complete"})
        assert ended["characters"] > 0
        desktop.click("regenerate")
        desktop.wait_for_answer("complete", timeout_s=120, since=mark)


def test_the_app_starts_a_real_engine_which_ends_with_kill_9_of_the_app(display: Display, tmp_path: Path) -> None:
    with running_desktop(display, tmp_path, "--chat") as desktop:
        engine = desktop.wait_for("engine", lambda event: event["is_ours"], timeout_s=90)
        assert is_alive(engine["pid"])
        desktop.kill()
        wait_until_gone(engine["pid"], timeout_s=20)


def begin_a_long_answer(desktop: DesktopProgram, pid: int) -> None:
    """Ask, and hold one of the swarm's engines up in mid-answer; short answers may be over before that."""
    for _ in range(5):
        mark = desktop.place
        desktop.ask("Tell me all about swarms")
        desktop.wait_for_answer("writing", timeout_s=60, since=mark)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.2)
        if not any(event.get("phase") == "complete" for event in desktop.events[mark:]):
            return
        os.kill(pid, signal.SIGCONT)
    pytest.fail("every answer was over before it could be interrupted")


def test_kill_9_of_the_real_engine_in_mid_answer_is_said_within_3_s(display: Display, tmp_path: Path) -> None:
    demo_arguments = ("demo", "--no-window", "--base-dir", str(tmp_path))
    with running_meadow(*demo_arguments) as demo, running_desktop(display, tmp_path, *ATTACHED) as desktop:
        engine = desktop.wait_for("engine", lambda event: event["state"] == "connected")
        begin_a_long_answer(desktop, demo.ready["engines"][1]["pid"])
        mark = desktop.place
        os.kill(engine["pid"], signal.SIGKILL)
        desktop.wait_for_answer("failed", timeout_s=3, since=mark)
        os.kill(demo.ready["engines"][1]["pid"], signal.SIGCONT)
        for each in demo.ready["engines"]:
            wait_until_gone(each["pid"], timeout_s=20)
        with running_meadow(*demo_arguments):
            desktop.wait_for("engine", lambda event: event["state"] == "connected", timeout_s=30, since=mark)
            mark = desktop.place
            desktop.click("try-again")
            desktop.wait_for_answer("complete", timeout_s=120, since=mark)
