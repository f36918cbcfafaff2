"""One model of the swarm: name, coverage, and its servers as a table. GUI thread."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QBrush, QColor
from PySide6.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget

from meadow_desktop.language import _
from meadow_desktop.swarm.view import ModelView, ServerView
from meadow_desktop.windows.elided_label import ElidedLabel
from meadow_desktop.windows.plain_table import PlainTable
from meadow_desktop.windows.swarm.coverage_bar import CoverageBar
from meadow_desktop.windows.theme import Theme

_MOST_LINES = 12


class ModelCard(QFrame):
    """Draws one `ModelView`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self._view: ModelView | None = None
        self._theme: Theme | None = None
        self._title, self._summary = ElidedLabel(), ElidedLabel()
        self._title.setProperty("kind", "card-title")
        self._summary.setProperty("kind", "muted")
        self._trouble = QLabel()
        self._trouble.setObjectName("trouble")
        self._trouble.setWordWrap(True)
        self._trouble.setTextFormat(Qt.TextFormat.PlainText)
        self._bar = CoverageBar()
        self._table = ServerTable()
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 14, 18, 16)
        column.setSpacing(4)
        column.addWidget(self._title)
        column.addWidget(self._summary)
        column.addWidget(self._bar)
        column.addWidget(self._trouble)
        column.addWidget(self._table)

    def show_view(self, view: ModelView, theme: Theme) -> None:
        """Draw it, if it is another one."""
        if (view, theme) == (self._view, self._theme):
            return
        self._view, self._theme = view, theme
        self._title.setText(view.title)
        self._summary.setText(view.summary)
        self._trouble.setText(view.trouble)
        self._trouble.setVisible(bool(view.trouble))
        self._bar.show_layers(view.layers, view.layers_words, view.layers_detail, theme)
        self._table.setAccessibleName(_("Computers that hold {model}").format(model=view.title))
        self._table.setVisible(bool(view.servers))
        self._table.show_servers(view.servers, theme)


class ServerTable(PlainTable):
    """Name, layers, speed, latency; as tall as its lines, up to a limit."""

    def __init__(self) -> None:
        titles = (_("Computer"), _("Layers"), _("Details"), _("Tokens/s"), _("Latency"))
        super().__init__(titles, figures=(3, 4), wide=0)
        self.setObjectName("servers")
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def show_servers(self, servers: Sequence[ServerView], theme: Theme) -> None:
        """Fill the lines; those of this computer are marked, and those of the best chain are strong."""
        marked = QBrush(QColor(theme.selected))
        with self.filling(len(servers)):
            for row, server in enumerate(servers):
                texts = (server.name, server.layers, server.detail, server.rate, server.latency)
                for column, text in enumerate(texts):
                    item = self.show_cell(row, column, text, _tooltip(server))
                    if server.is_own:
                        item.setBackground(marked)
                    font = item.font()
                    font.setBold(column == 0 and server.is_in_chain)
                    item.setFont(font)
        self._fit()

    def changeEvent(self, event: QEvent) -> None:
        """Other fonts have other heights."""
        super().changeEvent(event)
        if event.type() in {QEvent.Type.FontChange, QEvent.Type.StyleChange}:
            self._fit()

    def _fit(self) -> None:
        lines = sum(self.rowHeight(row) for row in range(min(self.rowCount(), _MOST_LINES)))
        self.setFixedHeight(self.horizontalHeader().sizeHint().height() + lines + 4)


def _tooltip(server: ServerView) -> str:
    chain = _("Part of the fastest chain now.") if server.is_in_chain else ""
    return "\n".join(line for line in (f"{server.name} · {server.layers}", server.peer, chain) if line)
