"""Asks the engine for what it counted, while somebody looks; and for all rows when they are to be saved. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from meadow_desktop.engine.link import EngineLink
from meadow_desktop.engine.link_state import Connected
from meadow_engine.api.contributions import ContributionRow, Contributions
from meadow_engine.api.errors import Problem

LOOK_MS = 10_000
DAYS = 30
_MOST_ROWS = 1000


class CreditsDesk(QObject):
    """`counted` and `rows` are the last that the engine said; None before it said anything."""

    changed = Signal()
    trouble = Signal(object)  # Problem
    trouble_over = Signal()
    exported = Signal(object)  # list[ContributionRow]

    def __init__(self, link: EngineLink, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._link = link
        self.counted: Contributions | None = None
        self.rows: list[ContributionRow] = []
        self._filter: dict[str, str] = {}
        self._is_watching = self._had_trouble = False
        self._exporting: list[ContributionRow] | None = None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._ask)
        link.changed.connect(self._take_link)

    @property
    def is_connected(self) -> bool:
        """There is an engine to ask."""
        return isinstance(self._link.state, Connected)

    def watch(self) -> None:
        """Somebody looks."""
        self._is_watching = True
        self._timer.start(LOOK_MS)
        self._ask()

    def rest(self) -> None:
        """Nobody looks any more."""
        self._is_watching = False
        self._timer.stop()

    def narrow(self, **filters: str) -> None:
        """Show only rows of this direction, model or peer; an empty word means all of them."""
        self._filter = {name: word for name, word in filters.items() if word}
        self._ask_rows()

    def export(self) -> None:
        """Fetch all rows of the present filter; `exported` follows."""
        if self._exporting is None:
            self._exporting = []
            self._ask_more()

    def _take_link(self) -> None:
        if self._is_watching:
            if self.is_connected and self.counted is None:
                self._ask()
            self.changed.emit()

    def _ask(self) -> None:
        client = self._link.client
        if client is None or not self.is_connected:
            return
        client.get("/api/contributions", Contributions, days=str(DAYS)).done.connect(self._take)
        self._ask_rows()

    def _ask_rows(self) -> None:
        client = self._link.client
        if client is None or not self.is_connected:
            return
        request = client.get("/api/contributions/rows", list[ContributionRow], limit="200", **self._filter)
        request.done.connect(self._take_rows)

    def _ask_more(self) -> None:
        client, sofar = self._link.client, self._exporting
        if client is None or sofar is None:
            self._exporting = None
            return
        place = {"limit": str(_MOST_ROWS), "offset": str(len(sofar))}
        client.get("/api/contributions/rows", list[ContributionRow], **self._filter, **place).done.connect(
            self._take_more
        )

    def _take(self, result: Contributions | Problem) -> None:
        if isinstance(result, Problem):
            self._report(result)
            return
        if self._had_trouble:
            self._had_trouble = False
            self.trouble_over.emit()
        if result != self.counted:
            self.counted = result
            self.changed.emit()

    def _take_rows(self, result: list[ContributionRow] | Problem) -> None:
        if isinstance(result, Problem):
            self._report(result)
        elif result != self.rows:
            self.rows = result
            self.changed.emit()

    def _take_more(self, result: list[ContributionRow] | Problem) -> None:
        sofar = self._exporting
        if isinstance(result, Problem) or sofar is None:
            self._exporting = None
            if isinstance(result, Problem):
                self._report(result)
            return
        sofar.extend(result)
        if len(result) == _MOST_ROWS:
            self._ask_more()
        else:
            self._exporting = None
            self.exported.emit(sofar)

    def _report(self, problem: Problem) -> None:
        if self.is_connected and self._is_watching:
            self._had_trouble = True
            self.trouble.emit(problem)
