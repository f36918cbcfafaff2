"""The desktop as a process of its own, watched through its JSON log, and the engines it speaks to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fakes.desktop_display import Display
from meadow_desktop.settings.appearance import appearance_file, keep_appearance, read_appearance
from meadow_engine.api.places import find_places

Event = dict[str, Any]
FAKE_ENGINE = f"{sys.executable} -m meadow_desktop.fake_engine --piece-s 0.05"


class DesktopProgram:
    """A running `meadow-desktop --log-json`."""

    def __init__(self, display: Display, base_dir: Path, *arguments: str, is_welcomed: bool = True) -> None:
        self._base_dir = base_dir
        if is_welcomed:
            file = appearance_file(find_places(base_dir))
            keep_appearance(file, read_appearance(file).model_copy(update={"is_welcomed": True}))
        self.display = display
        self.events: list[Event] = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "meadow_desktop", "--log-json", "--base-dir", str(base_dir), *arguments],
            env=display.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.complaints: list[str] = []
        self._readers = [threading.Thread(target=self._read), threading.Thread(target=self._read_complaints)]
        for reader in self._readers:
            reader.start()

    @property
    def place(self) -> int:
        """How many events came so far: a mark to wait from."""
        return len(self.events)

    def wait_for(
        self, event: str, condition: Callable[[Event], bool] = lambda _: True, timeout_s: float = 20.0, since: int = 0
    ) -> Event:
        """The first event of this name since the mark that fulfils the condition."""
        deadline = time.monotonic() + timeout_s
        with self._news:
            while True:
                for each in self.events[since:]:
                    if each["event"] == event and condition(each):
                        return each
                left = deadline - time.monotonic()
                if left <= 0 or not self._news.wait(left):
                    tail = [each for each in self.events if each["event"] not in {"drawn", "controls"}][-12:]
                    raise AssertionError(f"no {event!r} in time; {self.complaints}; the last were {tail}")

    def wait_for_answer(self, phase: str, timeout_s: float = 20.0, since: int = 0, least: int = 0) -> Event:
        """An answer in this phase, with at least so many characters."""
        return self.wait_for(
            "answer", lambda each: each["phase"] == phase and each["characters"] >= least, timeout_s, since
        )

    def wait_for_control(self, name: str, timeout_s: float = 10.0) -> list[int]:
        """Where a control is now: x, y, width, height."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            # The last report is what is on the screen, once there was time for another one.
            time.sleep(0.2)
            reports = [each for each in list(self.events) if each["event"] == "controls"]
            if reports and name in reports[-1]["controls"]:
                place: list[int] = reports[-1]["controls"][name]
                return place
        raise AssertionError(f"there is no {name!r} to click on")

    def click(self, name: str) -> None:
        """Press a button by its name."""
        x, y, width, height = self.wait_for_control(name)
        self.display.click(x + width // 2, y + height // 2)

    def choose(self, name: str) -> None:
        """Press a radio or check button, which Qt hears only on the button itself and its words."""
        x, y, _width, height = self.wait_for_control(name)
        self.display.click(x + 12, y + height // 2)

    def ask(self, question: str) -> None:
        """Type a question and press Enter."""
        self.click("composer-text")
        self.display.type(question)
        self.display.press("Return")

    def kill(self) -> None:
        """As `kill -9`."""
        self.process.send_signal(signal.SIGKILL)
        self._finish()

    def end(self, timeout_s: float = 20.0) -> int:
        """Wait until it has ended by itself; its exit code."""
        self.process.wait(timeout_s)
        return self._finish()

    def close(self) -> None:
        """End it whatever it does."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self._finish()

    def assert_content(self) -> None:
        """Neither Qt nor Python had anything to complain about."""
        bad = [each for each in self.events if each["event"] in {"qt-warning", "unexpected-error"}]
        assert not bad, f"{bad}\n{self._log()}"
        assert not self.complaints, self.complaints

    def _log(self) -> str:
        file = self._base_dir / "logs" / "desktop.log"
        return file.read_text(encoding="utf-8")[-4000:] if file.is_file() else ""

    def _finish(self) -> int:
        code = self.process.wait(20)
        for reader in self._readers:
            reader.join(20)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.events.append(json.loads(line))
                self._news.notify_all()

    def _read_complaints(self) -> None:
        assert self.process.stderr is not None
        self.complaints += list(self.process.stderr)


@contextmanager
def running_desktop(
    display: Display, base_dir: Path, *arguments: str, is_welcomed: bool = True
) -> Iterator[DesktopProgram]:
    """A desktop that is ended at last, and that must not have complained; not its first start unless that is said."""
    program = DesktopProgram(display, base_dir, *arguments, is_welcomed=is_welcomed)
    try:
        program.wait_for("started")
        yield program
    finally:
        program.close()
    program.assert_content()


@contextmanager
def running_fake_engine(base_dir: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A fake engine in a process of its own, which may be killed."""
    process = subprocess.Popen(
        [*FAKE_ENGINE.split(), "--base-dir", str(base_dir), *arguments], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "ready"
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until_gone(pid: int, timeout_s: float = 10.0) -> None:
    """Wait until a process has ended; one that nobody reaps (a zombie) has."""
    deadline = time.monotonic() + timeout_s
    while is_alive(pid):
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """The process runs and is no zombie."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"
