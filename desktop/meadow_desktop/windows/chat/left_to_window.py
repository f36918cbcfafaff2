"""Fields that leave some keys to the window, though Qt would edit with them. GUI thread.

On Linux a line of text knows keys of Emacs, such as Ctrl+E, which goes to the end of the line. Where the window has a
shortcut with such a key, it would do nothing while the keyboard is in the field.
"""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import QWidget


class LeftToWindow(QObject):
    """Keeps one field from claiming these keys, written as Qt writes them."""

    def __init__(self, field: QWidget, keys: Iterable[str]) -> None:
        super().__init__(field)
        self._keys = {QKeySequence(each) for each in keys}
        field.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Qt asks the field first whether it wants the key: it is not asked, and so the key is a shortcut."""
        if event.type() != QEvent.Type.ShortcutOverride or not isinstance(event, QKeyEvent):
            return False
        if QKeySequence(event.keyCombination()) not in self._keys:
            return False
        event.ignore()
        return True
