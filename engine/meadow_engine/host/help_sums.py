"""Help for others between two reports to the engine, summed up for each client. On the event loop."""

from __future__ import annotations

from collections.abc import Sequence

from meadow_engine.host.protocol import Helped
from meadow_engine.serving.help import Help


class HelpSums:
    """`parameters` has one number for each layer of `model`. What was taken is forgotten here."""

    def __init__(self, model: str, parameters: Sequence[int]) -> None:
        self._model = model
        self._parameters = parameters
        self._sums: dict[str, Helped] = {}

    def add(self, given: Help) -> None:
        known = self._sums.get(given.peer, Helped(self._model, given.peer, 0, 0, 0))
        self._sums[given.peer] = Helped(
            self._model,
            given.peer,
            known.tokens + given.tokens,
            known.work + given.tokens * sum(self._parameters[given.start : given.end]),
            known.conversations + given.is_first,
        )

    def take(self) -> list[Helped]:
        """One report for each client that was helped since the last call."""
        taken, self._sums = list(self._sums.values()), {}
        return taken
