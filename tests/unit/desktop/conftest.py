"""One QApplication without a screen, engines that are fakes, and no patience with Qt's warnings."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from fakes.chat_desk import MakeDesk
from fakes.chat_room import Room, opened_room
from fakes.desktop_qt import no_complaints, settle
from fakes.engine_link import connect
from fakes.settings_room import Opened, OpenPage, open_settings
from meadow_desktop.chat.desk import ChatDesk
from meadow_desktop.chat.keeping.store import ConversationStore
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


@pytest.fixture
def engine(start_engine: Callable[..., FakeEngine], link: EngineLink) -> FakeEngine:
    """One to which the link is connected."""
    engine = start_engine()
    connect(link)
    return engine


@pytest.fixture
def make_desk(link: EngineLink, places: Places) -> Iterator[MakeDesk]:
    """Each is as another start of the program would find it."""
    desks: list[ChatDesk] = []

    def make(undo_ms: int = 10_000) -> ChatDesk:
        desk = ChatDesk(ConversationStore(places.conversations), link, undo_ms)
        desk.load()
        desks.append(desk)
        return desk

    yield make
    for desk in desks:
        desk.close()


@pytest.fixture
def desk(make_desk: MakeDesk) -> ChatDesk:
    return make_desk()


@pytest.fixture
def room(places: Places, start_engine: Callable[..., FakeEngine]) -> Iterator[Room]:
    """The chat page, with an engine that writes quickly."""
    start_engine(piece_s=0.001)
    with opened_room(places) as room:
        yield room


@pytest.fixture
def open_page(places: Places, start_engine: Callable[..., FakeEngine]) -> Iterator[OpenPage]:
    """Opens the settings page; `prepare` changes the engine before that."""
    opened: list[Opened] = []

    def open_it(state: str = "waiting", prepare: Callable[[FakeEngine], object] = lambda engine: None) -> Opened:
        engine = start_engine(state)
        prepare(engine)
        opened.append(open_settings(engine, places))
        return opened[-1]

    yield open_it
    for each in opened:
        each.close()
    settle()
