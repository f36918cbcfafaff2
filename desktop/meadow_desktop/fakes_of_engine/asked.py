"""What the fakes and the server of the fake engine hand to one another: a request, and the table of who answers it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from meadow_engine.api.errors import Problem


@dataclass(frozen=True)
class Asked:
    """One request; of several members of the query with one name the first counts."""

    path: str
    query: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Stream:
    """An answer of server-sent events; `was_cut` is called when the client hung up before its end."""

    events: Iterator[str]
    was_cut: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class OtherAnswer:
    """An answer that is neither 200 nor a `Problem`, such as the errors of /v1."""

    status: int
    body: dict[str, Any]


Routes = dict[tuple[str, str], Callable[[Asked], object]]
"""By method and path: what is answered, a `Stream`, an `OtherAnswer`, or else values that become JSON."""


class FakeRefusalError(Exception):
    """The fake engine does not do it; `problem` says why."""

    def __init__(self, problem: Problem, status: int = 400) -> None:
        super().__init__(problem.message)
        self.problem = problem
        self.status = status


def refusal(code: str, sentence: str, status: int = 400) -> FakeRefusalError:
    """One to raise."""
    return FakeRefusalError(Problem(code=code, message=sentence), status)
