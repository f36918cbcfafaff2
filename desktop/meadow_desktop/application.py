"""Runs the desktop: the one QApplication, the first of its kind on this computer, until it is ended. GUI thread."""

from __future__ import annotations

import gc
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSocketNotifier, QTimer
from PySide6.QtWidgets import QApplication

from meadow_desktop.caret import RestingCaret
from meadow_desktop.desktop import Desktop
from meadow_desktop.event_log import EventLog
from meadow_desktop.language import use_language
from meadow_desktop.options import Options
from meadow_desktop.program_log import catch_unexpected, set_up_log
from meadow_desktop.settings.appearance import appearance_file, read_appearance
from meadow_desktop.settings.appearance_desk import AppearanceDesk
from meadow_desktop.single_instance import SingleInstance
from meadow_desktop.tray.icon import make_icon
from meadow_desktop.windows.qt_language import speak
from meadow_desktop.windows.theme import apply_theme, choose_theme
from meadow_engine.api.errors import Problem
from meadow_engine.api.places import Places, find_places

if TYPE_CHECKING:
    from meadow_desktop.fake_engine import FakeEngine

EXIT_ALREADY_RUNS = 3


def run(options: Options, events: EventLog) -> int:
    """Run the desktop until it is ended; the exit code."""
    application = QApplication(["meadow"])
    application.setApplicationName("meadow")
    application.setApplicationDisplayName("Meadow")
    application.setDesktopFileName("meadow")
    application.setQuitOnLastWindowClosed(False)
    use_language()
    RestingCaret(application)
    apply_theme(application, choose_theme(options.colour_scheme))
    application.setWindowIcon(make_icon("sharing"))

    base_dir = options.base_dir
    if options.fake_engine is not None and base_dir is None:
        base_dir = Path(tempfile.mkdtemp(prefix="meadow-fake-"))
    places = find_places(base_dir)
    single = SingleInstance(places.runtime)
    try:
        is_first = single.become_first()
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        _complain(
            f"Meadow cannot write to {places.runtime} ({reason}).", "Make this folder writable, or give --base-dir."
        )
        return 1
    if not is_first:
        if single.ask_first():
            events.write("raised-other")
            return 0
        _complain("Meadow's desktop already runs but does not answer.", "End it and start again.")
        return EXIT_ALREADY_RUNS

    set_up_log(places.logs / "desktop.log", lambda text: events.write("qt-warning", text=text))
    fake = _start_fake_engine(places, options.fake_engine) if options.fake_engine is not None else None
    chosen = read_appearance(appearance_file(places))
    speak(application, use_language(chosen.language))
    desktop = Desktop(application, options, places, events, AppearanceDesk(appearance_file(places), chosen))
    catch_unexpected(lambda problem: _report_unexpected(desktop, events, problem))
    single.show_asked.connect(desktop.open_chat)
    signals = _Signals(desktop)
    QTimer.singleShot(0, desktop, desktop.begin)
    # What there is by now stays until the end: looking through it again and again would hold the window up.
    gc.freeze()
    gc.enable()
    code = application.exec()
    signals.close()
    single.release()
    if fake is not None:
        fake.stop()
    events.write("ended")
    return code


class _Signals(QObject):
    """SIGTERM and SIGINT become `leave()`: the interpreter writes a byte, and Qt's loop finds it.

    The Python handler itself does nothing, because it runs in the middle of whatever Python code is running.
    """

    def __init__(self, desktop: Desktop) -> None:
        super().__init__(desktop)
        self._desktop = desktop
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)
        signal.set_wakeup_fd(self._write.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        self._notifier = QSocketNotifier(self._read.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._drain)

    def close(self) -> None:
        """Give the descriptors back."""
        self._notifier.setEnabled(False)
        signal.set_wakeup_fd(-1)
        self._read.close()
        self._write.close()

    def _drain(self) -> None:
        try:
            self._read.recv(64)
        except BlockingIOError:
            return
        self._desktop.leave()


def _start_fake_engine(places: Places, state: str) -> FakeEngine:
    from meadow_desktop.fake_engine import FakeEngine  # an HTTP server, which nobody else needs

    fake = FakeEngine(places, state)
    fake.start()
    return fake


def _report_unexpected(desktop: Desktop, events: EventLog, problem: Problem) -> None:
    events.write("unexpected-error")
    desktop.window.show_problem(problem)


def _complain(sentence: str, advice: str) -> None:
    sys.stderr.write(f"Error: {sentence}\n{advice}\n")
