"""The host reports for each client what was computed since the last report, in tokens and in work."""

from __future__ import annotations

from meadow_engine.host.help_sums import HelpSums
from meadow_engine.host.protocol import Helped
from meadow_engine.serving.help import Help


def test_each_client_is_reported_once_with_the_parameters_of_the_layers_it_used() -> None:
    sums = HelpSums("demo", [1, 10, 100, 1000])
    sums.add(Help("anna", 0, 4, 5, True))
    sums.add(Help("anna", 2, 3, 2, True))
    sums.add(Help("anna", 2, 3, 1, False))
    sums.add(Help("bert", 3, 4, 7, False))
    assert sums.take() == [Helped("demo", "anna", 8, 5 * 1111 + 3 * 100, 2), Helped("demo", "bert", 7, 7000, 0)]


def test_nothing_is_reported_twice() -> None:
    sums = HelpSums("demo", [1])
    sums.add(Help("anna", 0, 1, 5, True))
    sums.take()
    assert sums.take() == []
    sums.add(Help("anna", 0, 1, 1, False))
    assert sums.take() == [Helped("demo", "anna", 1, 1, 0)]
