"""What the tray says, and whether its icons can be told apart without colour."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import get_args

import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from meadow_desktop.engine.link_state import Connected, Searching, Unreachable
from meadow_desktop.tray.icon import draw_pixmap
from meadow_desktop.tray.icon_files import write_icons
from meadow_desktop.tray.view import IconShape, describe_for_tooltip, present
from meadow_engine.api.errors import Problem
from meadow_engine.api.status import EngineStatus, SharingState, Span

ICONS = Path(__file__).resolve().parents[3] / "assets" / "meadow_assets" / "icons"
STATUS = EngineStatus(
    version="1",
    pid=1,
    peer="12D3",
    name="me",
    address=[],
    uptime_s=1,
    device="cpu",
    sharing="sharing",
    model="models/meadow-demo",
    span=Span(start=0, end=3),
    sessions=2,
    tokens_served=1234,
    peers=1,
    base_url="http://127.0.0.1:1/v1",
)


def test_sharing_says_which_layers_and_whom_it_helps() -> None:
    view = present(Connected(STATUS, is_ours=True))
    assert view.headline == "Sharing layers 0–2 of meadow-demo"
    assert (
        view.detail == "2 conversations helped now · 1,234 tokens computed for others · 1 other computer in the swarm"
    )
    assert (view.shape, view.is_share_checked) == ("sharing", True)
    assert describe_for_tooltip(view).startswith("Meadow: Sharing")


@pytest.mark.parametrize(
    ("sharing", "shape", "checked"),
    [
        ("off", "off", False),
        ("starting", "starting", True),
        ("stopping", "starting", False),
        ("failed", "attention", False),
    ],
)
def test_each_state_has_words_and_a_switch(sharing: SharingState, shape: str, checked: bool) -> None:
    status = STATUS.model_copy(update={"sharing": sharing, "sharing_detail": "because"})
    view = present(Connected(status, is_ours=False))
    assert (view.shape, view.is_share_checked) == (shape, checked)
    assert view.headline
    assert view.detail == "Because."


def test_without_an_engine_the_switch_cannot_be_used() -> None:
    searching = present(Searching("Starting the engine…"))
    assert (searching.shape, searching.can_share) == ("starting", False)
    gone = present(Unreachable(Problem(code="x", message="No engine runs", advice="Start one"), can_retry=True))
    assert (gone.shape, gone.headline, gone.detail) == ("attention", "No engine runs", "Start one.")
    assert gone.can_retry
    assert not gone.can_share


@pytest.mark.parametrize("size", [16, 22, 64])
def test_icons_differ_in_shape_and_not_only_in_colour(application: QApplication, size: int) -> None:
    def outline(shape: IconShape) -> list[bool]:
        image = draw_pixmap(shape, size).toImage()
        return [image.pixelColor(x, y).alpha() > 127 for x in range(size) for y in range(size)]

    outlines = {shape: outline(shape) for shape in get_args(IconShape)}
    for one, other in combinations(outlines, 2):
        different = sum(a != b for a, b in zip(outlines[one], outlines[other], strict=True))
        assert different > 0.12 * size * size, (one, other)


def test_the_icon_files_are_those_that_the_program_draws(application: QApplication, tmp_path: Path) -> None:
    for drawn in write_icons(tmp_path):
        kept = ICONS / drawn.name
        if drawn.suffix == ".svg":
            assert kept.read_text(encoding="utf-8") == drawn.read_text(encoding="utf-8")
        else:
            assert QImage(str(kept)) == QImage(str(drawn)), drawn.name
