"""Engine and host process understand each other, and nothing else."""

from __future__ import annotations

import msgspec
import pytest

from meadow_engine.host.protocol import (
    Command,
    Ending,
    Failed,
    Helped,
    Leave,
    Loading,
    Order,
    Report,
    Served,
    Serving,
    command_decoder,
    encode,
    report_decoder,
)

ORDER = Order("demo", "0:4", "cpu", "auto", "none", "mine – Größe", ["/ip4/1.2.3.4/tcp/1/p2p/x"], [], "/tmp/key\n")


@pytest.mark.parametrize("command", [ORDER, Leave(1.5)], ids=lambda command: type(command).__name__)
def test_a_command_arrives_as_it_was_given_on_one_line(command: Command) -> None:
    line = encode(command)
    assert b"\n" not in line
    assert command_decoder.decode(line) == command


@pytest.mark.parametrize(
    "report",
    [
        Loading("demo"),
        Serving("demo", 0, 4, "peer", ["/ip4/1.2.3.4/tcp/1"], 7 * 10**9),
        Served(2, 300),
        Helped("demo", "peer", 5, 10**30, 1),
        Failed("x", "No", "Do."),
        Ending(),
    ],
    ids=lambda report: type(report).__name__,
)
def test_a_report_arrives_as_it_was_given_on_one_line(report: Report) -> None:
    line = encode(report)
    assert b"\n" not in line
    assert report_decoder.decode(line) == report


@pytest.mark.parametrize("line", [b"", b"loading", b"{}", b"[]", b'{"type": "order"}', encode(ORDER), b"\xff"])
def test_what_is_no_report_is_refused(line: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        report_decoder.decode(line)


def test_an_order_from_before_the_limits_has_none() -> None:
    assert (ORDER.memory_bytes, ORDER.compute_share) == (0, 1.0)
