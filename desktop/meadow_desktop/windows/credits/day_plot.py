"""Earned and spent by day as a plot: bars upwards for earned, a line with points for spent. GUI thread.

The pointer, and the arrow keys, choose a day whose values are written above it. Time runs from left to right in every
language, as in plots elsewhere, and so do the arrow keys.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from meadow_desktop.credits.view import DayView, describe_credits
from meadow_desktop.language import _
from meadow_desktop.windows.theme import LIGHT, Theme

_TOP, _BOTTOM, _SIDE = 34.0, 26.0, 8.0
_LEAST_MOST = 1e-9


class DayPlot(QWidget):
    """Draws the days."""

    day_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("day-plot")
        self.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        self.setAccessibleName(_("Credits by day"))
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._days: Sequence[DayView] = ()
        self._most = 0.0
        self._chosen = -1
        self._theme = LIGHT

    def show_days(self, days: Sequence[DayView], most: float, theme: Theme) -> None:
        """Draw these days; `most` is the highest value of them."""
        self._days, self._most, self._theme = days, most, theme
        self._chosen = min(self._chosen, len(days) - 1)
        self._describe()
        self.update()

    @property
    def chosen(self) -> int:
        """The day whose values are shown; -1 for none."""
        return self._chosen

    def sizeHint(self) -> QSize:
        """As wide as there is room; the height grows with the font."""
        return QSize(400, 100 + 3 * self.fontMetrics().height())

    def minimumSizeHint(self) -> QSize:
        """Narrow windows have narrow bars."""
        return QSize(200, 100 + 3 * self.fontMetrics().height())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """The day under the pointer."""
        self._choose(self._day_at(event.position().x()))

    def leaveEvent(self, event: object) -> None:
        """None any more."""
        if not self.hasFocus():
            self._choose(-1)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """With the keyboard it begins at today."""
        super().focusInEvent(event)
        if self._chosen < 0:
            self._choose(len(self._days) - 1)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """None any more."""
        super().focusOutEvent(event)
        self._choose(-1)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and right go from day to day."""
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        if step is None or not self._days:
            super().keyPressEvent(event)
            return
        self._choose(max(0, min(len(self._days) - 1, self._chosen + step)))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Bars, line, axis, and the words of the chosen day."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        theme = self._theme
        floor = self._floor()
        painter.setPen(QPen(QColor(theme.border), 1))
        painter.drawLine(QPointF(_SIDE, floor), QPointF(self.width() - _SIDE, floor))
        painter.setPen(QPen(QColor(theme.border), 1, Qt.PenStyle.DotLine))
        painter.drawLine(QPointF(_SIDE, _TOP), QPointF(self.width() - _SIDE, _TOP))
        step = self._step()
        for place, day in enumerate(self._days):
            is_chosen = place == self._chosen
            if is_chosen:
                painter.fillRect(QRectF(self._left(place), _TOP, step, floor - _TOP), QColor(theme.hover))
            height = self._height(day.earned)
            if height > 0:
                bar = QRectF(self._left(place) + step * 0.18, floor - height, step * 0.64, height)
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(QColor(theme.accent))
                painter.drawRoundedRect(bar, min(3.0, bar.width() / 3), min(3.0, height / 2))
        self._draw_spent(painter)
        self._draw_words(painter)
        if self.hasFocus():
            painter.setPen(QPen(QColor(theme.accent), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        painter.end()

    def _draw_spent(self, painter: QPainter) -> None:
        if not any(day.spent for day in self._days):
            return
        colour = QColor(self._theme.link)
        points = [QPointF(self._left(n) + self._step() / 2, self._floor() - self._height(d.spent))
                  for n, d in enumerate(self._days)]  # fmt: skip
        painter.setPen(QPen(colour, 1.6))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(QPolygonF(points))
        painter.setBrush(QColor(self._theme.surface))
        for point, day in zip(points, self._days, strict=True):
            if day.spent:
                painter.drawEllipse(point, 2.6, 2.6)

    def _draw_words(self, painter: QPainter) -> None:
        if not self._days:
            return
        height = self.fontMetrics().height()
        muted, text = QColor(self._theme.muted), QColor(self._theme.text)
        wide = QRectF(_SIDE, 4, self.width() - 2 * _SIDE, height + 6)
        absolute = Qt.AlignmentFlag.AlignAbsolute  # else Qt turns sides over where lines begin on the right
        begin, end = Qt.AlignmentFlag.AlignLeft | absolute, Qt.AlignmentFlag.AlignRight | absolute
        if self._chosen >= 0:
            painter.setPen(text)
            painter.drawText(wide, begin | Qt.AlignmentFlag.AlignVCenter, self._days[self._chosen].words)
        else:
            painter.setPen(muted)
            painter.drawText(wide, begin | Qt.AlignmentFlag.AlignVCenter, describe_credits(self._most))
        painter.setPen(muted)
        below = QRectF(_SIDE, self._floor() + 4, self.width() - 2 * _SIDE, height + 4)
        painter.drawText(below, begin | Qt.AlignmentFlag.AlignTop, self._days[0].label)
        painter.drawText(below, end | Qt.AlignmentFlag.AlignTop, self._days[-1].label)

    def _choose(self, place: int) -> None:
        if place != self._chosen:
            self._chosen = place
            self._describe()
            self.update()
            self.day_chosen.emit(place)

    def _describe(self) -> None:
        words = ""
        if 0 <= self._chosen < len(self._days):
            words = self._days[self._chosen].words
        elif self._days:
            words = _("{first} to {last}, at most {credits} in a day. Arrow keys choose a day.").format(
                first=self._days[0].label, last=self._days[-1].label, credits=describe_credits(self._most)
            )
        self.setAccessibleDescription(words)

    def _floor(self) -> float:
        return self.height() - _BOTTOM

    def _step(self) -> float:
        return (self.width() - 2 * _SIDE) / max(1, len(self._days))

    def _left(self, place: int) -> float:
        return _SIDE + place * self._step()

    def _height(self, value: float) -> float:
        return value / max(self._most, _LEAST_MOST) * (self._floor() - _TOP)

    def _day_at(self, x: float) -> int:
        if not self._days or not _SIDE <= x < self.width() - _SIDE:
            return -1
        return max(0, min(len(self._days) - 1, int((x - _SIDE) / self._step())))
