"""One question or one answer in the transcript, drawn from its view. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from meadow_desktop.chat.segments import Code, Segment, cut
from meadow_desktop.chat.view import AnswerView, QuestionView
from meadow_desktop.windows.chat.code_card import CodeCard
from meadow_desktop.windows.chat.fitted_text import FittedText
from meadow_desktop.windows.chat.markdown_text import MarkdownText
from meadow_desktop.windows.theme import Theme

_BUBBLE_SHARE = 0.82
_COPIED_MS = 1500


class QuestionWidget(QWidget):
    """The person's words in a bubble on the right, as wide as they need."""

    def __init__(self) -> None:
        super().__init__()
        self._view: QuestionView | None = None
        self._text = FittedText()
        self._bubble = QFrame()
        self._bubble.setObjectName("bubble")
        inside = QHBoxLayout(self._bubble)
        inside.setContentsMargins(14, 10, 14, 10)
        inside.addWidget(self._text)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addStretch(1)
        row.addWidget(self._bubble)

    def show_view(self, view: QuestionView, theme: Theme) -> None:
        """Draw the question."""
        if view != self._view:
            self._view = view
            self._text.setPlainText(view.text)
            self._fit_bubble()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The bubble follows the width of the column."""
        super().resizeEvent(event)
        self._fit_bubble()

    def _fit_bubble(self) -> None:
        metrics = self._text.fontMetrics()
        lines = self._view.text.split("\n") if self._view is not None else [""]
        # Only long enough lines matter, and measuring a pasted book line by line would hold the window up.
        widest = max(metrics.horizontalAdvance(line[:400]) for line in lines[:200])
        limit = int(self.width() * _BUBBLE_SHARE)
        self._bubble.setFixedWidth(max(48, min(widest + 34, limit)))


class AnswerWidget(QWidget):
    """Prose and code one below the other, then what is going on, what went wrong, and where it came from."""

    repeat_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._view: AnswerView | None = None
        self._theme: Theme | None = None
        self._segments: list[Segment] = []
        self._parts: list[MarkdownText | CodeCard] = []
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        self._body = QVBoxLayout()
        self._body.setSpacing(10)
        column.addLayout(self._body)
        self._notice = _label("muted")
        column.addWidget(self._notice)
        self._warning = QFrame()
        self._warning.setObjectName("warning")
        inside = QVBoxLayout(self._warning)
        inside.setContentsMargins(14, 10, 14, 10)
        inside.setSpacing(2)
        self._problem, self._advice = _label("strong"), _label("plain")
        inside.addWidget(self._problem)
        inside.addWidget(self._advice)
        column.addWidget(self._warning)
        self._footer = _label("muted")
        small = self._footer.font()
        small.setPointSizeF(max(8.0, small.pointSizeF() * 0.9))
        self._footer.setFont(small)
        column.addWidget(self._footer)
        self._copy = _button("Copy", "copy-answer")
        self._copy.clicked.connect(self._copy_answer)
        self._repeat = _button("Regenerate", "regenerate")
        self._repeat.clicked.connect(self.repeat_asked)
        self._buttons = QWidget()
        row = QHBoxLayout(self._buttons)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addWidget(self._copy)
        row.addWidget(self._repeat)
        row.addStretch(1)
        column.addWidget(self._buttons)

    def show_view(self, view: AnswerView, theme: Theme) -> None:
        """Draw the answer; only the parts that changed are drawn anew."""
        if view == self._view and theme == self._theme:
            return
        segments = self._segments if self._view and view.text == self._view.text else cut(view.text)
        self._show_segments(segments, theme)
        self._view, self._theme, self._segments = view, theme, segments
        _show_text(self._notice, view.notice)
        _show_text(self._problem, view.problem)
        _show_text(self._advice, view.advice)
        self._warning.setVisible(bool(view.problem))
        _show_text(self._footer, view.footer)
        self._footer.setToolTip(view.footer_detail)
        self._copy.setVisible(view.can_copy)
        self._repeat.setVisible(bool(view.repeat))
        again = view.repeat == "try-again"
        if again != (self._repeat.objectName() == "try-again"):
            self._repeat.setText("Try again" if again else "Regenerate")
            self._repeat.setObjectName("try-again" if again else "regenerate")
            self._repeat.setProperty("kind", "" if again else "quiet")
            self._repeat.style().unpolish(self._repeat)
            self._repeat.style().polish(self._repeat)
        self._buttons.setVisible(view.can_copy or bool(view.repeat))

    def _show_segments(self, segments: list[Segment], theme: Theme) -> None:
        for place, segment in enumerate(segments):
            wanted = CodeCard if isinstance(segment, Code) else MarkdownText
            if place < len(self._parts) and not isinstance(self._parts[place], wanted):
                self._drop_parts(place)
            if place == len(self._parts):
                part = CodeCard() if isinstance(segment, Code) else MarkdownText(theme)
                self._parts.append(part)
                self._body.addWidget(part)
            shown = self._parts[place]
            if isinstance(segment, Code) and isinstance(shown, CodeCard):
                shown.show_code(segment.language, segment.text, theme)
            elif not isinstance(segment, Code) and isinstance(shown, MarkdownText):
                shown.show_markdown(segment.text, theme)
        self._drop_parts(len(segments))

    def _drop_parts(self, first: int) -> None:
        for part in self._parts[first:]:
            self._body.removeWidget(part)
            part.hide()
            part.deleteLater()
        del self._parts[first:]

    def _copy_answer(self) -> None:
        if self._view is not None:
            QGuiApplication.clipboard().setText(self._view.text)
            self._copy.setText("Copied")
            QTimer.singleShot(_COPIED_MS, self._copy, lambda: self._copy.setText("Copy"))


def _label(kind: str) -> QLabel:
    label = QLabel()
    label.setProperty("kind", kind)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _button(text: str, name: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setProperty("kind", "quiet")
    button.setCursor(Qt.CursorShape.PointingHandCursor)
    return button


def _show_text(label: QLabel, text: str) -> None:
    if label.text() != text:
        label.setText(text)
    label.setVisible(bool(text))
