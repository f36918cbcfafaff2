"""`meadow swarm status` draws a swarm so that gaps and computers are seen at a glance."""

from __future__ import annotations

from pathlib import Path

import pytest

from meadow_client.swarm.directory import Announcement, Server
from meadow_engine.api.swarm import ModelOverview
from meadow_engine.cli.main import main
from meadow_engine.cli.swarm_status import coverage_bar, describe
from meadow_engine.swarm_overview import overview

Captured = pytest.CaptureFixture[str]


def model_of(*spans: tuple[str, int, int, float], layers: int = 8) -> ModelOverview:
    servers = [
        Server(
            f"12D3KooW{name:z<8}", Announcement("print", "demo", layers, 512, start, end, name, "0.1", "int8", token_s)
        )
        for name, start, end, token_s in spans
    ]
    return overview(servers)[0]


def test_a_complete_model() -> None:
    assert describe(model_of(("kitchen", 0, 5, 0.05), ("attic", 3, 8, 0.0))).splitlines() == [
        "demo: 8 layers, context 512, complete",
        "Best chain now: about 14 tokens/s by way of kitchen → attic",
        "",
        "  layer    0      7",
        "  copies   ▂▂▂▄▄▂▂▂  1 to 2",
        "  kitchen  █████···  0–4     20 tokens/s   int8  0.1  …kitchenz",
        "  attic    ···█████  3–7     not measured  int8  0.1  …atticzzz",
    ]


def test_a_model_with_gaps() -> None:
    lines = describe(model_of(("kitchen", 0, 1, 0.5), ("attic", 4, 6, 0.01))).splitlines()
    assert lines[0] == "demo: 8 layers, context 512, missing layers 1–3 and 6–7"
    assert lines[1].startswith("No chain now")
    assert lines[4] == "  copies   ▂···▂▂··  not all"
    assert lines[5] == "  kitchen  █·······  0        2.0 tokens/s  int8  0.1  …kitchenz"


@pytest.mark.parametrize(("width", "columns"), [(60, 16), (100, 37), (120, 57), (300, 64)])
def test_a_deep_model_fits_the_terminal(width: int, columns: int) -> None:
    lines = describe(model_of(("kitchen", 0, 126, 0.05), layers=126), width).splitlines()
    assert f"  {'█' * columns}  " in lines[-1]
    assert "·" not in lines[4]
    assert len(lines[3].rstrip()) == len("  kitchen  ") + columns
    assert width < 100 or max(map(len, lines)) <= width


def test_in_a_deep_model_one_layer_that_nobody_holds_is_still_seen() -> None:
    counts = [3] * 126
    counts[77] = 0
    bar = coverage_bar(counts, 40)
    assert (len(bar), bar.count("·"), bar.count("▆")) == (40, 1, 39)


def test_a_long_name_does_not_push_the_picture_away() -> None:
    text = describe(model_of(("n" * 200, 0, 8, 0.1)))
    assert "nnn…" in text
    assert max(map(len, text.splitlines())) <= 120


def test_without_any_swarm_it_says_how_to_name_one(tmp_path: Path, capsys: Captured) -> None:
    assert main(["swarm", "status", "--base-dir", str(tmp_path)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == (
        "meadow: No swarm was named, and no engine of Meadow runs here.\n"
        "Give --join with the address or invitation of a computer in the swarm.\n"
    )


def test_an_address_that_is_none_is_wrong_usage(capsys: Captured) -> None:
    assert main(["swarm", "status", "--join", "hello"]) == 2
    assert "'hello' is not the address of a peer" in capsys.readouterr().err
