"""Controls that change only when they are meant: the wheel scrolls the page and not the value under it. GUI thread.

The style sheet gives them the border of the other fields (`kind` is "field"). Qt then draws no arrows without picture
files, so the arrows are drawn here.
"""

from __future__ import annotations

import sys

from PySide6.QtCore import QLocale, QPointF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette, QPen, QWheelEvent
from PySide6.QtWidgets import QAbstractSpinBox, QComboBox, QDoubleSpinBox, QWidget

from meadow_desktop.windows.direction import is_mirrored

_HEIGHT = 30
_ARROW = 4.0


class Choice(QComboBox):
    """A choice of words, each with the name that programs use."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("kind", "field")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(23)
        self.setMinimumHeight(_HEIGHT)
        self._explained = ""

    def setAccessibleName(self, name: str) -> None:
        """Qt on Linux gives the chosen words as the name, and ours to nobody: so ours begins the description."""
        super().setAccessibleName(name)
        self._describe()

    def setAccessibleDescription(self, description: str) -> None:
        """What there is to say beside the name."""
        self._explained = description
        self._describe()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave it to the page."""
        event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Add the arrow."""
        super().paintEvent(event)
        _draw_arrow(self, self.height() / 2 - 1, downwards=True)

    def _describe(self) -> None:
        name = self.accessibleName() if sys.platform.startswith("linux") else ""
        super().setAccessibleDescription(". ".join(each for each in (name, self._explained) if each))


class Number(QDoubleSpinBox):
    """A number without needless zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("kind", "field")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setKeyboardTracking(False)  # a number counts when it is finished
        self.setGroupSeparatorShown(False)
        self._stand_at_the_beginning()
        self.setMinimumHeight(_HEIGHT)

    def _stand_at_the_beginning(self) -> None:
        """A number has no direction of its own."""
        if is_mirrored():
            self.lineEdit().setTextMargins(0, 0, 6, 0)
            self.lineEdit().setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignAbsolute)
        else:
            self.lineEdit().setTextMargins(6, 0, 0, 0)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave it to the page."""
        event.ignore()

    def textFromValue(self, value: float) -> str:
        """1.5, 60, 0.25, 86400: a mark between thousands would have to be typed around, and a port has none."""
        locale = self.locale()
        locale.setNumberOptions(QLocale.NumberOption.OmitGroupSeparator)
        text = locale.toString(value, "f", self.decimals())
        point = locale.decimalPoint()
        return text.rstrip("0").rstrip(point) if point in text else text

    def paintEvent(self, event: QPaintEvent) -> None:
        """Add the arrows; one that leads nowhere is faint."""
        super().paintEvent(event)
        steps = self.stepEnabled()
        middle = self.height() / 2
        up, down = QAbstractSpinBox.StepEnabledFlag.StepUpEnabled, QAbstractSpinBox.StepEnabledFlag.StepDownEnabled
        _draw_arrow(self, middle - 7, downwards=False, is_faint=up not in steps)
        _draw_arrow(self, middle + 4, downwards=True, is_faint=down not in steps)


def _draw_arrow(widget: QWidget, top: float, *, downwards: bool, is_faint: bool = False) -> None:
    is_turned = widget.layoutDirection() == Qt.LayoutDirection.RightToLeft
    x = 12.0 if is_turned else widget.width() - 12.0
    base, tip = (top, top + _ARROW) if downwards else (top + _ARROW, top)
    painter = QPainter(widget)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setOpacity(0.35 if is_faint or not widget.isEnabled() else 1.0)
    pen = QPen(widget.palette().color(QPalette.ColorRole.PlaceholderText), 1.6)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    painter.setPen(pen)
    painter.drawPolyline([QPointF(x - _ARROW, base), QPointF(x, tip), QPointF(x + _ARROW, base)])
    painter.end()
