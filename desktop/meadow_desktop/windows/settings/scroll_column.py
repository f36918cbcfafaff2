"""One column of widgets in the middle of a page, as wide as is good to read, that scrolls. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from meadow_desktop.language import _

_WIDTH = 720
_SIDE = 24


class ScrollColumn(QScrollArea):
    """Scrolls up and down only."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("settings-scroll")
        self.setAccessibleName(_("Settings"))
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QFrame.Shape.NoFrame)
        inside, outside = QWidget(), QWidget()
        inside.setMaximumWidth(_WIDTH + 2 * _SIDE)
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(_SIDE, 18, _SIDE, 28)
        self._column.setSpacing(22)
        self._column.addStretch(1)
        outside.setObjectName("settings-page")
        centring = QHBoxLayout(outside)
        centring.setContentsMargins(0, 0, 0, 0)
        centring.addStretch(1)
        centring.addWidget(inside, 1000)
        centring.addStretch(1)
        self.setWidget(outside)

    def add(self, widget: QWidget) -> None:
        """Below the others."""
        self._column.insertWidget(self._column.count() - 1, widget)

    def add_before(self, widget: QWidget, other: QWidget) -> None:
        """Above one that is here."""
        self._column.insertWidget(self._column.indexOf(other), widget)

    def go_to_top(self) -> None:
        """Show the beginning."""
        self.verticalScrollBar().setValue(0)
