"""What every provider of a fact has in common."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

_T_co = TypeVar("_T_co", covariant=True)


class Sense(Protocol, Generic[_T_co]):
    """One way to learn one fact. Runs on the event loop; a reading takes milliseconds and never raises."""

    @property
    def name(self) -> str:
        """How logs and `meadow doctor` call it, such as `X11 screen saver`."""
        ...

    async def read(self) -> _T_co | None:
        """The fact as it is now; None when this provider cannot tell (any more)."""
        ...

    async def aclose(self) -> None:
        """Let go of connections and libraries."""
        ...
