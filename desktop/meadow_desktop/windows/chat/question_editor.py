"""A question that is put in other words, where it stands. Ctrl+Enter sends, Esc leaves it as it was. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QMimeData, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QShowEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QTextEdit, QVBoxLayout, QWidget

from meadow_desktop.chat.words.view import QuestionView
from meadow_desktop.language import _
from meadow_desktop.windows.chat.own_escape import OwnEscape

_MOST_LINES = 14
_SIDE, _ABOVE, _GAP = 14, 10, 8


class QuestionEditor(QFrame):
    """The text, and two buttons below it."""

    saved = Signal(str)
    cancelled = Signal()
    resized = Signal()  # it needs another height now

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("question-editor")
        self._message_id: str | None = None
        self._height = 0
        OwnEscape(self).pressed.connect(self.cancelled)  # typed in the text, or on a button
        self._text = _Field()
        self._text.setAccessibleName(_("Your question in other words"))
        self._text.textChanged.connect(self._take_text)
        self._text.save_asked.connect(self._save)
        hint = QLabel(_("The old version stays beside the new one."))
        hint.setProperty("kind", "muted")
        hint.setWordWrap(True)
        self._cancel = QPushButton(_("Cancel"))
        self._cancel.setObjectName("cancel-edit")
        self._cancel.clicked.connect(self.cancelled)
        self._send = QPushButton(_("Save && send"))
        self._send.setObjectName("save-edit")
        self._send.setProperty("kind", "primary")
        self._send.setToolTip(_("Save and send (Ctrl+Enter)"))
        self._send.clicked.connect(self._save)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(hint, 1)
        row.addWidget(self._cancel)
        row.addWidget(self._send)
        column = QVBoxLayout(self)
        column.setContentsMargins(_SIDE, _ABOVE, _ABOVE, _ABOVE)
        column.setSpacing(_GAP)
        column.addWidget(self._text, 1)
        column.addLayout(row)

    def show_view(self, view: QuestionView) -> None:
        """Begin with this question; what is typed already stays."""
        if view.message_id != self._message_id:
            self._message_id = view.message_id
            self._text.setPlainText(view.text)
            self._text.moveCursor(self._text.textCursor().MoveOperation.End)
        self._send.setEnabled(view.can_change and bool(self._text.toPlainText().strip()))

    def fit(self, width: int) -> int:
        """The height that is needed at this width."""
        self.ensurePolished()
        line = self._text.fontMetrics().lineSpacing()
        document = self._text.document()
        document.setTextWidth(max(40, width - _SIDE - _ABOVE - 12))
        text = max(2 * line, min(int(document.size().height()), _MOST_LINES * line)) + 10
        buttons = max(self._send.sizeHint().height(), 2 * self.fontMetrics().lineSpacing())
        self._height = text + buttons + _GAP + 2 * _ABOVE
        return self._height

    def showEvent(self, event: QShowEvent) -> None:
        """Ready to be typed in."""
        super().showEvent(event)
        if self.focusWidget() is None or not self.isAncestorOf(self.focusWidget()):
            self._text.setFocus(Qt.FocusReason.OtherFocusReason)

    def _take_text(self) -> None:
        self._send.setEnabled(bool(self._text.toPlainText().strip()))
        if self._height and self.fit(self.width()) != self.height():
            self.resized.emit()

    def _save(self) -> None:
        text = self._text.toPlainText().strip()
        if text and self._send.isEnabled():
            self.saved.emit(text)


class _Field(QTextEdit):
    """Plain text."""

    save_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("edit-text")
        self.document().setDocumentMargin(0)  # the words begin where those below them do
        self.setAcceptRichText(False)
        self.setTabChangesFocus(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def minimumSizeHint(self) -> QSize:
        """The row says how high it is."""
        return QSize(40, 10)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Ctrl+Enter sends; everything else writes."""
        is_enter = event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter}
        if is_enter and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.save_asked.emit()
        else:
            super().keyPressEvent(event)

    def insertFromMimeData(self, source: QMimeData) -> None:
        """Whatever is pasted comes as plain text."""
        self.insertPlainText(source.text())
