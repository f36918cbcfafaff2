"""Emulated networks for tests that need root; where there can be none, such tests skip and say why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import pytest

from chaos.netlab import Lab, why_no_lab

MakeLab = Callable[..., Lab]


@pytest.fixture
def make_lab() -> Iterator[MakeLab]:
    """Gives running labs, `make_lab(hosts=2, rtt_ms=40, mbit=8)`; they close with the test."""
    if reason := why_no_lab():
        pytest.skip(reason)
    with ExitStack() as stack:

        def make(hosts: int, rtt_ms: float | Sequence[Sequence[float]] = 0.0, mbit: float = 1000.0) -> Lab:
            return stack.enter_context(Lab(hosts, rtt_ms, mbit))

        yield make
