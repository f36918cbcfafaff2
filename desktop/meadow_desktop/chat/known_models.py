"""The models that can be asked: what each can hold, how fast it should be, and whether all its layers are held.

GUI thread.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from meadow_desktop.engine.link import EngineLink
from meadow_desktop.engine.link_state import Connected, LinkState
from meadow_engine.api.errors import Problem
from meadow_engine.api.swarm import ModelOverview, SwarmOverview


class KnownModels(QObject):
    """Asks when an engine is found, and when somebody wants to know."""

    changed = Signal()

    def __init__(self, link: EngineLink, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._link = link
        self._is_connected = False
        self._is_asking = False
        self.models: list[ModelOverview] = []
        link.changed.connect(self._take_link)
        self._take_link(link.state)

    def refresh(self) -> None:
        """Ask now; `changed` says when something is new."""
        client = self._link.client
        if client is None or self._is_asking:
            return
        self._is_asking = True
        client.get("/api/swarm", SwarmOverview).done.connect(self._take)

    def model_for(self, wanted: str) -> str:
        """The id to ask for: what a conversation wants, or what the engine is set to."""
        state = self._link.state
        return wanted or (state.status.model if isinstance(state, Connected) else "")

    def offered(self, wanted: str) -> str:
        """What a new conversation that wants this model asks: it, or one that is there where nobody offers it any more.

        Nothing wanted stays nothing: the engine always knows the one that it is set to.
        """
        if not wanted or not self.models or any(each.id == wanted for each in self.models):
            return wanted
        own = self.model_for("")
        best = max(self.models, key=lambda each: (each.is_complete, each.id == own, each.tokens_per_second or 0.0))
        return "" if best.id == own else best.id

    def context_length(self, wanted: str) -> int | None:
        """Tokens that this model can hold; None: nobody said yet."""
        model = self.model_for(wanted)
        return next((each.context_length for each in self.models if each.id == model), None)

    def _take_link(self, state: LinkState) -> None:
        was_connected, self._is_connected = self._is_connected, isinstance(state, Connected)
        if self._is_connected and not was_connected:
            self.refresh()

    def _take(self, answer: SwarmOverview | Problem) -> None:
        self._is_asking = False
        if not isinstance(answer, Problem) and answer.models != self.models:
            self.models = answer.models
            self.changed.emit()
