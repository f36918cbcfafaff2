"""A model's layers in a row: how many computers hold each of them, and which ones this computer holds. GUI thread.

Shape tells as much as colour: a layer that nobody holds is an empty box, one that several hold has a second line above,
and this computer's own layers are underlined.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QHelpEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from meadow_desktop.swarm.view import LayerView
from meadow_desktop.windows.theme import LIGHT, Theme

_HEIGHT = 34
_WIDEST = 34.0


class CoverageBar(QWidget):
    """Draws the layers; the pointer tells of each."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("coverage")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._layers: Sequence[LayerView] = ()
        self._theme = LIGHT

    def show_layers(self, layers: Sequence[LayerView], words: str, detail: str, theme: Theme) -> None:
        """Draw these; `words` say it in short, `detail` layer by layer, to somebody who does not see it."""
        self._layers, self._theme = layers, theme
        self.setAccessibleName(words)
        self.setAccessibleDescription(detail)
        self.update()

    def sizeHint(self) -> QSize:
        """As wide as there is room."""
        return QSize(300, _HEIGHT)

    def minimumSizeHint(self) -> QSize:
        """Layers become narrow before the window becomes wide."""
        return QSize(120, _HEIGHT)

    def event(self, event: QEvent) -> bool:
        """Tell of the layer under the pointer."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            place = self._layer_at(event.pos().x())
            if place is not None:
                QToolTip.showText(event.globalPos(), self._layers[place].words, self)
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """One box for each layer."""
        if not self._layers:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        theme, step = self._theme, self._step()
        gap = 2.0 if step > 6 else 0.6
        accent, border = QColor(theme.accent), QColor(theme.muted)
        for place, layer in enumerate(self._layers):
            box = QRectF(self._left(place), 9, step - gap, _HEIGHT - 18)
            if layer.holding == "nobody":
                painter.setPen(QPen(border, 1.0, Qt.PenStyle.DashLine))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRect(box.adjusted(0.5, 0.5, -0.5, -0.5))
            else:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(accent)
                painter.setOpacity(1.0 if layer.holding == "several" else 0.55)
                painter.drawRoundedRect(box, 2.5, 2.5)
                painter.setOpacity(1.0)
                if layer.holding == "several":
                    painter.fillRect(QRectF(box.left(), 4, box.width(), 2.4), accent)
            if layer.is_own:
                painter.setPen(QPen(QColor(theme.text), 2.2))
                line = _HEIGHT - 3.5
                painter.drawLine(QPointF(box.left(), line), QPointF(box.right(), line))
        painter.end()

    def _step(self) -> float:
        return min(_WIDEST, self.width() / max(1, len(self._layers)))

    def _left(self, place: int) -> float:
        left = place * self._step()
        return self.width() - left - self._step() if self.layoutDirection() == Qt.LayoutDirection.RightToLeft else left

    def _layer_at(self, x: int) -> int | None:
        from_start = self.width() - x if self.layoutDirection() == Qt.LayoutDirection.RightToLeft else x
        place = int(from_start / self._step()) if self._layers else -1
        return place if 0 <= place < len(self._layers) else None
