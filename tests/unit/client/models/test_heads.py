"""Threads that generate with one model share the passes over its head, and get what they would get alone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from meadow_client.models.heads import SharedHead


class Gate:
    """A head that counts its passes; the first one waits until the test lets it go."""

    def __init__(self) -> None:
        self.linear = nn.Linear(8, 16).requires_grad_(False)
        self.rows: list[int] = []
        self.has_begun, self.may_go = threading.Event(), threading.Event()

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        self.rows.append(hidden.numel() // 8)
        self.has_begun.set()
        assert self.may_go.wait(10)
        return self.linear(hidden)


def ask(head: SharedHead, hidden: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return head(hidden)


def test_those_who_come_meanwhile_are_computed_in_one_pass() -> None:
    gate = Gate()
    head = SharedHead(gate)
    asked = [torch.randn(1, tokens, 8) for tokens in (1, 2, 3, 1)]
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(ask, head, asked[0])
        assert gate.has_begun.wait(10)
        others = [threads.submit(ask, head, hidden) for hidden in asked[1:]]
        while len(head._waiting) < 3:
            pass
        gate.may_go.set()
        answers = [future.result(10) for future in (first, *others)]
    assert gate.rows == [1, 6]
    for hidden, logits in zip(asked, answers, strict=True):
        torch.testing.assert_close(logits, gate.linear(hidden))


def test_a_thread_alone_does_not_wait() -> None:
    gate = Gate()
    gate.may_go.set()
    head = SharedHead(gate)
    for _ in range(3):
        ask(head, torch.randn(1, 1, 8))
    assert gate.rows == [1, 1, 1]


def test_what_is_long_or_needs_a_gradient_goes_by_itself() -> None:
    linear = nn.Linear(8, 16)
    head = SharedHead(linear.forward)
    hidden = torch.randn(1, 2, 8, requires_grad=True)
    head(hidden).sum().backward()
    assert hidden.grad is not None
    long = torch.randn(1, 500, 8)
    torch.testing.assert_close(ask(head, long), linear(long))


def test_a_failure_reaches_everybody_and_the_next_one_is_served() -> None:
    def fails(hidden: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("out of memory")

    head = SharedHead(fails)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="out of memory"):
            ask(head, torch.randn(1, 1, 8))


def test_many_threads_get_their_own_answers() -> None:
    linear = nn.Linear(8, 16).requires_grad_(False)
    head = SharedHead(linear.forward)

    def work(seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for _ in range(200):
            hidden = torch.randn(1, 1 + seed % 3, 8, generator=generator)
            torch.testing.assert_close(ask(head, hidden), linear(hidden))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
