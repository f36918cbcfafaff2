"""One control for each kind of setting. They show a value and tell the one that the person chose. GUI thread.

`show_row` never tells anything: only what a person does becomes `chosen`. What somebody is typing is left alone.
"""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, QSize, QTimer, Signal
from PySide6.QtGui import QFocusEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from meadow_desktop.language import _, in_figures
from meadow_desktop.settings.rows import RowView, as_percent
from meadow_desktop.settings.week import cells_of, entries_of
from meadow_desktop.windows.settings.text_list import TextList
from meadow_desktop.windows.settings.week_grid import WeekGrid
from meadow_desktop.windows.status_strip import Switch
from meadow_desktop.windows.unscrolled import Choice, Number

_MOST = 1e9
_TEXT_WIDTH = 220
_FIGURES = 16
_ARROWS = 40


class Control(QWidget):
    """`is_wide` controls stand below the setting's sentence, the others beside it."""

    chosen = Signal(object)  # Value
    is_wide = False

    def show_row(self, row: RowView) -> None:
        """Draw the value."""
        raise NotImplementedError

    def _put(self, widget: QWidget, row: RowView) -> None:
        widget.setObjectName(f"value-{row.name}")
        widget.setAccessibleName(row.title)
        widget.setAccessibleDescription(row.sentence)
        self.setFocusProxy(widget)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(widget)


class SwitchControl(Control):
    """On or off."""

    def __init__(self, row: RowView) -> None:
        super().__init__()
        self._switch = Switch("")
        self._put(self._switch, row)
        self._switch.clicked.connect(lambda: self.chosen.emit(self._switch.isChecked()))

    def show_row(self, row: RowView) -> None:
        self._switch.setChecked(bool(row.value))
        self._switch.setEnabled(row.can_change)


class NumberControl(Control):
    """A number between its limits, with its unit; of a fraction, the percents."""

    def __init__(self, row: RowView) -> None:
        super().__init__()
        self._is_whole = row.kind == "whole-number"
        self._is_fraction = row.kind == "fraction"
        self._number = _NumberOrWords() if row.zero and row.minimum == 0 else _PlainNumber()
        self._put(self._number, row)
        self._number.setDecimals(0 if self._is_whole else 2)
        low = -_MOST if row.minimum is None else self._shown(row.minimum)
        high = _MOST if row.maximum is None else self._shown(row.maximum)
        self._number.setRange(low, high)
        self._number.setSingleStep(5 if self._is_fraction else 1)
        if row.unit:
            self._number.setSuffix(f" {row.unit}")
        if row.zero and row.minimum == 0:
            self._number.setSpecialValueText(row.zero)
        self._number.setToolTip(_("From {least} to {most}").format(least=_figure(low), most=_figure(high)))
        self._number.valueChanged.connect(self._tell)

    def show_row(self, row: RowView) -> None:
        if isinstance(row.value, int | float) and self._number.value() != self._shown(row.value):
            with QSignalBlocker(self._number):
                self._number.setValue(self._shown(row.value))
        self._number.setEnabled(row.can_change)

    def _shown(self, value: float) -> float:
        return as_percent(value) if self._is_fraction else value

    def _tell(self, value: float) -> None:
        if self._is_fraction:
            self.chosen.emit(round(value / 100, 4))
        else:
            self.chosen.emit(round(value) if self._is_whole else round(value, 2))


class _PlainNumber(Number):
    """As wide as every other one, whatever its unit."""

    def sizeHint(self) -> QSize:
        """Enough for the longest number and unit there are."""
        size = super().sizeHint()
        return size.expandedTo(QSize(self.fontMetrics().horizontalAdvance("0" * _FIGURES) + _ARROWS, 0))

    def minimumSizeHint(self) -> QSize:
        """It does not shrink."""
        return self.sizeHint()


class _NumberOrWords(_PlainNumber):
    """Shows words for its least value; whoever goes into them to type a number finds them selected."""

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Also after a click, which puts the caret somewhere into the words."""
        super().focusInEvent(event)
        QTimer.singleShot(0, self, self._select_words)

    def _select_words(self) -> None:
        if self.hasFocus() and self.text() == self.specialValueText():
            self.selectAll()


class ChoiceControl(Control):
    """One of a few."""

    def __init__(self, row: RowView) -> None:
        super().__init__()
        self._choice = Choice()
        self._put(self._choice, row)
        for name, words in row.choices:
            self._choice.addItem(words, name)
        self._choice.activated.connect(lambda: self.chosen.emit(self._choice.currentData()))

    def show_row(self, row: RowView) -> None:
        self._choice.setCurrentIndex(self._choice.findData(row.value))
        self._choice.setEnabled(row.can_change)


class TextControl(Control):
    """A line of text; it counts when Enter is pressed, or the field is left."""

    def __init__(self, row: RowView) -> None:
        super().__init__()
        self._shown = ""
        self._field = QLineEdit()
        self._put(self._field, row)
        self._field.setMinimumWidth(_TEXT_WIDTH)
        self._field.editingFinished.connect(self._tell)

    def show_row(self, row: RowView) -> None:
        value = str(row.value)
        is_typing = self._field.hasFocus() and self._field.isModified() and not row.error
        if not is_typing:
            self._field.setText(value)
            self._field.setCursorPosition(0)
        self._shown = value
        self._field.setEnabled(row.can_change)

    def _tell(self) -> None:
        text = self._field.text().strip()
        self._field.setModified(False)
        if text != self._shown:
            self.chosen.emit(text)


class ListControl(Control):
    """Several texts."""

    is_wide = True

    def __init__(self, row: RowView) -> None:
        super().__init__()
        self._list = TextList(row.name, row.title, "")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._list)
        self._list.chosen.connect(self.chosen)

    def show_row(self, row: RowView) -> None:
        self._list.show_texts(_texts(row), can_change=row.can_change)


class WeekControl(Control):
    """Hours of the week, painted in a grid or written as texts; both say the same."""

    is_wide = True

    def __init__(self, row: RowView) -> None:
        super().__init__()
        self._grid = WeekGrid(row.title)
        self._grid.setObjectName(f"grid-{row.name}")
        self._list = TextList(row.name, row.title, _("mon-fri 22:00-07:00"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self._grid)
        layout.addWidget(self._list)
        self._grid.painted.connect(lambda cells: self.chosen.emit(entries_of(cells)))
        self._list.chosen.connect(self.chosen)

    def show_row(self, row: RowView) -> None:
        cells = cells_of(_texts(row))
        self._grid.setVisible(cells is not None)  # half hours can only be written
        self._grid.show_cells(cells or frozenset(), can_change=row.can_change)
        self._list.show_texts(_texts(row), can_change=row.can_change)


def make_control(row: RowView) -> Control:
    """The control that belongs to the setting's kind."""
    match row.kind:
        case "switch":
            return SwitchControl(row)
        case "whole-number" | "number" | "fraction":
            return NumberControl(row)
        case "choice":
            return ChoiceControl(row)
        case "text":
            return TextControl(row)
        case "list":
            return ListControl(row)
        case "week":
            return WeekControl(row)


def _figure(number: float) -> str:
    return in_figures(f"{number:.10g}")


def _texts(row: RowView) -> list[str]:
    return list(row.value) if isinstance(row.value, list) else []
