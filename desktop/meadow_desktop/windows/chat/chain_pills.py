"""The chain of an answer: one pill for each computer, linked in the order of the layers. GUI thread.

A computer that took over in mid-answer has a mark of another colour. Pressing it (or Space) shows and hides details.
"""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from meadow_desktop.chat.words.origin_words import ChainPart
from meadow_desktop.language import _
from meadow_desktop.windows.theme import LIGHT, Theme

_LINK, _INSIDE, _BETWEEN, _LINE_GAP, _MARK = 14, 9, 6, 5, 6
_LONGEST_NAME = 150


@dataclass(frozen=True)
class _Pill:
    part: ChainPart
    name: str
    place: QRect


class ChainPills(QAbstractButton):
    """Draws the parts; a long name ends in "…", a long chain goes on below."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("chain")
        self.setCheckable(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._chain: tuple[ChainPart, ...] = ()
        self._theme = LIGHT
        self._small = QFont(self.font())
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def show_chain(self, chain: tuple[ChainPart, ...], theme: Theme) -> None:
        """Draw these computers."""
        self._theme = theme
        self._small = QFont(self.font())
        self._small.setPointSizeF(max(7.5, self.font().pointSizeF() * 0.86))
        if chain != self._chain:
            self._chain = chain
            held = "; ".join(_spoken(part) for part in chain)
            self.setAccessibleName(_("Answered by {computers}").format(computers=held))
            self.setAccessibleDescription(_("Press for details"))
            self.updateGeometry()
        self.update()

    def hasHeightForWidth(self) -> bool:
        """A narrow window needs more lines."""
        return True

    def heightForWidth(self, width: int) -> int:
        """In pixels."""
        pills = self._lay_out(width)
        return pills[-1].place.bottom() + 2 if pills else 0

    def sizeHint(self) -> QSize:
        """All in one line."""
        pills = self._lay_out(100_000)
        return QSize(pills[-1].place.right() + 2, self._pill_height() + 2) if pills else QSize(0, 0)

    def minimumSizeHint(self) -> QSize:
        """As narrow as one likes."""
        return QSize(40, self._pill_height() + 2)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Links first, pills over them."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self._small)
        for pill in self._lay_out(self.width()):
            self._draw_link(painter, pill)
            self._draw_pill(painter, pill)
        painter.end()

    def _draw_link(self, painter: QPainter, pill: _Pill) -> None:
        if pill.part is self._chain[0]:
            return
        place = self._mirrored(QRect(pill.place.left() - _LINK, pill.place.top(), _LINK, pill.place.height()))
        middle = place.center().y() + 0.5
        painter.setPen(QPen(QColor(self._theme.border), 1.6))
        painter.drawLine(QPointF(place.left(), middle), QPointF(place.right() + 1, middle))

    def _draw_pill(self, painter: QPainter, pill: _Pill) -> None:
        theme, is_new = self._theme, pill.part.is_replacement
        place = self._mirrored(pill.place)
        shape = QRectF(place).adjusted(0.5, 0.5, -0.5, -0.5)
        is_lit = self.hasFocus() or self.underMouse()
        painter.setPen(QPen(QColor(theme.accent if self.hasFocus() else theme.border), 1))
        painter.setBrush(QColor(theme.hover if is_lit else theme.surface))
        painter.drawRoundedRect(shape, shape.height() / 2, shape.height() / 2)
        metrics = QFontMetrics(self._small)
        is_mirrored = self.layoutDirection() == Qt.LayoutDirection.RightToLeft
        inside = place.adjusted(_INSIDE, 0, -_INSIDE, 0)
        if is_new:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.on_warning))
            x = inside.right() - _MARK + 1 if is_mirrored else inside.left()
            painter.drawEllipse(QRectF(x, inside.center().y() - _MARK / 2 + 1, _MARK, _MARK))
            inside = inside.adjusted(0, 0, -_MARK - 5, 0) if is_mirrored else inside.adjusted(_MARK + 5, 0, 0, 0)
        near = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignAbsolute
        left, right = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        name_side, layers_side = (right, left) if is_mirrored else (left, right)
        painter.setPen(QColor(theme.text))
        painter.drawText(inside, near | name_side, pill.name)
        painter.setPen(QColor(theme.muted))
        room = inside.width() - metrics.horizontalAdvance(pill.name) - _BETWEEN
        layers = metrics.elidedText(pill.part.layers, Qt.TextElideMode.ElideRight, room)
        painter.drawText(inside, near | layers_side, layers)

    def _lay_out(self, width: int) -> list[_Pill]:
        metrics = QFontMetrics(self._small)
        height = self._pill_height()
        pills: list[_Pill] = []
        left, top = 0, 1
        for number, part in enumerate(self._chain):
            mark = _MARK + 5 if part.is_replacement else 0
            others = metrics.horizontalAdvance(part.layers) + _BETWEEN + 2 * _INSIDE + mark + 2
            longest = max(24, min(_LONGEST_NAME, width - _LINK - others))
            name = metrics.elidedText(part.name, Qt.TextElideMode.ElideRight, longest)
            needed = min(metrics.horizontalAdvance(name) + others, max(60, width - _LINK))
            start = left + _LINK if number else 0
            if number and start + needed > width:
                start, top = _LINK, top + height + _LINE_GAP
            pills.append(_Pill(part, name, QRect(start, top, needed, height)))
            left = start + needed
        return pills

    def _pill_height(self) -> int:
        return QFontMetrics(self._small).height() + 6

    def _mirrored(self, place: QRect) -> QRect:
        if self.layoutDirection() != Qt.LayoutDirection.RightToLeft:
            return place
        return QRect(self.width() - place.right() - 1, place.top(), place.width(), place.height())


def _spoken(part: ChainPart) -> str:
    if part.is_replacement:
        return _("{name}, {layers}, took over in mid-answer").format(name=part.name, layers=part.layers)
    return _("{name}, {layers}").format(name=part.name, layers=part.layers)
