"""The terminal says in a line when computers were replaced while they answered."""

from __future__ import annotations

import pytest

from meadow_client.routing.chains import Leg
from meadow_client.session.chain import Member
from meadow_client.session.upkeep import Recovery
from meadow_engine.cli.chat import describe_recoveries


def computer(number: int) -> Member:
    return Member(Leg(f"12D3KooW{number}", 0, 3), f"computer-{number}")


@pytest.mark.parametrize(
    ("recoveries", "line"),
    [
        ([], ""),
        ([Recovery((), (), 0.2)], ""),  # a stream broke off, and was opened anew
        ([Recovery((computer(2),), (computer(5),), 0.21)], "computer-2 left; computer-5 took over, 0.2 s"),
        (
            [Recovery((computer(1), computer(2)), (computer(5),), 1.26), Recovery((computer(5),), (computer(2),), 0.0)],
            "computer-1 and computer-2 left; computer-5 took over, 1.3 s"
            " · computer-5 left; computer-2 took over, 0.0 s",
        ),
    ],
)
def test_replaced_computers_are_named(recoveries: list[Recovery], line: str) -> None:
    assert describe_recoveries(recoveries) == line
