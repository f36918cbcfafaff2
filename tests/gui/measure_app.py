"""Measure the app as a whole: the real program under an X server of its own, with years of conversations.

    python tests/gui/measure_app.py [--runs 5] [--json FILE] [--only start,search,…]

Prints a table, and writes the same figures as JSON. Exit code 1 when a figure is over its limit. A time that is
followed by "busy" is what the window's thread computed in it, and "own" is time without what the thread stood in line
for a processor: on a computer that others use as well, judge by these two. The engine is `meadow_desktop.fake_engine`
in a process of its own, so that the figures are the desktop's.
Needs Xvfb, xdotool and dbus-daemon.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fakes.big_store import LONG_TURNS, add_long_conversation, fill_store
from fakes.desktop_display import Display, missing_programs, running_display
from fakes.desktop_program import DesktopProgram, running_desktop, running_fake_engine
from fakes.desktop_tray_host import running_tray_host
from fakes.process_figures import main_thread_busy_s, memory_of, wake_ups_a_second
from meadow_desktop.fakes_of_engine.answers import long_text
from meadow_desktop.settings.appearance import appearance_file, keep_appearance, read_appearance
from meadow_engine.api.places import find_places

START_S, IMPORT_S, SEARCH_MS, BLOCK_MS, WAKE_UPS = 1.5, 1.0, 100.0, 50.0, 2.0
_SETTLES_S, _WATCHED_S = 36.0, 30.0  # for half a minute after its start the tray looks for a panel every 2 s
_IMPORT = "import meadow_desktop.application"
_IMPORT_LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| ( *)(\S+)")


@dataclass(frozen=True)
class Figure:
    """One line of the table; without a limit it is only told."""

    what: str
    value: float
    unit: str
    limit: float | None = None

    @property
    def is_kept(self) -> bool:
        """It is within its limit, or has none."""
        return self.limit is None or self.value <= self.limit


@dataclass(frozen=True)
class Setting:
    """Where everything is measured. `big` has the many conversations, `empty` has none."""

    display: Display
    big: Path
    empty: Path
    runs: int


def measure_import(setting: Setting) -> Iterator[Figure]:
    """A fresh interpreter that imports the tray; and what that time is spent on."""
    walls, busies = [], []
    for _run in range(setting.runs):
        before, began = _children_busy_s(), time.monotonic()
        subprocess.run([sys.executable, "-c", _IMPORT], check=True)
        walls.append(time.monotonic() - began)
        busies.append(_children_busy_s() - before)
    yield Figure("import of the tray", statistics.median(walls), "s", IMPORT_S)
    yield Figure("import of the tray, busy", statistics.median(busies), "s", IMPORT_S)
    told = subprocess.run([sys.executable, "-X", "importtime", "-c", _IMPORT], check=True, capture_output=True)
    shares: dict[str, float] = {}
    for own_us, _with_others, _depth, name in _IMPORT_LINE.findall(told.stderr.decode()):
        package = name.split(".")[0] if name.split(".")[0] in _PACKAGES else "the rest"
        shares[package] = shares.get(package, 0.0) + int(own_us) / 1000
    for package, ms in sorted(shares.items(), key=lambda each: -each[1]):
        yield Figure(f"  of it {package}", ms, "ms")


_PACKAGES = {"PySide6", "shiboken6", "shibokensupport", "pydantic", "pydantic_core", "meadow_desktop", "meadow_engine",
             "asyncio", "http", "markdown_it", "pygments"}  # fmt: skip


def measure_start(setting: Setting) -> Iterator[Figure]:
    """From the start of the process until the window is drawn and hears."""
    for what, base, limit in (("no conversations", setting.empty, None), ("10,000 messages", setting.big, START_S)):
        walls, busies, memories = [], [], []
        with running_fake_engine(base):
            for _run in range(setting.runs):
                began = time.monotonic()
                with running_app(setting.display, base) as app:
                    usable = app.wait_for("usable")
                    walls.append(usable["at"] - began)
                    busies.append(usable["cpu_s"])
                    app.wait_for("engine", lambda event: event["state"] == "connected")
                    time.sleep(1)
                    memories.append(memory_of(app.process.pid))
        yield Figure(f"start, {what}", statistics.median(walls), "s", limit)
        yield Figure(f"start, {what}, busy", statistics.median(busies), "s", limit)
        yield Figure(f"memory after the start, {what}, PSS", statistics.median(each.pss for each in memories), "MiB")
        yield Figure(f"memory after the start, {what}, RSS", statistics.median(each.rss for each in memories), "MiB")


def measure_search(setting: Setting) -> Iterator[Figure]:
    """From the last key of a query to its hits among 10,000 messages."""
    with running_fake_engine(setting.big), running_app(setting.display, setting.big) as app:
        app.wait_for("usable")
        names = _controls(app)
        field = next((name for name in sorted(names) if "search" in name), "")
        if not field:
            raise LookupError(f"there is no search field among {sorted(names)}")
        spent_ms = []
        app.click(field)
        for begun, last, least in (("needle strass", "e", 1), ("cafe bicycle", "s", 100), ("questio", "n", 100)):
            setting.display.press("ctrl+a", "BackSpace")
            setting.display.type(begun)
            time.sleep(1)
            mark, began = app.place, time.monotonic()
            setting.display.press(last)
            found = app.wait_for("found", since=mark)
            if found["hits"] < least:
                raise LookupError(f"only {found['hits']} places were found")
            spent_ms.append((found["at"] - began) * 1000)
        yield Figure("search, worst of 3", max(spent_ms), "ms", SEARCH_MS)
        yield from _blocks("searching", app, 0)


def measure_long_conversation(setting: Setting) -> Iterator[Figure]:
    """Open the conversation of 2,000 messages and go through it with the wheel and the keys."""
    with running_fake_engine(setting.big), running_app(setting.display, setting.big) as app:
        app.wait_for("usable")
        x, y, _width, _height = app.wait_for_control("conversation-list")
        time.sleep(2)
        mark, began = app.place, time.monotonic()
        setting.display.click(x + 60, y + 15)  # the latest is the first in the list
        opened = app.wait_for("drawn", lambda event: event["characters"] > 0, since=mark)
        yield Figure(f"opening {2 * LONG_TURNS} messages", (opened["at"] - began) * 1000, "ms")
        time.sleep(2)
        yield from _blocks("opening", app, mark)
        x, y, width, height = app.wait_for_control("transcript")
        mark = app.place
        for button in (4, 5, 4):
            for _turn in range(40):
                setting.display.click(x + width // 2, y + height // 2, button)
        setting.display.click(x + width // 2, y + height - 4)
        setting.display.press(*["Prior"] * 25, *["Next"] * 10)
        time.sleep(2)
        yield from _blocks("scrolling", app, mark)
        memory = memory_of(app.process.pid)
        yield Figure("memory with the long conversation, PSS", memory.pss, "MiB")
        yield Figure("memory with the long conversation, RSS", memory.rss, "MiB")


def measure_long_answer(setting: Setting) -> Iterator[Figure]:
    """An answer of 20,000 words in 20 pieces a second."""
    with (
        running_fake_engine(setting.empty, "--state", "long"),
        running_app(setting.display, setting.empty) as app,
    ):
        app.wait_for("usable")
        app.wait_for("engine", lambda event: event["state"] == "connected")
        mark = app.place
        app.ask("Write a book")
        app.wait_for_answer("writing", since=mark)
        before_s, began = main_thread_busy_s(app.process.pid), time.monotonic()
        app.wait_for_answer("complete", timeout_s=180, since=mark, least=len(long_text()))
        took_s = time.monotonic() - began
        busy = (main_thread_busy_s(app.process.pid) - before_s) / took_s
        yield Figure("writing 20,000 words took", took_s, "s")
        yield Figure("the window's thread was busy for", busy * 100, "%")
        time.sleep(2)
        yield from _blocks("writing", app, mark)
        memory = memory_of(app.process.pid)
        yield Figure("memory after the long answer, PSS", memory.pss, "MiB")
        yield Figure("memory after the long answer, RSS", memory.rss, "MiB")


def measure_quiet(setting: Setting) -> Iterator[Figure]:
    """How often the tray wakes up while sharing is paused and no window is seen. No log is written meanwhile."""
    with running_tray_host(setting.display.bus), running_fake_engine(setting.big, "--state", "paused"):
        for what, arguments in (("never shown", []), ("hidden again", ["--chat"])):
            app = subprocess.Popen(
                [sys.executable, "-m", "meadow_desktop", "--base-dir", str(setting.big), "--attach-only", *arguments],
                env=setting.display.environment(),
            )
            try:
                if arguments:
                    time.sleep(5)
                    setting.display.press("ctrl+w")
                time.sleep(_SETTLES_S)
                rate = wake_ups_a_second(app.pid, _WATCHED_S)
                memory = memory_of(app.pid)
            finally:
                app.terminate()
                app.wait(20)
            yield Figure(f"wake-ups a second, paused, window {what}", rate, "", WAKE_UPS)
            yield Figure(f"memory, window {what}, PSS", memory.pss, "MiB")


MEASUREMENTS: dict[str, Callable[[Setting], Iterator[Figure]]] = {
    "import": measure_import,
    "start": measure_start,
    "search": measure_search,
    "conversation": measure_long_conversation,
    "answer": measure_long_answer,
    "quiet": measure_quiet,
}


def main() -> int:
    """Measure what was asked for; 1 when something is over its limit or could not be measured."""
    parser = argparse.ArgumentParser(description="Measure the app.")
    parser.add_argument("--runs", type=int, default=5, help="starts and imports of which the median is told")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    parser.add_argument("--only", default=",".join(MEASUREMENTS), help=f"some of {', '.join(MEASUREMENTS)}")
    options = parser.parse_args()
    missing = missing_programs()
    if missing:
        sys.stderr.write(f"Error: not installed: {', '.join(missing)}.\n")
        return 1
    figures: list[Figure] = []
    is_complete = True
    with (
        tempfile.TemporaryDirectory(prefix="meadow-measures-") as name,
        running_display() as display,
    ):
        setting = Setting(display, Path(name, "big"), Path(name, "empty"), options.runs)
        welcomed(setting.empty)
        welcomed(setting.big)
        conversations = find_places(setting.big).conversations
        fill_store(conversations)
        add_long_conversation(conversations)
        for each in options.only.split(","):
            try:
                for figure in MEASUREMENTS[each](setting):
                    figures.append(figure)
                    sys.stdout.write(line_of(figure))
                    sys.stdout.flush()
            except (AssertionError, LookupError) as error:
                sys.stdout.write(f"{each}: not measured: {error}\n")
                is_complete = False
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=1), encoding="utf-8")
    return 0 if is_complete and all(figure.is_kept for figure in figures) else 1


def line_of(figure: Figure) -> str:
    """A row of the table."""
    limit = "" if figure.limit is None else f"at most {figure.limit:g} {figure.unit}"
    verdict = "" if figure.is_kept else "  OVER"
    return f"{figure.what:52} {figure.value:9.2f} {figure.unit:4} {limit}{verdict}\n"


def welcomed(base: Path) -> None:
    """Not the first start of this Meadow."""
    file = appearance_file(find_places(base))
    keep_appearance(file, read_appearance(file).model_copy(update={"is_welcomed": True}))


@contextmanager
def running_app(display: Display, base: Path) -> Iterator[DesktopProgram]:
    """The desktop with its window, without a tray: it tells how long it was held up."""
    with running_desktop(display, base, "--attach-only", "--no-tray", "--chat", "--log-blocks") as app:
        yield app


def _controls(app: DesktopProgram) -> set[str]:
    app.wait_for_control("composer-text")
    return {name for event in app.events if event["event"] == "controls" for name in event["controls"]}


def _blocks(what: str, app: DesktopProgram, since: int) -> Iterator[Figure]:
    paces = [event for event in app.events[since:] if event["event"] == "pace"]
    if not paces:
        raise LookupError("the window told nothing about its pace")
    for detail, name in (("", "ms"), (", own", "own_ms"), (", busy", "busy_ms")):
        yield Figure(f"{what}: longest block{detail}", max(each[name] for each in paces), "ms", BLOCK_MS)


def _children_busy_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    raise SystemExit(main())
