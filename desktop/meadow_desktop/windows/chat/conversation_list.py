"""The list of conversations, the latest first, with a button for a new one. GUI thread."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QFrame,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from meadow_desktop.chat.conversation import Conversation

_ID = Qt.ItemDataRole.UserRole


class ConversationList(QFrame):
    """Shows titles, elided where they are too long; reports which one is wanted."""

    open_asked = Signal(str)
    new_asked = Signal()
    delete_asked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("sidebar")
        self._new = QPushButton("+  New conversation")
        self._new.setObjectName("new-conversation")
        self._new.setToolTip("New conversation (Ctrl+N)")
        self._new.setCursor(Qt.CursorShape.PointingHandCursor)
        self._new.clicked.connect(self.new_asked)
        self._list = QListWidget()
        self._list.setObjectName("conversation-list")
        self._list.setAccessibleName("Conversations")
        self._list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.setUniformItemSizes(True)
        self._list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self._list.customContextMenuRequested.connect(self._show_menu)
        self._list.currentItemChanged.connect(self._take_current)
        delete = QShortcut(QKeySequence(QKeySequence.StandardKey.Delete), self._list)
        delete.setContext(Qt.ShortcutContext.WidgetShortcut)
        delete.activated.connect(self._ask_to_delete)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 14, 12, 12)
        column.setSpacing(12)
        column.addWidget(self._new)
        column.addWidget(self._list, 1)
        self.setMinimumWidth(170)

    def show_conversations(self, conversations: Sequence[Conversation], open_id: str) -> None:
        """Draw the titles and mark the open conversation."""
        self._list.blockSignals(True)
        while self._list.count() > len(conversations):
            self._list.takeItem(self._list.count() - 1)
        while self._list.count() < len(conversations):
            self._list.addItem(QListWidgetItem())
        chosen = -1
        for row, conversation in enumerate(conversations):
            item = self._list.item(row)
            item.setText(conversation.title)
            item.setToolTip(conversation.title)
            item.setData(_ID, conversation.id)
            if conversation.id == open_id:
                chosen = row
        self._list.setCurrentRow(chosen)
        if chosen < 0:
            self._list.clearSelection()
        self._list.blockSignals(False)

    def _take_current(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self.open_asked.emit(item.data(_ID))

    def _show_menu(self, place: QPoint) -> None:
        item = self._list.itemAt(place)
        if item is None:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        conversation_id = item.data(_ID)
        menu.addAction("Delete conversation…", lambda: self.delete_asked.emit(conversation_id))
        menu.popup(self._list.viewport().mapToGlobal(place))

    def _ask_to_delete(self) -> None:
        item = self._list.currentItem()
        if item is not None:
            self.delete_asked.emit(item.data(_ID))
