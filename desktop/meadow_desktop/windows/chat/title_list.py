"""The titles of conversations, each of which can be typed anew where it stands. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QLineEdit,
    QListWidget,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from meadow_desktop.language import _
from meadow_desktop.windows.direction import in_own_direction

_LONGEST_TITLE = 200

_Index = QModelIndex | QPersistentModelIndex


class TitleList(QListWidget):
    """Delete and Ctrl+Z belong to the titles while the keyboard is there."""

    delete_asked = Signal()
    undo_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("conversation-list")
        self.setAccessibleName(_("Conversations"))
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setUniformItemSizes(True)
        self.setItemDelegate(_TitleEditing(self))
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Report them."""
        if event.key() == Qt.Key.Key_Delete:
            self.delete_asked.emit()
        elif event.key() == Qt.Key.Key_Z and event.modifiers() == Qt.KeyboardModifier.ControlModifier:
            self.undo_asked.emit()
        else:
            super().keyPressEvent(event)


class _TitleEditing(QStyledItemDelegate):
    """A title in its own direction, and the field in which it is typed."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: _Index) -> None:
        """What is shown of an item."""
        super().initStyleOption(option, index)
        option.text = in_own_direction(option.text)

    def createEditor(self, parent: QWidget, option: object, index: object) -> QWidget:
        """A line."""
        field = QLineEdit(parent)
        field.setObjectName("rename-in-list")
        field.setAccessibleName(_("Title"))
        field.setMaxLength(_LONGEST_TITLE)
        field.setFrame(False)
        return field
