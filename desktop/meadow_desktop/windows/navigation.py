"""The column at the window's edge that names the pages. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QKeySequence, QPainter, QPainterPath, QPen, QPixmap
from PySide6.QtWidgets import QButtonGroup, QFrame, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from meadow_desktop.windows.theme import LIGHT, Theme

_ICON = 24
_WIDTH = 86


class Navigation(QFrame):
    """One button for each page."""

    page_asked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("navigation")
        self._theme = LIGHT
        self._buttons: dict[str, QToolButton] = {}
        self._group = QButtonGroup(self)
        self._group.setExclusive(True)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(6, 12, 6, 12)
        self._column.setSpacing(4)
        self._column.addStretch(1)
        self.setMinimumWidth(_WIDTH)
        # As wide as its longest title, which differs between languages; the pages have the rest.
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)

    def add(self, name: str, title: str) -> None:
        """One more page."""
        button = QToolButton()
        button.setObjectName(f"go-{name}")
        button.setText(title)
        button.setAccessibleName(title)
        button.setCheckable(True)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        button.setIconSize(QSize(_ICON, _ICON))
        button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        keys = QKeySequence(f"Ctrl+{len(self._buttons) + 1}").toString(QKeySequence.SequenceFormat.NativeText)
        button.setToolTip(f"{title} ({keys})")
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda: self.page_asked.emit(name))
        self._buttons[name] = button
        self._group.addButton(button)
        self._column.insertWidget(self._column.count() - 1, button)
        self._draw(name)

    def mark(self, name: str) -> None:
        """This page is shown."""
        self._buttons[name].setChecked(True)

    def show_theme(self, theme: Theme) -> None:
        """Draw the icons in the theme's colours."""
        self._theme = theme
        for name in self._buttons:
            self._draw(name)

    def _draw(self, name: str) -> None:
        icon = QIcon()
        for state, colour in ((QIcon.State.Off, self._theme.muted), (QIcon.State.On, self._theme.accent)):
            for ratio in (1.0, 2.0):
                icon.addPixmap(_picture(name, QColor(colour), ratio), QIcon.Mode.Normal, state)
        self._buttons[name].setIcon(icon)


def _picture(name: str, colour: QColor, ratio: float) -> QPixmap:
    """The page's icon, drawn in a square of 24 × 24."""
    pixmap = QPixmap(round(_ICON * ratio), round(_ICON * ratio))
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(colour, 1.8, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    match name:
        case "chat":
            painter.drawPath(_bubble())
        case "swarm":
            for start, end in (((6, 7), (18, 7)), ((18, 7), (12, 18)), ((12, 18), (6, 7))):
                painter.drawLine(QPointF(*start), QPointF(*end))
            painter.setBrush(colour)
            for centre in ((6, 7), (18, 7), (12, 18)):
                painter.drawEllipse(QPointF(*centre), 2.6, 2.6)
        case "credits":
            painter.drawLine(QPointF(3.5, 20), QPointF(20.5, 20))
            for x, top in ((6, 13), (12, 9), (18, 4)):
                painter.drawLine(QPointF(x, 16.5), QPointF(x, top))
        case "settings":
            for y, knob in ((6, 15), (12, 8), (18, 13)):
                painter.drawLine(QPointF(4, y), QPointF(20, y))
                painter.setBrush(colour)
                painter.drawEllipse(QPointF(knob, y), 2.4, 2.4)
        case _:
            painter.drawEllipse(QRectF(5, 5, 14, 14))
    painter.end()
    return pixmap


def _bubble() -> QPainterPath:
    path = QPainterPath()
    path.addRoundedRect(QRectF(3.5, 4, 17, 12.5), 4, 4)
    tail = QPainterPath(QPointF(7.5, 16.5))
    tail.lineTo(7.5, 20.5)
    tail.lineTo(12, 16.5)
    path.addPath(tail)
    return path
