"""One QApplication without a screen, engines that are fakes, and no patience with Qt's warnings."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from fakes.desktop_qt import no_complaints, settle
from meadow_desktop.engine.link import EngineLink
from meadow_desktop.fake_engine import FakeEngine
from meadow_desktop.windows.theme import LIGHT, apply_theme
from meadow_engine.api.places import Places, find_places


@pytest.fixture(scope="session")
def application() -> QApplication:
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    existing = QApplication.instance()
    application = existing if isinstance(existing, QApplication) else QApplication(["meadow-tests"])
    application.setQuitOnLastWindowClosed(False)
    apply_theme(application, LIGHT)
    # What was imported by now stays: looking through it after each of hundreds of tests takes longer than they do.
    gc.collect()
    gc.freeze()
    return application


@pytest.fixture(autouse=True)
def _qt_is_content(application: QApplication) -> Iterator[None]:
    # Python collects on whichever thread allocates: on one of a fake engine it would end widgets and timers there.
    gc.disable()
    try:
        with no_complaints():
            yield
            settle()
            gc.collect()
    finally:
        gc.enable()


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return find_places(tmp_path)


@pytest.fixture
def link(places: Places) -> Iterator[EngineLink]:
    """Only ever attaches; ended after what hangs on it."""
    link = EngineLink(places, factory=None)
    yield link
    link.close()
    settle()


@pytest.fixture
def start_engine(places: Places) -> Iterator[Callable[..., FakeEngine]]:
    engines: list[FakeEngine] = []

    def start(state: str = "sharing", piece_s: float = 0.005) -> FakeEngine:
        engine = FakeEngine(places, state, piece_s)
        engine.start()
        engines.append(engine)
        return engine

    yield start
    for engine in engines:
        engine.stop()
