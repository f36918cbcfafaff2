"""What a new conversation shows before its first question. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from meadow_desktop.language import _
from meadow_desktop.tray.icon import draw_pixmap


class Welcome(QWidget):
    """What this window is for."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        picture = QLabel()
        picture.setPixmap(draw_pixmap("sharing", 64, 2.0))
        picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        headline = QLabel(_("Ask the swarm"))
        headline.setProperty("kind", "headline")
        headline.setAlignment(Qt.AlignmentFlag.AlignCenter)
        words = QLabel(
            _(
                "Many computers hold this model together, each a few layers of it.\n"
                "Your words pass through all of them, so leave secrets out."
            )
        )
        words.setProperty("kind", "muted")
        words.setWordWrap(True)
        words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column = QVBoxLayout(self)
        column.addStretch(2)
        column.addWidget(picture)
        column.addSpacing(8)
        column.addWidget(headline)
        column.addSpacing(4)
        column.addWidget(words)
        column.addStretch(3)
