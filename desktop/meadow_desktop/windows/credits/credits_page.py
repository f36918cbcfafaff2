"""The credits page: figures, days, counts, and what credits are. GUI thread."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
)

from meadow_desktop.credits.desk import CreditsDesk
from meadow_desktop.credits.view import FigureView, as_csv, explain_credits, present_credits, present_row
from meadow_desktop.language import _
from meadow_desktop.phrases import describe_failure
from meadow_desktop.windows.column_page import ColumnPage, muted_label
from meadow_desktop.windows.credits.day_plot import DayPlot
from meadow_desktop.windows.credits.row_table import RowTable
from meadow_desktop.windows.direction import lined_up
from meadow_desktop.windows.theme import Theme
from meadow_desktop.windows.unscrolled import Choice
from meadow_engine.api.contributions import ContributionRow
from meadow_engine.api.errors import Problem

_WIDEST_FILTER = 210


class CreditsPage(ColumnPage):
    """Draws what the desk knows, and says what it has drawn."""

    drawn = Signal(object)  # CreditsView

    def __init__(self, desk: CreditsDesk, theme: Theme) -> None:
        super().__init__(_("Credits"))
        self.setObjectName("credits-page")
        self._desk = desk
        self._theme = theme
        self._helped = muted_label()
        self._figures = [_Figure() for _place in range(3)]
        self._plot = DayPlot()
        self._note = muted_label()
        self._empty = muted_label()
        self._direction = Choice()
        self._direction.setObjectName("filter-direction")
        self._direction.setAccessibleName(_("Earned or spent"))
        for words, word in ((_("Earned and spent"), ""), (_("Earned"), "earned"), (_("Spent"), "spent")):
            self._direction.addItem(words, word)
        self._model, self._peer = Choice(), Choice()
        self._model.setObjectName("filter-model")
        self._model.setAccessibleName(_("Model"))
        self._peer.setObjectName("filter-peer")
        self._peer.setAccessibleName(_("Other computer"))
        for box, words in ((self._model, _("All models")), (self._peer, _("All computers"))):
            box.addItem(words, "")
        for box in (self._direction, self._model, self._peer):
            box.setMinimumContentsLength(10)
            box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            box.setMaximumWidth(_WIDEST_FILTER)
        self._save = QPushButton(_("Save as CSV…"))
        self._save.setObjectName("export-csv")
        self._table = RowTable()
        self._is_exporting_to = Path()
        self._build()
        for box in (self._direction, self._model, self._peer):
            box.currentIndexChanged.connect(self._narrow)
        self._save.clicked.connect(self._choose_file)
        desk.changed.connect(self._draw)
        desk.exported.connect(self._write)
        desk.trouble.connect(self.problem_found)
        desk.trouble_over.connect(self.problem_gone)
        self._draw()

    def enter(self) -> None:
        """Ask for the counts, and go on asking."""
        self._desk.watch()
        self._draw()

    def leave(self) -> None:
        """Ask no more."""
        self._desk.rest()

    def show_theme(self, theme: Theme) -> None:
        """Draw the plot in these colours."""
        self._theme = theme
        self._draw()

    def export_to(self, path: Path) -> None:
        """Write all counts of the chosen filter to this file."""
        self._is_exporting_to = path
        self._save.setEnabled(False)
        self._desk.export()

    def _build(self) -> None:
        figures = QGridLayout()
        figures.setSpacing(12)
        for place, figure in enumerate(self._figures):
            figures.addWidget(figure, 0, place)
            figures.setColumnStretch(place, 1)
        plot = QFrame()
        plot.setObjectName("card")
        inside = QVBoxLayout(plot)
        inside.setContentsMargins(12, 10, 12, 10)
        inside.addWidget(muted_label(_("▮ earned   ○ spent, in credits, by day")))
        inside.addWidget(self._plot)
        filters = QHBoxLayout()
        filters.addWidget(self._direction, 1)
        filters.addWidget(self._model, 1)
        filters.addWidget(self._peer, 1)
        filters.addStretch(0)
        self.first.addWidget(self._save)
        self._table.setMinimumHeight(150)
        self.lines.addWidget(self._helped)
        self.lines.addLayout(figures)
        self.lines.addWidget(plot)
        self.lines.addWidget(self._note)
        self.lines.addLayout(filters)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.lines.addWidget(self._empty, 1)  # in the table's stead
        self.lines.addWidget(self._table, 1)
        self.lines.addWidget(muted_label(explain_credits()))

    def _draw(self) -> None:
        counted = self._desk.counted
        if counted is None:
            waiting = _("Asking the engine…") if self._desk.is_connected else _("There is no engine to ask.")
            self._helped.setText(waiting)
            for figure in self._figures:
                figure.show_view(FigureView("", "–", ""))
        else:
            view = present_credits(counted)
            self._helped.setText(view.helped)
            for figure, shown in zip(self._figures, view.figures, strict=True):
                figure.show_view(shown)
            self._plot.show_days(view.days, view.most, self._theme)
            self._note.setText(view.note)
            self.drawn.emit(view)
        self._note.setVisible(bool(self._note.text()))
        rows = self._desk.rows
        self._offer(self._model, sorted({row.model for row in rows}))
        self._offer(self._peer, sorted({row.peer for row in rows}))
        self._table.show_rows([present_row(row) for row in rows])
        self._table.setVisible(bool(rows))
        self._empty.setText("" if rows else _("Nothing was counted that fits here."))
        self._empty.setVisible(not rows)
        self._save.setEnabled(bool(rows))

    def _offer(self, box: Choice, words: list[str]) -> None:
        """Add what is new to the choices; what was once offered stays, so that a choice never vanishes."""
        known = {box.itemData(place) for place in range(box.count())}
        for word in words:
            if word not in known:
                is_peer = box is self._peer
                box.addItem("…" + word[-8:] if is_peer else word, word)

    def _narrow(self) -> None:
        self._desk.narrow(
            direction=self._direction.currentData(), model=self._model.currentData(), peer=self._peer.currentData()
        )

    def _choose_file(self) -> None:
        dialog = QFileDialog(self, _("Save as CSV"), "meadow-credits.csv", _("CSV (*.csv)"))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("csv")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda name: self.export_to(Path(name)))
        dialog.open()

    def _write(self, rows: list[ContributionRow]) -> None:
        self._save.setEnabled(True)
        try:
            self._is_exporting_to.write_text(as_csv(rows), encoding="utf-8")
        except OSError as error:
            self.problem_found.emit(
                Problem(
                    code="export-failed",
                    message=_("The file could not be written ({reason})").format(reason=describe_failure(error)),
                    advice=_("Choose another folder."),
                )
            )


class _Figure(QFrame):
    """A title, a large figure, a line below it."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("card")
        self._title, self._figure, self._note = muted_label(), QLabel(), muted_label()
        self._figure.setProperty("kind", "headline")
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 12, 16, 12)
        column.setSpacing(2)
        for part in (self._title, self._figure, self._note):
            column.addWidget(part)
        column.addStretch(1)

    def show_view(self, view: FigureView) -> None:
        self._title.setText(view.title)
        self._figure.setText(lined_up(view.figure))
        self._note.setText(view.note)
        self.setAccessibleName(f"{view.title}: {view.figure}")
