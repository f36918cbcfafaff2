"""The life of a volunteer in the real window with the real engine, from the first start to the next day's.

    first start ──► away: shared ──► helped somebody ──► back: theirs again ──► paused ──► ended ──► as it was left

Nothing stands in for anything: the window starts its engine, the engine its host process, and other computers are
programs of their own. How long every step took is printed (`pytest -s`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakes.desktop_display import Display
from fakes.desktop_program import DesktopProgram, is_alive, running_desktop
from fakes.desktop_tray_host import TrayHost
from fakes.processes import LOOPBACK, run_meadow, running_meadow, serve_arguments, wait_until
from meadow_assets import demo_model_path
from meadow_desktop.chat.conversation import Conversation
from meadow_desktop.chat.keeping.store import ConversationStore
from meadow_engine.api.contributions import Contributions
from meadow_engine.api.places import find_places
from meadow_engine.api.status import EngineStatus
from meadow_engine.cli.console import note

NAME, NEIGHBOUR = "the volunteer's computer", "a neighbour's computer"
QUESTION = "What is Meadow?"
NOTHING = {"0", "–"}  # as the page of credits says it
SETTINGS: dict[str, object] = {
    "listen": [LOOPBACK],
    "device": "cpu",
    "dtype": "float32",
    "public_name": NAME,
    "idle_s": 4,
    "quiet_s": 1,
    "foreign_cpu_percent": 100,
    "memory_kept_gb": 0,
    "disk_kept_gb": 0,
    "share_on_battery": True,
    "share_metered": True,
    "too_hot_c": 110,
    "cool_again_c": 105,
}
pytestmark = pytest.mark.display


class Computer:
    """The volunteer's computer: what lies on its disk, and what its engine says."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.places = find_places(base)
        self.places.configuration.mkdir(parents=True)
        lines = [f"{name} = {json.dumps(value)}" for name, value in SETTINGS.items()]
        self.places.settings_file.write_text("\n".join(lines), encoding="utf-8")

    def get(self, path: str) -> httpx.Response:
        running = json.loads((self.base / "run" / "engine.json").read_text(encoding="utf-8"))
        headers = {"Authorization": f"Bearer {running['token']}"}
        return httpx.get(running["url"] + path, headers=headers, timeout=20)

    def status(self) -> EngineStatus:
        return EngineStatus.model_validate_json(self.get("/api/status").content)

    def contributions(self) -> Contributions:
        return Contributions.model_validate_json(self.get("/api/contributions").content)

    def settings(self) -> dict[str, Any]:
        return {each["name"]: each["value"] for each in self.get("/api/settings").json()["settings"]}

    def holders(self) -> int:
        """How many computers hold the layer of the model that the fewest hold."""
        (model,) = self.get("/api/models").json()
        return min(map(int, model["coverage"]))

    def conversation(self) -> Conversation:
        """The only one that is kept."""
        store = ConversationStore(self.places.conversations)
        (head,) = store.load().heads
        return store.read(head.id)


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


def credits_shown(desktop: DesktopProgram, since: int) -> list[str]:
    """Balance, earned and spent, as the page of credits says them."""
    desktop.click("go-credits")
    figures: list[str] = desktop.wait_for("credits", since=since)["figures"]
    return figures


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

    with running_desktop(display, computer.base, is_welcomed=False) as desktop:
        with step("the first start"):
            desktop.wait_for("welcome-shown")
            desktop.wait_for("engine", lambda event: event["is_ours"], timeout_s=60)
            assert not computer.status().is_sharing_allowed
            go_through_the_first_start(desktop)
            assert computer.status().is_sharing_allowed
        with step("away, and shared"):
            desktop.wait_for("engine", lambda event: event["headline"] == "Waiting: you are here")
            desktop.wait_for("engine", lambda event: event["shape"] == "sharing", timeout_s=60)
            shared = computer.status()
            assert shared.span is not None
            assert (shared.span.start, shared.span.end) == (0, 8)
        with step("a chat from another computer"):
            answer = ask_from_elsewhere(tmp_path / "somebody", shared.address[0])
            assert "Meadow" in answer["answer"]
            assert [link["name"] for link in answer["chain"]] == [NAME]
            wait_until(lambda: computer.contributions().earned_credits > 0, 10, "the count of what was earned")

        with ExitStack() as stack:
            with step("a neighbour joins"):
                serving = serve_arguments(demo_model_path(), (0, 8), [shared.address[0]], name=NEIGHBOUR)
                stack.enter_context(running_meadow(*serving))
                wait_until(lambda: computer.holders() == 2, 30, "the neighbour's announcement")
            with step("back, and everything given back"):
                mark = desktop.place
                display.move(300, 300)
                desktop.wait_for("engine", lambda event: event["shape"] != "sharing", timeout_s=3, since=mark)
                back = desktop.wait_for("engine", lambda event: event["shape"] == "waiting", timeout_s=5, since=mark)
                assert back["headline"] == "Waiting: you are here"
                assert computer.status().span is None
            with step("a question of their own"):
                mark = desktop.place
                desktop.ask(QUESTION)
                desktop.wait_for_answer("complete", timeout_s=60, since=mark)
            with step("what was earned and spent"):
                wait_until(lambda: computer.contributions().spent_credits > 0, 10, "the count of what was spent")
                balance, earned, spent = figures = credits_shown(desktop, desktop.place)
                assert not NOTHING & {earned, spent}, figures
            with step("paused for half an hour"):
                pause_for_half_an_hour(desktop)
                tray_host.wait_for_menu(lambda menu: "Paused: 30 minutes left" in menu)
        before, engine = computer.contributions(), computer.status().pid
        with step("the end"):
            display.press("ctrl+q")
            assert desktop.end() == 0
            assert not is_alive(engine)
    conversation = computer.conversation()
    assert [message.text for message in conversation.messages][:1] == [conversation.title] == [QUESTION]
    kept_answer = conversation.last_answer
    assert kept_answer is not None
    assert kept_answer.origin is not None
    assert [link.name for link in kept_answer.origin.chain] == [NEIGHBOUR]

    with running_desktop(display, computer.base, is_welcomed=False) as desktop:
        with step("the next start"):
            desktop.wait_for("engine", lambda event: event["shape"] == "paused", timeout_s=60)
            assert not [each for each in desktop.events if each["event"] in {"welcome-shown", "window-shown"}]
            tray_host.wait_for_menu(lambda menu: any(label.startswith("Paused: ") for label in menu))
            left_s = computer.status().reasons[0].may_end_s
            assert left_s is not None
            assert 1600 < left_s < 1800
        with step("everything as it was"):
            tray_host.choose("Open chat")
            desktop.wait_for("window-shown")
            assert credits_shown(desktop, desktop.place) == [balance, earned, spent]
            assert computer.contributions() == before
            assert computer.conversation() == conversation
            kept = computer.settings()
            assert {name: kept[name] for name in SETTINGS} == SETTINGS
            assert kept["share"] is True
            desktop.click("go-chat")
            x, y, _width, _height = desktop.wait_for_control("conversation-list")
            mark = desktop.place
            display.click(x + 60, y + 15)
            desktop.wait_for("drawn", lambda event: event["characters"] == len(kept_answer.text), since=mark)
        tray_host.choose(next(each["label"] for each in tray_host.menu() if each["label"].startswith("Quit Meadow")))
        assert desktop.end() == 0
