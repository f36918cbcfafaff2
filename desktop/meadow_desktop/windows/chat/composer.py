"""Where the person writes: Enter sends, Shift+Enter begins a line; the button stops an answer under way.

GUI thread.
"""

from __future__ import annotations

from PySide6.QtCore import QMimeData, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QTextCursor
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QSizePolicy, QTextEdit, QWidget

from meadow_desktop.language import _
from meadow_desktop.windows.direction import margins

_MOST_LINES = 8


class Composer(QFrame):
    """The text field and its button."""

    sent = Signal(str)
    text_changed = Signal()
    stop_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("composer")
        self._is_busy = False
        self._text = _Field()
        self._text.send_asked.connect(self._send)
        self._text.textChanged.connect(self._refresh)
        self._text.textChanged.connect(self.text_changed)
        self._text.focus_changed.connect(self._show_focus)
        self._button = QPushButton()
        self._button.setCursor(Qt.CursorShape.PointingHandCursor)
        self._button.clicked.connect(self._click)
        # Both words fit, so that nothing moves when one takes the other's place.
        self._button.setMinimumWidth(84)
        row = QHBoxLayout(self)
        row.setContentsMargins(margins(16, 8, 8, 8))
        row.setSpacing(10)
        row.addWidget(self._text, 1)
        row.addWidget(self._button, 0, Qt.AlignmentFlag.AlignBottom)
        self._refresh()

    @property
    def text(self) -> str:
        """What is typed and not sent yet."""
        return self._text.toPlainText()

    def show_text(self, text: str) -> None:
        """Put another draft in its place; the same one keeps its cursor."""
        if text != self._text.toPlainText():
            blocker = QSignalBlocker(self)
            self._text.setPlainText(text)
            self._text.moveCursor(QTextCursor.MoveOperation.End)
            blocker.unblock()

    def show_busy(self, is_busy: bool) -> None:
        """While an answer is under way the button stops it."""
        if is_busy != self._is_busy:
            self._is_busy = is_busy
            self._refresh()

    def take_focus(self) -> None:
        """Let the person write."""
        self._text.setFocus(Qt.FocusReason.OtherFocusReason)

    def _refresh(self) -> None:
        name = "stop" if self._is_busy else "send"
        if name != self._button.objectName():
            self._button.setText(_("■  Stop") if self._is_busy else _("Send"))
            self._button.setObjectName(name)
            self._button.setProperty("kind", "stop" if self._is_busy else "primary")
            self._button.style().unpolish(self._button)
            self._button.style().polish(self._button)
        self._button.setAccessibleName(_("Stop this answer") if self._is_busy else _("Send"))
        self._button.setToolTip(_("Stop this answer (Esc)") if self._is_busy else _("Send (Enter)"))
        self._button.setEnabled(self._is_busy or bool(self._text.toPlainText().strip()))

    def _click(self) -> None:
        if self._is_busy:
            self.stop_asked.emit()
        else:
            self._send()

    def _send(self) -> None:
        text = self._text.toPlainText().strip()
        if text and not self._is_busy:
            self._text.clear()
            self.sent.emit(text)

    def _show_focus(self, has_focus: bool) -> None:
        self.setProperty("focused", has_focus)
        self.style().unpolish(self)
        self.style().polish(self)


class _Field(QTextEdit):
    """Plain text that grows with its lines, up to a limit."""

    send_asked = Signal()
    focus_changed = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("composer-text")
        self.setAccessibleName(_("Your question"))
        self.setPlaceholderText(_("Ask something…"))
        self.setToolTip(_("Enter sends, Shift+Enter begins a new line"))
        self.setAcceptRichText(False)
        self.setTabChangesFocus(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.document().setDocumentMargin(5)
        self.document().documentLayout().documentSizeChanged.connect(self._fit)
        self._fit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter sends; with Shift (or any other modifier) it is a new line."""
        is_enter = event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter}
        plain = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier == Qt.KeyboardModifier.NoModifier
        if is_enter and plain:
            self.send_asked.emit()
        else:
            super().keyPressEvent(event)

    def insertFromMimeData(self, source: QMimeData) -> None:
        """Whatever is pasted comes as plain text."""
        self.insertPlainText(source.text())

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Light the frame up."""
        super().focusInEvent(event)
        self.focus_changed.emit(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """And let it fade."""
        super().focusOutEvent(event)
        self.focus_changed.emit(False)

    def minimumSizeHint(self) -> QSize:
        """One line."""
        return QSize(60, self.fontMetrics().lineSpacing() + 10)

    def _fit(self) -> None:
        line = self.fontMetrics().lineSpacing()
        height = int(self.document().size().height())
        self.setFixedHeight(max(line + 12, min(height + 2, _MOST_LINES * line + 12)))
