"""The open conversation's title, which can be typed anew where it stands: double click, or F2. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFocusEvent, QMouseEvent
from PySide6.QtWidgets import QLineEdit, QSizePolicy, QStackedWidget, QWidget

from meadow_desktop.language import _
from meadow_desktop.windows.chat.own_escape import OwnEscape
from meadow_desktop.windows.elided_label import ElidedLabel

_LONGEST = 200


class TitleField(QStackedWidget):
    """A label, or a field in its place."""

    renamed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._can_rename = self._is_renaming = False
        self._label = ElidedLabel(is_quoted=True)
        self._label.setObjectName("title")
        self._field = _Field()
        self._field.returnPressed.connect(lambda: self._end(keeps=True))
        self._field.left.connect(lambda: self._end(keeps=True))
        OwnEscape(self._field).pressed.connect(lambda: self._end(keeps=False))
        self.addWidget(self._label)
        self.addWidget(self._field)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def show_title(self, title: str, *, can_rename: bool) -> None:
        """Draw it; what is being typed stays."""
        self._can_rename = can_rename
        self._label.setText(title)
        self._label.setToolTip("")

    def rename(self) -> None:
        """Let the person type."""
        if self._can_rename:
            self._is_renaming = True
            self._field.setText(self._label.text())
            self.setCurrentWidget(self._field)
            self._field.selectAll()
            self._field.setFocus(Qt.FocusReason.OtherFocusReason)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """As F2."""
        self.rename()

    def _end(self, *, keeps: bool) -> None:
        if self._is_renaming:  # hiding the field takes the focus from it, which comes here again
            self._is_renaming = False
            self.setCurrentWidget(self._label)
            if keeps and self._field.text() != self._label.text():
                self.renamed.emit(self._field.text())


class _Field(QLineEdit):
    """Going elsewhere keeps what was typed."""

    left = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("title-field")
        self.setAccessibleName(_("Title of the conversation"))
        self.setMaxLength(_LONGEST)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        if event.reason() != Qt.FocusReason.PopupFocusReason:
            self.left.emit()
