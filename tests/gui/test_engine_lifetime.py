"""Engines that the desktop starts or finds: they end with it, and their death is survived."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from fakes.desktop_display import Display
from fakes.desktop_program import FAKE_ENGINE, is_alive, running_desktop, running_fake_engine, wait_until_gone

pytestmark = pytest.mark.display


def test_an_engine_that_the_tray_started_ends_with_kill_9_of_the_tray(display: Display, tmp_path: Path) -> None:
    with running_desktop(display, tmp_path, "--engine-command", FAKE_ENGINE) as desktop:
        pid = desktop.wait_for("engine", lambda event: event["is_ours"])["pid"]
        assert is_alive(pid)
        desktop.kill()
        wait_until_gone(pid)


@pytest.mark.parametrize("way", ["ctrl+q", "SIGTERM"])
def test_an_engine_that_the_tray_started_ends_with_it(display: Display, tmp_path: Path, way: str) -> None:
    with running_desktop(display, tmp_path, "--chat", "--engine-command", FAKE_ENGINE) as desktop:
        pid = desktop.wait_for("engine", lambda event: event["is_ours"])["pid"]
        if way == "SIGTERM":
            desktop.process.terminate()
        else:
            desktop.click("composer-text")
            display.press("ctrl+q")
        assert desktop.end() == 0
        assert not is_alive(pid)


def test_an_engine_that_was_there_before_stays(display: Display, tmp_path: Path) -> None:
    with running_fake_engine(tmp_path) as engine:
        with running_desktop(display, tmp_path, "--engine-command", FAKE_ENGINE) as desktop:
            connected = desktop.wait_for("engine", lambda event: event["state"] == "connected")
            assert (connected["pid"], connected["is_ours"]) == (engine.pid, False)
            desktop.process.terminate()
            assert desktop.end() == 0
        assert is_alive(engine.pid)


def test_kill_9_of_the_tray_s_engine_in_mid_answer_is_said_and_repaired(display: Display, tmp_path: Path) -> None:
    with running_desktop(display, tmp_path, "--chat", "--engine-command", FAKE_ENGINE) as desktop:
        pid = desktop.wait_for("engine", lambda event: event["is_ours"])["pid"]
        desktop.ask("What is a swarm?")
        desktop.wait_for_answer("writing", least=40)
        mark, killed_at = desktop.place, time.monotonic()
        os.kill(pid, signal.SIGKILL)
        failed = desktop.wait_for_answer("failed", timeout_s=3, since=mark)
        assert failed["at"] - killed_at < 3
        assert failed["problem"] == "engine-lost"
        assert failed["characters"] >= 40
        desktop.wait_for("engine", lambda event: event["is_ours"] and event["pid"] != pid, since=mark)
        mark = desktop.place
        desktop.click("try-again")
        desktop.wait_for_answer("complete", since=mark)


def test_kill_9_of_a_found_engine_in_mid_answer_is_said_and_the_next_one_is_used(
    display: Display, tmp_path: Path
) -> None:
    with running_desktop(display, tmp_path, "--chat", "--attach-only") as desktop:
        with running_fake_engine(tmp_path) as engine:
            desktop.wait_for("engine", lambda event: event["state"] == "connected")
            desktop.ask("What is a swarm?")
            desktop.wait_for_answer("writing", least=40)
            mark, killed_at = desktop.place, time.monotonic()
            engine.kill()
            assert desktop.wait_for_answer("failed", since=mark)["at"] - killed_at < 3
            gone = desktop.wait_for("engine", lambda event: event["state"] == "unreachable", since=mark)
            assert gone["headline"] == "The engine stopped"
        mark = desktop.place
        desktop.click("try-again")
        assert desktop.wait_for_answer("failed", since=mark)["problem"] == "engine-lost"
        with running_fake_engine(tmp_path):
            desktop.wait_for("engine", lambda event: event["state"] == "connected", since=mark)
            mark = desktop.place
            desktop.click("try-again")
            desktop.wait_for_answer("complete", since=mark)


def test_an_engine_that_hangs_is_noticed_too(display: Display, tmp_path: Path) -> None:
    with running_fake_engine(tmp_path) as engine:
        os.kill(engine.pid, signal.SIGSTOP)
        with running_desktop(display, tmp_path, "--chat", "--attach-only") as desktop:
            desktop.wait_for("engine", lambda event: event["state"] == "unreachable")
            os.kill(engine.pid, signal.SIGCONT)
            desktop.wait_for("engine", lambda event: event["state"] == "connected")


def test_an_engine_that_ends_at_once_shows_its_last_sentence(display: Display, tmp_path: Path) -> None:
    command = f"{FAKE_ENGINE} --fail 'The disk is full.'"
    with running_desktop(display, tmp_path, "--chat", "--engine-command", command) as desktop:
        desktop.wait_for("engine", lambda event: event["headline"] == "The disk is full")
        desktop.wait_for_control("retry-engine")
        mark = desktop.place
        desktop.ask("hello")
        assert desktop.wait_for_answer("failed", since=mark)["problem"] == "engine-ended"
    assert "The disk is full." in (tmp_path / "logs" / "engine.log").read_text(encoding="utf-8")


def test_an_engine_that_cannot_be_started_is_a_sentence(display: Display, tmp_path: Path) -> None:
    with running_desktop(display, tmp_path, "--chat", "--engine-command", "/no/such/engine") as desktop:
        failed = desktop.wait_for("engine", lambda event: event["state"] == "unreachable")
        assert failed["headline"].startswith("The engine could not be started")


def test_exit_code_3_means_that_another_engine_comes_up_and_is_attached_to(display: Display, tmp_path: Path) -> None:
    with running_desktop(display, tmp_path, "--chat", "--engine-command", "sh -c 'exit 3'") as desktop:
        desktop.wait_for("engine", lambda event: "Another engine" in event["headline"])
        with running_fake_engine(tmp_path) as engine:
            connected = desktop.wait_for("engine", lambda event: event["state"] == "connected")
            assert (connected["pid"], connected["is_ours"]) == (engine.pid, False)
