"""How much of what the model can hold is taken: a thin bar and a few words below the composer. GUI thread."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QWidget

from meadow_desktop.chat.words.context_view import ContextView
from meadow_desktop.language import _

_STEPS = 1000


class ContextMeter(QWidget):
    """Calm while there is room; of the colour of warnings when it runs out."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("context-meter")
        self._view: ContextView | None = None
        self._bar = QProgressBar()
        self._bar.setObjectName("context-bar")
        self._bar.setTextVisible(False)
        self._bar.setRange(0, _STEPS)
        self._bar.setFixedSize(72, 4)
        self._words = QLabel()
        self._words.setObjectName("context-words")
        self._words.setProperty("kind", "muted")
        font = self._words.font()
        font.setPointSizeF(max(8.0, font.pointSizeF() * 0.86))
        self._words.setFont(font)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addStretch(1)
        row.addWidget(self._bar)
        row.addWidget(self._words)

    def show_view(self, view: ContextView) -> None:
        """Draw it."""
        if view == self._view:
            return
        self._view = view
        self._words.setText(view.text)
        self._bar.setVisible(view.share is not None)
        self._bar.setValue(round((view.share or 0) * _STEPS))
        self.setToolTip(view.detail)
        self._bar.setAccessibleName(_("Room in the model's memory"))
        spoken = _("Room in the model's memory: {words}").format(words=view.text)
        self._words.setAccessibleName(spoken if view.text else _("Room in the model's memory"))
        for part in (self._bar, self._words):
            part.setAccessibleDescription(view.detail)
        if self.property("level") != view.level:
            self.setProperty("level", view.level)
            self._words.setProperty("kind", "muted" if view.level == "calm" else "mark")
            self._bar.setProperty("level", view.level)
            for part in (self._bar, self._words):
                part.style().unpolish(part)
                part.style().polish(part)
