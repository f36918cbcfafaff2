"""The hours of a week as a grid to paint in: days below each other, hours beside each other. GUI thread.

A click, or a stroke over several hours, marks them or takes their marks away; with the keyboard, arrows move and Space
marks. Told once, when the button is let go. Where lines begin on the right, so does the day.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from meadow_desktop.language import _, marked
from meadow_desktop.settings.week import DAYS, HOURS, Cell

_DAY_NAMES = (
    marked("Mon"),
    marked("Tue"),
    marked("Wed"),
    marked("Thu"),
    marked("Fri"),
    marked("Sat"),
    marked("Sun"),
)
_CELL = 18
_SMALLEST = 8
_GAP = 2
_EMPTY = 0.65  # of the colour of the words beside it: that of borders is too faint for what can be clicked
_STEPS = {
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
}


class WeekGrid(QWidget):
    """Marked cells are hours in which sharing is allowed; none at all means any time."""

    painted = Signal(object)  # frozenset[Cell]

    def __init__(self, title: str) -> None:
        super().__init__()
        self._cells: frozenset[Cell] = frozenset()
        self._stroke: bool | None = None
        self._at: Cell = (0, 0)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self.setAccessibleName(title)
        self.setAccessibleDescription(_("Arrow keys choose an hour of the week, Space marks it."))

    def show_cells(self, cells: frozenset[Cell], *, can_change: bool) -> None:
        """Draw these hours as marked."""
        self.setEnabled(can_change)
        if self._stroke is None:
            self._cells = cells
            self._show_place()

    def sizeHint(self) -> QSize:
        """Names of days, and 24 cells beside each."""
        return QSize(self._left + len(HOURS) * _CELL, self._top + len(DAYS) * _CELL)

    def minimumSizeHint(self) -> QSize:
        """As high, with narrower cells."""
        return QSize(self._left + len(HOURS) * _SMALLEST, self.sizeHint().height())

    @property
    def _wide(self) -> float:
        """A cell's width."""
        return min(_CELL, (self.width() - self._left) / len(HOURS))

    @property
    def _left(self) -> int:
        return max(self.fontMetrics().horizontalAdvance(_(name)) for name in _DAY_NAMES) + 10

    @property
    def _top(self) -> int:
        return self.fontMetrics().height() + 4

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a stroke: it marks if it begins on an hour without a mark."""
        cell = self._cell_at(event.position())
        if cell is not None and event.button() == Qt.MouseButton.LeftButton:
            self._stroke = cell not in self._cells
            self._mark(cell)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on with the stroke, or say which hour it is."""
        cell = self._cell_at(event.position())
        if cell is None:
            return
        if self._stroke is not None:
            self._mark(cell)
        else:
            QToolTip.showText(event.globalPosition().toPoint(), _describe(cell), self)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """The stroke is done."""
        if self._stroke is not None:
            self._stroke = None
            self.painted.emit(self._cells)

    def event(self, event: QEvent) -> bool:
        """Arrows belong to the grid and not to what scrolls around it."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and event.key() in _STEPS:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move, or mark."""
        key = Qt.Key(event.key())
        if key in _STEPS:
            down, right = _STEPS[key]
            later = -right if self._is_mirrored else right
            self._at = ((self._at[0] + down) % len(DAYS), (self._at[1] + later) % len(HOURS))
            self._show_place()
        elif key == Qt.Key.Key_Space:
            self._cells ^= {self._at}
            self._show_place()
            self.painted.emit(self._cells)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show where the keyboard is."""
        super().focusInEvent(event)
        self._show_place()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """No longer."""
        super().focusOutEvent(event)
        self._show_place()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw names, hours and cells."""
        palette = self.palette()
        muted = palette.color(QPalette.ColorRole.PlaceholderText)
        accent = palette.color(QPalette.ColorRole.Highlight)
        empty = QColor(muted)
        empty.setAlphaF(_EMPTY)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not self.isEnabled():
            painter.setOpacity(0.5)
        painter.setPen(muted)
        side = Qt.AlignmentFlag.AlignRight if self._is_mirrored else Qt.AlignmentFlag.AlignLeft
        side |= Qt.AlignmentFlag.AlignAbsolute
        for hour in range(0, len(HOURS), 6):
            place = self._turned(QRectF(self._left + hour * self._wide, 0, 6 * self._wide, self._top - 2))
            painter.drawText(place, side | Qt.AlignmentFlag.AlignBottom, f"{hour:02}:00")
        for day in DAYS:
            place = self._turned(QRectF(0, self._top + day * _CELL, self._left, _CELL))
            painter.drawText(place, side | Qt.AlignmentFlag.AlignVCenter, _(_DAY_NAMES[day]))
        for day in DAYS:
            for hour in HOURS:
                is_marked = (day, hour) in self._cells
                painter.setPen(accent if is_marked else empty)
                painter.setBrush(accent if is_marked else Qt.GlobalColor.transparent)
                painter.drawRoundedRect(self._place(day, hour).adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(palette.color(QPalette.ColorRole.WindowText), 1.6))
            painter.drawRoundedRect(self._place(*self._at), 3, 3)
        painter.end()

    def _place(self, day: int, hour: int) -> QRectF:
        x, y = self._left + hour * self._wide, self._top + day * _CELL
        return self._turned(QRectF(x + _GAP / 2, y + _GAP / 2, self._wide - _GAP, _CELL - _GAP))

    @property
    def _is_mirrored(self) -> bool:
        return self.layoutDirection() == Qt.LayoutDirection.RightToLeft

    def _turned(self, place: QRectF) -> QRectF:
        """Where a place lies that was counted from the side where lines begin."""
        if self._is_mirrored:
            place.moveRight(self.width() - place.left())
        return place

    def _cell_at(self, point: QPointF) -> Cell | None:
        across = self.width() - point.x() if self._is_mirrored else point.x()
        hour, day = int((across - self._left) // self._wide), int((point.y() - self._top) // _CELL)
        return (day, hour) if day in DAYS and hour in HOURS else None

    def _mark(self, cell: Cell) -> None:
        self._at = cell
        self._cells = self._cells | {cell} if self._stroke else self._cells - {cell}
        self._show_place()

    def _show_place(self) -> None:
        """Draw it; whoever does not see it is told the hour at which the keyboard is, and whether it is marked."""
        self.update()
        words = _("Arrow keys choose an hour of the week, Space marks it.")
        if self.hasFocus():
            words = (_("{hour}, marked") if self._at in self._cells else _("{hour}, not marked")).format(
                hour=_describe(self._at)
            )
        if words != self.accessibleDescription():
            self.setAccessibleDescription(words)


def _describe(cell: Cell) -> str:
    day, hour = cell
    return _("{day} {start}–{end}").format(day=_(_DAY_NAMES[day]), start=f"{hour:02}:00", end=f"{hour + 1:02}:00")
