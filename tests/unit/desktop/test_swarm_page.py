"""The swarm page says who holds what, where this computer is, and what is missing; it asks only while it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton, QTableWidget

from fakes.desktop_qt import settle, wait_until
from fakes.engine_link import connect
from meadow_desktop.engine.link import EngineLink
from meadow_desktop.fake_engine import FakeEngine
from meadow_desktop.fakes_of_engine.swarm import fake_swarm
from meadow_desktop.swarm.desk import SwarmDesk
from meadow_desktop.swarm.membership_desk import MembershipDesk
from meadow_desktop.swarm.view import describe_for_report, present_model, present_swarm
from meadow_desktop.windows.swarm.coverage_bar import CoverageBar
from meadow_desktop.windows.swarm.swarm_page import SwarmPage
from meadow_desktop.windows.theme import DARK, LIGHT
from meadow_engine.api.status import EngineStatus, Span
from meadow_engine.api.swarm import SwarmOverview

StartEngine = Callable[..., FakeEngine]

STATUS = EngineStatus(
    version="1",
    pid=1,
    peer="12D3",
    name="me",
    address=["/ip4/192.0.2.7/tcp/1/p2p/12D3"],
    uptime_s=1,
    device="cpu",
    sharing="sharing",
    model="models/meadow-demo",
    span=Span(start=0, end=3),
    sessions=2,
    tokens_served=1234,
    base_url="http://127.0.0.1:1/v1",
)
SWARM = fake_swarm("meadow-demo", is_sharing=True)


def test_a_complete_model_says_how_fast_it_is_and_who_is_part_of_the_chain() -> None:
    view = present_model(SWARM.models[0])
    assert (view.title, view.trouble) == ("meadow-demo", "")
    assert view.summary == "9 layers · 4 computers · remembers 512 tokens · about 24.1 tokens/s"
    assert [server.is_in_chain for server in view.servers] == [True, False, True, True]
    assert [server.name for server in view.servers if server.is_own] == ["this one (this computer)"]
    assert view.servers[3].latency == "180 ms"
    assert view.layers_words == "Every layer is held by at least 1 computer."


def test_missing_layers_are_named_and_drawn() -> None:
    view = present_model(SWARM.models[1])
    assert view.trouble == "Nobody holds layers 24–39. Answers wait until somebody does."
    assert {layer.holding for layer in view.layers[24:40]} == {"nobody"}
    assert view.layers[0].words == "Layer 0: held by 1 computer"
    assert view.servers[1].rate == "–"  # not measured, so nothing is made up


def test_own_layers_are_marked_in_the_bar() -> None:
    layers = present_model(SWARM.models[0]).layers
    assert [layer.is_own for layer in layers] == [True] * 3 + [False] * 6
    assert [layer.holding for layer in layers] == ["several"] * 3 + ["one"] * 6


def test_the_page_says_why_it_is_empty() -> None:
    assert "no engine" in present_swarm(None, None).empty
    assert present_swarm(None, STATUS).empty == "Looking around…"
    assert "to be the first" in present_swarm(SwarmOverview(models=[]), STATUS).empty


def test_the_own_part_is_told_in_one_line() -> None:
    own = present_swarm(SWARM, STATUS).own
    assert own.startswith("This computer holds layers 0–2 of meadow-demo. It helps 2 conversations now; 1,234 tokens")
    idle = STATUS.model_copy(update={"sharing": "waiting", "span": None})
    assert present_swarm(SWARM, idle).own == "This computer holds no layers now."


def test_the_text_for_a_bug_report_holds_no_address_and_no_whole_peer_id() -> None:
    text = describe_for_report(SWARM, STATUS)
    assert "[0, 3) 212.4 tokens/s 4 ms bfloat16 0.1.0" in text
    assert "192.0.2.7" not in text
    assert not any(server.peer in text for model in SWARM.models for server in model.servers)


@pytest.fixture
def page(link: EngineLink) -> Iterator[SwarmPage]:
    page = SwarmPage(SwarmDesk(link), MembershipDesk(link), LIGHT)
    page.resize(900, 700)
    page.show()
    yield page
    page.leave()
    page.hide()
    page.deleteLater()
    settle()


def test_the_page_fills_and_follows_the_swarm(page: SwarmPage, link: EngineLink, start_engine: StartEngine) -> None:
    page._desk._look_ms = 50
    engine = start_engine("sharing")
    connect(link)
    page.enter()
    wait_until(lambda: len(page.findChildren(QTableWidget)) == 2)
    tables = page.findChildren(QTableWidget)
    assert tables[0].rowCount() == 4
    bars = page.findChildren(CoverageBar)
    assert bars[1].accessibleName() == "Nobody holds layers 24–39. Answers wait until somebody does."
    page.show_theme(DARK)
    QTest.mouseClick(copy := button(page), Qt.MouseButton.LeftButton)
    assert "coverage: 2 2 2 1" in QGuiApplication.clipboard().text()
    assert copy.text() == "Copied"
    engine.set_sharing(False)
    wait_until(lambda: page.findChildren(QTableWidget)[0].rowCount() == 3)


def test_nobody_asks_for_what_nobody_looks_at(page: SwarmPage, link: EngineLink, start_engine: StartEngine) -> None:
    start_engine("sharing")
    connect(link)
    settle()
    assert not page.findChildren(QTableWidget)
    page.enter()
    wait_until(lambda: bool(page.findChildren(QTableWidget)))
    page.leave()
    assert not page._desk._timer.isActive()


def button(page: SwarmPage) -> QPushButton:
    found = page.findChild(QPushButton, "copy-swarm")
    assert found is not None
    return found
