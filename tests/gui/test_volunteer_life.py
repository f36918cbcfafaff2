"""The life of a volunteer in the real window with the real engine, from the first start to the next day's.

    first start ──► away: shared ──► helped somebody ──► back: theirs again ──► paused ──► ended ──► as it was left

Nothing stands in for anything: the window starts its engine, the engine its host process, and other computers are
programs of their own. What came of each step is read in the window, as a screen reader tells it, and in the menu of the
tray. How long every step took is printed (`pytest -s`).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from fakes.chat_as_read import ChatAsRead
from fakes.desktop_display import Display
from fakes.desktop_program import DesktopProgram, is_alive, running_desktop
from fakes.desktop_tray_host import TrayHost
from fakes.engine_folder import ANY_MACHINE, EngineFolder
from fakes.processes import run_meadow, running_meadow, serve_arguments, wait_until
from fakes.screen_reader import ScreenReader, running_screen_reader
from meadow_assets import demo_model_path
from meadow_engine.api.contributions import Contributions
from meadow_engine.cli.console import note

NAME, NEIGHBOUR = "the volunteer's computer", "a neighbour's computer"
QUESTION = "What is Meadow?"
MINUTES_LEFT = re.compile(r"Paused: (2[789]|30) minutes left")
SETTINGS = {**ANY_MACHINE, "public_name": NAME, "idle_s": 4, "quiet_s": 1}
pytestmark = pytest.mark.display


class Computer(EngineFolder):
    """The volunteer's computer: what lies on its disk, and what its engine says."""

    def contributions(self) -> Contributions:
        return Contributions.model_validate_json(self.ask("GET", "/api/contributions").content)

    def settings(self) -> dict[str, Any]:
        return {each["name"]: each["value"] for each in self.ask("GET", "/api/settings").json()["settings"]}

    def holders(self) -> int:
        """How many computers hold the layer of the model that the fewest hold."""
        (model,) = self.ask("GET", "/api/models").json()
        return min(map(int, model["coverage"]))


@contextmanager
def running_window(display: Display, computer: Computer) -> Iterator[tuple[DesktopProgram, ScreenReader]]:
    """The app as it starts with the computer: without a window but for the first start."""
    with (
        running_screen_reader(display.bus) as reader,
        running_desktop(display, computer.base, is_welcomed=False) as desktop,
    ):
        yield desktop, reader


@contextmanager
def step(name: str) -> Iterator[None]:
    began_s = time.monotonic()
    yield
    note(f"{name}: {time.monotonic() - began_s:.1f} s")


def go_through_the_first_start(desktop: DesktopProgram) -> None:
    """Share, with the swarm and the model that Meadow comes with."""
    desktop.click("welcome-continue")
    desktop.choose("choose-share")
    desktop.click("welcome-continue")
    desktop.choose("choose-default-swarm")
    desktop.click("welcome-continue")
    desktop.click("welcome-continue")
    desktop.wait_for("welcomed")
    desktop.wait_for("window-shown")


def ask_from_elsewhere(folder: Path, address: str) -> dict[str, Any]:
    """Somebody else's chat."""
    asking = ("--join", address, "--prompt", QUESTION, "--greedy", "--json", "--base-dir", str(folder))
    done = run_meadow("chat", "demo", *asking)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def tokens_for_others(reader: ScreenReader) -> int:
    """As the line at the window's lower edge says it."""
    said = "\n".join(each.name for each in reader.look())
    found = re.search(r"([\d,]+) tokens? computed for others", said)
    return int(found[1].replace(",", "")) if found else 0


def credits_shown(desktop: DesktopProgram, reader: ScreenReader) -> list[str]:
    """Balance, earned and spent, as the page of credits says them."""
    desktop.click("go-credits")
    reader.wait_for("Earned: ")
    said = [each.name for each in reader.look()]
    return [next(each for each in said if each.startswith(title)) for title in ("Balance: ", "Earned: ", "Spent: ")]


def pause_for_half_an_hour(desktop: DesktopProgram) -> None:
    desktop.click("pause")
    desktop.display.press("Down", "Return")
    desktop.wait_for("engine", lambda event: event["shape"] == "paused")


@pytest.mark.timeout(300)
def test_a_volunteer_begins_helps_somebody_comes_back_pauses_and_finds_everything_kept(
    display: Display, tray_host: TrayHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    computer = Computer(tmp_path / "volunteer")
    computer.write_settings(SETTINGS)

    with running_window(display, computer) as (desktop, reader), ExitStack() as neighbourhood:
        chat = ChatAsRead(reader)
        with step("the first start"):
            desktop.wait_for("welcome-shown")
            engine = desktop.wait_for("engine", lambda event: event["is_ours"], timeout_s=60)["pid"]
            assert not computer.status().is_sharing_allowed
            go_through_the_first_start(desktop)
            reader.wait_for("Waiting: you are here")
            assert reader.named("Share this computer")[0].is_checked
        with step("away, and shared"):
            desktop.wait_for("engine", lambda event: event["shape"] == "sharing", timeout_s=60)
            reader.wait_for("Sharing layers 0–7 of meadow-demo")
            assert tokens_for_others(reader) == 0
            address = computer.status().address[0]
        with step("a chat from another computer"):
            answer = ask_from_elsewhere(tmp_path / "somebody", address)
            assert "Meadow" in answer["answer"]
            assert [link["name"] for link in answer["chain"]] == [NAME]
            wait_until(lambda: tokens_for_others(reader) > 0, 10, "the count of what was computed for others")
            wait_until(lambda: computer.contributions().earned_credits > 0, 10, "the count of what was earned")
        with step("a neighbour joins"):
            serving = serve_arguments(demo_model_path(), (0, 8), [address], name=NEIGHBOUR)
            neighbourhood.enter_context(running_meadow(*serving))
            wait_until(lambda: computer.holders() == 2, 30, "the neighbour's announcement")
            reader.wait_for("Sharing layers 0–7 of meadow-demo")
        with step("back, and everything given back"):
            mark = desktop.place
            display.move(300, 300)
            desktop.wait_for("engine", lambda event: event["shape"] != "sharing", timeout_s=3, since=mark)
            reader.wait_for("Waiting: you are here", timeout_s=5)
            assert computer.status().span is None
        with step("what was earned"):
            figures = credits_shown(desktop, reader)
            assert figures[1] not in {"Earned: 0", "Earned: –"}
            reader.wait_for("1 conversation helped since ")
        with step("a question of their own"):
            desktop.click("go-chat")
            mark = desktop.place
            desktop.ask(QUESTION)
            desktop.wait_for_answer("complete", timeout_s=60, since=mark)
            chat.wait_for("tokens/s · first token", f"Answered by {NEIGHBOUR}, layers 0–7")
            written = chat.answers
            assert "Meadow" in written
        with step("what was spent"):
            wait_until(lambda: computer.contributions().spent_credits > 0, 10, "the count of what was spent")
            figures = credits_shown(desktop, reader)
            assert figures[2] not in {"Spent: 0", "Spent: –"}
        with step("paused for half an hour"):
            pause_for_half_an_hour(desktop)
            reader.wait_for("Paused: 30 minutes left")
            tray_host.wait_for_menu(lambda menu: "Paused: 30 minutes left" in menu)
        before = computer.contributions()
        with step("the end"):
            display.press("ctrl+q")
            assert desktop.end() == 0
            assert not is_alive(engine)

    with running_window(display, computer) as (desktop, reader):
        chat = ChatAsRead(reader)
        with step("the next start"):
            desktop.wait_for("engine", lambda event: event["shape"] == "paused", timeout_s=60)
            assert not [each for each in desktop.events if each["event"] in {"welcome-shown", "window-shown"}]
            tray_host.wait_for_menu(lambda menu: any(MINUTES_LEFT.fullmatch(label) for label in menu))
        with step("everything as it was"):
            tray_host.choose("Open chat")
            desktop.wait_for("window-shown")
            reader.wait_until(lambda said: any(MINUTES_LEFT.fullmatch(each.name) for each in said))
            assert reader.named("Share this computer")[0].is_checked
            assert credits_shown(desktop, reader) == figures
            assert computer.contributions() == before
            desktop.click("go-settings")
            reader.wait_until(lambda said: any((each.name, each.text) == ("Away after", "4 seconds") for each in said))
            kept = computer.settings()
            assert {name: kept[name] for name in SETTINGS} == SETTINGS
            desktop.click("go-chat")
            x, y, _width, _height = desktop.wait_for_control("conversation-list")
            display.click(x + 60, y + 15)
            chat.wait_for_questions(QUESTION)
            chat.wait_for_answers(written)
            assert chat.chain == f"Answered by {NEIGHBOUR}, layers 0–7"
            assert chat.titles == [QUESTION]
        tray_host.choose(next(each["label"] for each in tray_host.menu() if each["label"].startswith("Quit Meadow")))
        assert desktop.end() == 0
