"""The messages of the open conversation in one readable column, scrolled to the end while the reader is there.

Updates are drawn at most 20 times a second, and more seldom when drawing is slow, so that typing stays smooth while
an answer streams. GUI thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from meadow_desktop.chat.view import AnswerView, MessageView, QuestionView
from meadow_desktop.tray.icon import draw_pixmap
from meadow_desktop.windows.chat.message_widgets import AnswerWidget, QuestionWidget
from meadow_desktop.windows.theme import Theme

COLUMN_WIDTH = 760
_NEAR_THE_END = 40


class Throttle(QObject):
    """Runs an action soon, but at most every `least_ms`, and never for more than a quarter of the time."""

    def __init__(self, action: Callable[[], None], least_ms: int = 50, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._action = action
        self._least_s = least_ms / 1000
        self._free_at = 0.0
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self.run)

    def ask(self) -> None:
        """Run the action when it is allowed again."""
        if not self._timer.isActive():
            self._timer.start(max(0, round((self._free_at - time.monotonic()) * 1000)))

    def run(self) -> None:
        """Run it now."""
        self._timer.stop()
        began = time.monotonic()
        self._action()
        ended = time.monotonic()
        self._free_at = ended + max(self._least_s, 3 * (ended - began))


class Transcript(QScrollArea):
    """Shows message views; reuses the widgets of those that stay."""

    repeat_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("transcript")
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._widgets: list[QuestionWidget | AnswerWidget] = []
        self._is_at_end = True
        page = QWidget()
        page.setObjectName("transcript-page")
        self._welcome = Welcome()
        column = QWidget()
        column.setMaximumWidth(COLUMN_WIDTH)
        self._column = QVBoxLayout(column)
        self._column.setContentsMargins(0, 24, 0, 24)
        self._column.setSpacing(22)
        self._column.addWidget(self._welcome, 1)
        self._column.addStretch(0)
        row = QHBoxLayout(page)
        row.setContentsMargins(28, 0, 28, 0)
        row.addStretch(1)
        row.addWidget(column, 1000)
        row.addStretch(1)
        self.setWidget(page)
        bar = self.verticalScrollBar()
        bar.valueChanged.connect(self._note_place)
        bar.rangeChanged.connect(self._follow)

    def show_messages(self, views: Sequence[MessageView], theme: Theme) -> None:
        """Draw these messages; None at all shows what this window is for."""
        self._welcome.setVisible(not views)
        self._column.setStretch(self._column.count() - 1, 1 if views else 0)
        for place, view in enumerate(views):
            self._show_one(place, view, theme)
        self._drop(len(views))

    def go_to_end(self) -> None:
        """Follow what is written from now on."""
        self._is_at_end = True
        bar = self.verticalScrollBar()
        bar.setValue(bar.maximum())

    def _show_one(self, place: int, view: MessageView, theme: Theme) -> None:
        wanted = QuestionWidget if isinstance(view, QuestionView) else AnswerWidget
        if place < len(self._widgets) and not isinstance(self._widgets[place], wanted):
            self._drop(place)
        if place == len(self._widgets):
            widget = wanted()
            if isinstance(widget, AnswerWidget):
                widget.repeat_asked.connect(self.repeat_asked)
            self._widgets.append(widget)
            self._column.insertWidget(self._column.count() - 1, widget)
        shown = self._widgets[place]
        match (view, shown):
            case (QuestionView(), QuestionWidget()):
                shown.show_view(view, theme)
            case (AnswerView(), AnswerWidget()):
                shown.show_view(view, theme)
            case _:
                pass

    def _drop(self, first: int) -> None:
        for widget in self._widgets[first:]:
            self._column.removeWidget(widget)
            widget.hide()
            widget.deleteLater()
        del self._widgets[first:]

    def _note_place(self, value: int) -> None:
        self._is_at_end = value >= self.verticalScrollBar().maximum() - _NEAR_THE_END

    def _follow(self, _least: int, most: int) -> None:
        if self._is_at_end:
            self.verticalScrollBar().setValue(most)


class Welcome(QWidget):
    """What a new conversation shows before its first question."""

    def __init__(self) -> None:
        super().__init__()
        picture = QLabel()
        picture.setPixmap(draw_pixmap("sharing", 64, 2.0))
        picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        headline = QLabel("Ask the swarm")
        headline.setProperty("kind", "headline")
        headline.setAlignment(Qt.AlignmentFlag.AlignCenter)
        words = QLabel(
            "Many computers hold this model together, each a few layers of it.\n"
            "Your words pass through all of them, so leave secrets out."
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
