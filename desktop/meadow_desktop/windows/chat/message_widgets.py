"""A question's bubble, and the lines below an answer, drawn from their views. GUI thread.

The transcript places them: it asks `fit` for the height that they need at a width.
"""

from __future__ import annotations

from typing import TypeVar

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from meadow_desktop.chat.words.view import AnswerView, QuestionView
from meadow_desktop.language import _
from meadow_desktop.windows.chat.chain_pills import ChainPills
from meadow_desktop.windows.chat.fitted_text import FittedText
from meadow_desktop.windows.chat.flow_layout import FlowLayout
from meadow_desktop.windows.chat.message_tools import MessageTools, ToolsView, tools_of
from meadow_desktop.windows.direction import lined_up
from meadow_desktop.windows.elided_label import ElidedLabel
from meadow_desktop.windows.theme import LIGHT, Theme

_Label = TypeVar("_Label", bound=QLabel)

_BUBBLE_SHARE = 0.82
_SMALL = 0.9
_SIDE, _ABOVE = 14, 10
_TOOLS_GAP = 2
_BELOW = 8


class QuestionWidget(QWidget):
    """The person's words in a bubble at the end of the line, as wide as they need; its buttons below."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view: QuestionView | None = None
        self._text = FittedText()
        self._text.setObjectName("question-text")
        self._text.setAccessibleName(_("Your question"))
        self._bubble = QFrame()
        self._bubble.setObjectName("bubble")
        inside = QHBoxLayout(self._bubble)
        inside.setContentsMargins(_SIDE, _ABOVE, _SIDE, _ABOVE)
        inside.addWidget(self._text)
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.addStretch(1)
        row.addWidget(self._bubble)
        self.tools = MessageTools("question")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(_TOOLS_GAP)
        column.addLayout(row, 1)
        column.addWidget(self.tools)

    @property
    def text(self) -> FittedText:
        """What shows the words."""
        return self._text

    def show_view(self, view: QuestionView, *, has_tools: bool = True) -> None:
        """Draw the question; parts of a long one but the last have no buttons."""
        if view != self._view:
            if self._view is None or view.text != self._view.text:
                self._text.setPlainText(view.text)
            self._view = view
        self.tools.show_view(tools_of(view) if has_tools else ToolsView())
        self.tools.setVisible(has_tools)

    def fit(self, width: int) -> int:
        """The height that is needed at this width; the bubble becomes as wide as its longest line."""
        self.ensurePolished()
        limit = int(width * _BUBBLE_SHARE) - 2 * _SIDE
        document = self._text.document()
        document.setTextWidth(-1)
        widest = int(document.idealWidth()) + 4
        inside = max(20, min(widest, limit))
        self._bubble.setFixedWidth(inside + 2 * _SIDE)
        tools = 0 if self.tools.isHidden() else self.tools.heightForWidth(width) + _TOOLS_GAP
        return self._text.fit(inside) + 2 * _ABOVE + tools


class AnswerEnding(QWidget):
    """What is going on, what went wrong, who computed the answer, and what can be done with it."""

    resized = Signal()  # it needs another height now

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, _BELOW)
        column.setSpacing(7)
        self._notice = _label("muted")
        column.addWidget(self._notice)
        self._warning = QFrame()
        self._warning.setObjectName("warning")
        inside = QVBoxLayout(self._warning)
        inside.setContentsMargins(_SIDE, _ABOVE, _SIDE, _ABOVE)
        inside.setSpacing(2)
        self._problem, self._advice = _label("strong"), _label("plain")
        inside.addWidget(self._problem)
        inside.addWidget(self._advice)
        column.addWidget(self._warning)
        self._chain = ChainPills()
        self._chain.toggled.connect(self._show_details)
        column.addWidget(self._chain)
        self._recoveries, self._details, self._remarks = (_small(_label("muted")) for _each in range(3))
        self._details.setObjectName("chain-details")
        for label in (self._recoveries, self._details, self._remarks):
            column.addWidget(label)
        self._facts = _small(ElidedLabel())
        self._facts.setProperty("kind", "muted")
        self._facts.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.tools = MessageTools("answer")
        self._last_line = QWidget()
        flow = FlowLayout(self._last_line, gap=16, line_gap=2)
        flow.addWidget(self._facts)
        flow.addWidget(self.tools)
        column.addWidget(self._last_line)

    def show_view(self, view: AnswerView, theme: Theme = LIGHT) -> None:
        """Draw all of the answer but its words."""
        _show_text(self._notice, view.notice)
        _show_text(self._problem, view.problem)
        _show_text(self._advice, view.advice)
        self._warning.setVisible(bool(view.problem))
        self._chain.show_chain(view.chain, theme)
        self._chain.setVisible(bool(view.chain))
        self._chain.setToolTip("\n".join((view.footer_detail, *view.recoveries)))
        _show_text(self._recoveries, "\n".join(view.recoveries))
        self._details.setText(lined_up(view.footer_detail))
        self._details.setVisible(bool(view.chain) and self._chain.isChecked())
        _show_text(self._remarks, "\n".join(view.remarks))
        if self._facts.text() != view.footer:
            self._facts.setText(view.footer)
        self._facts.setVisible(bool(view.footer))
        self.tools.show_view(tools_of(view))
        self.tools.setVisible(not self.tools.is_empty)
        self._last_line.setVisible(bool(view.footer) or not self.tools.is_empty)

    def fit(self, width: int) -> int:
        """The height that is needed at this width."""
        self.ensurePolished()
        layout = self.layout()
        if layout is None:
            return 0
        for part in (self.tools.layout(), self._last_line.layout(), layout):
            if part is not None:
                part.invalidate()
        return layout.totalHeightForWidth(width) if layout.hasHeightForWidth() else layout.totalSizeHint().height()

    def _show_details(self) -> None:
        self._details.setVisible(self._chain.isChecked())
        self.resized.emit()


class _Words(QLabel):
    """Plain words of which a long one may be cut: a stranger's sentence must not widen the window."""

    def minimumSizeHint(self) -> QSize:
        return QSize(20, super().minimumSizeHint().height())


def _label(kind: str) -> QLabel:
    label = _Words()
    label.setProperty("kind", kind)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _small(label: _Label) -> _Label:
    font = label.font()
    font.setPointSizeF(max(8.0, font.pointSizeF() * _SMALL))
    label.setFont(font)
    return label


def _show_text(label: QLabel, words: str) -> None:
    text = lined_up(words)
    if label.text() != text:
        label.setText(text)
    label.setVisible(bool(text))
