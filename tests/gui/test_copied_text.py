"""Text of the conversation is selected with a real pointer and comes out of the clipboards."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fakes.desktop_display import Display
from fakes.desktop_program import DesktopProgram, running_desktop
from meadow_desktop.chat.conversation import Question
from meadow_desktop.chat.keeping.store import ConversationStore
from meadow_engine.api.places import find_places

pytestmark = pytest.mark.display

MIDDLE = 2


def questions(base_dir: Path) -> list[str]:
    store = ConversationStore(find_places(base_dir).conversations)
    messages = [message for head in store.load().heads for message in store.read(head.id).messages]
    return [message.text for message in messages if isinstance(message, Question)]


def send(desktop: DesktopProgram, display: Display) -> None:
    mark = desktop.place
    display.press("Return")
    desktop.wait_for_answer("complete", since=mark)


def test_a_stroke_beyond_the_windows_edge_is_copied_and_pasted_both_ways(display: Display, tmp_path: Path) -> None:
    with running_desktop(display, tmp_path, "--fake-engine", "sharing", "--chat") as desktop:
        desktop.ask("What is a swarm?")
        desktop.wait_for_answer("complete")
        time.sleep(0.5)
        left, top, width, height = desktop.wait_for_control("transcript")
        end = (left + width - 20, top + height - 40)
        display.drag(end, (left + 60, top + 200), (left + 4, top - 30), rest_s=2.0)
        display.press("ctrl+c")
        desktop.click("composer-text")
        display.press("ctrl+v")
        send(desktop, display)
        x, y, _width, _height = desktop.wait_for_control("composer-text")
        display.click(x + 30, y + 10, MIDDLE)
        send(desktop, display)
    _asked, copied, pasted = questions(tmp_path)
    assert copied.startswith("What is a swarm?\n\nA swarm is a group of computers")
    assert "1. your words become hidden states,\n2. " in copied
    assert "layers 0–2\tvolunteer-a" in copied
    assert copied.endswith("everybody can use it.")
    assert pasted == copied
