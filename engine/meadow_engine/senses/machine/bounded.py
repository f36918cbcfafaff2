"""Questions that block, such as to a graphics driver, asked in a thread that is not waited for longer than a bound.

The thread is a daemon of its own rather than one of the loop's pool: a driver that hangs for ever must not keep the
engine from ending, and a second thread is not sent after one that hangs.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

_T = TypeVar("_T")


class BoundedCalls(Generic[_T]):
    """One blocking call at a time."""

    def __init__(self, name: str, limit_s: float) -> None:
        self._name = name
        self._limit_s = limit_s
        self._is_under_way = False

    async def run(self, call: Callable[[], _T]) -> _T | None:
        """What the call gives, or None while it, or the one before it, takes longer than the bound.

        What the call raises is raised here.
        """
        if self._is_under_way:
            return None
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_T] = loop.create_future()
        self._is_under_way = True

        def settle(value: _T | None, failure: BaseException | None) -> None:
            if answer.done():
                return
            if failure is not None:
                answer.set_exception(failure)
            else:
                answer.set_result(value)  # type: ignore[arg-type]

        def work() -> None:
            value: _T | None = None
            failure: BaseException | None = None
            try:
                value = call()
            except BaseException as raised:  # noqa: BLE001 - raised again where the answer is awaited
                failure = raised
            self._is_under_way = False
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, value, failure)

        threading.Thread(target=work, name=self._name, daemon=True).start()
        try:
            async with asyncio.timeout(self._limit_s):
                return await answer
        except TimeoutError:
            return None
