"""Asks the engine for what it counted, while somebody looks; and for all rows when they are to be saved. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from meadow_desktop.engine.link import EngineLink
from meadow_desktop.engine.watching_desk import WatchingDesk
from meadow_engine.api.contributions import ContributionRow, Contributions
from meadow_engine.api.errors import Problem

LOOK_MS = 10_000
DAYS = 30
_MOST_ROWS = 1000


class CreditsDesk(WatchingDesk):
    """`counted` and `rows` are the last that the engine said; None before it said anything."""

    exported = Signal(object)  # list[ContributionRow]

    def __init__(self, link: EngineLink, parent: QObject | None = None) -> None:
        super().__init__(link, LOOK_MS, parent)
        self.counted: Contributions | None = None
        self.rows: list[ContributionRow] = []
        self._filter: dict[str, str] = {}
        self._exporting: list[ContributionRow] | None = None
        link.changed.connect(self._take_link)

    @property
    def is_connected(self) -> bool:
        """There is an engine to ask."""
        return self.status is not None

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
        if self.is_watching:
            if self.is_connected and self.counted is None:
                self.ask()
            self.changed.emit()

    def ask(self) -> None:
        """Ask for the counts and the rows."""
        client = self.link.client
        if client is None or not self.is_connected:
            return
        client.get("/api/contributions", Contributions, days=str(DAYS)).done.connect(self._take)
        self._ask_rows()

    def _ask_rows(self) -> None:
        client = self.link.client
        if client is None or not self.is_connected:
            return
        request = client.get("/api/contributions/rows", list[ContributionRow], limit="200", **self._filter)
        request.done.connect(self._take_rows)

    def _ask_more(self) -> None:
        client, sofar = self.link.client, self._exporting
        if client is None or sofar is None:
            self._exporting = None
            return
        place = {"limit": str(_MOST_ROWS), "offset": str(len(sofar))}
        client.get("/api/contributions/rows", list[ContributionRow], **self._filter, **place).done.connect(
            self._take_more
        )

    def _take(self, result: Contributions | Problem) -> None:
        if isinstance(result, Problem):
            self.tell_trouble(result)
            return
        self.tell_over()
        if result != self.counted:
            self.counted = result
            self.changed.emit()

    def _take_rows(self, result: list[ContributionRow] | Problem) -> None:
        if isinstance(result, Problem):
            self.tell_trouble(result)
        elif result != self.rows:
            self.rows = result
            self.changed.emit()

    def _take_more(self, result: list[ContributionRow] | Problem) -> None:
        sofar = self._exporting
        if isinstance(result, Problem) or sofar is None:
            self._exporting = None
            if isinstance(result, Problem):
                self.tell_trouble(result)
            return
        sofar.extend(result)
        if len(result) == _MOST_ROWS:
            self._ask_more()
        else:
            self._exporting = None
            self.exported.emit(sofar)
