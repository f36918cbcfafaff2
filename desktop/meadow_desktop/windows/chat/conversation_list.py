"""The sidebar: search, a button for a new conversation, and the list, the latest first. GUI thread.

While something is looked for, what was found takes the list's place.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QLabel,
    QListWidgetItem,
    QMenu,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from meadow_desktop.chat.conversation import ConversationHead
from meadow_desktop.chat.search import SearchHit
from meadow_desktop.chat.words.undo_words import show_title
from meadow_desktop.language import _, ngettext
from meadow_desktop.windows.chat.search_field import SearchField
from meadow_desktop.windows.chat.search_results import SearchResults
from meadow_desktop.windows.chat.title_list import TitleList

_ID = Qt.ItemDataRole.UserRole


class ConversationList(QFrame):
    """Shows titles, elided where they are too long; reports what is wanted with which one."""

    open_asked = Signal(str)
    new_asked = Signal()
    rename_asked = Signal(str, str)
    delete_asked = Signal(str)
    undo_asked = Signal()
    search_asked = Signal(str)
    hit_asked = Signal(object)  # SearchHit

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("sidebar")
        self._waiting: tuple[Sequence[ConversationHead], str] | None = None
        self._search = SearchField()
        self._search.textChanged.connect(self._take_query)
        self._search.moved.connect(self._move)
        self._search.left.connect(self.end_search)
        self._search.returnPressed.connect(self._open_result)
        self._new = QPushButton(_("+  New conversation"))
        self._new.setAccessibleName(_("New conversation"))
        self._new.setObjectName("new-conversation")
        self._new.setToolTip(_("New conversation (Ctrl+N)"))
        self._new.setCursor(Qt.CursorShape.PointingHandCursor)
        self._new.clicked.connect(self.new_asked)
        self._list = TitleList()

        self._list.customContextMenuRequested.connect(self._show_menu)
        self._list.currentItemChanged.connect(self._take_current)
        self._list.itemClicked.connect(self._take_current)
        self._list.itemChanged.connect(self._take_title)
        self._list.delete_asked.connect(self._ask_to_delete)
        self._list.undo_asked.connect(self.undo_asked)
        self._list.itemDelegate().closeEditor.connect(self._end_editing)
        self._found = QLabel()
        self._found.setObjectName("search-summary")
        self._found.setProperty("kind", "muted")
        self._found.setWordWrap(True)
        self._found.setContentsMargins(10, 0, 10, 4)
        self._results = SearchResults()
        self._results.setAccessibleName(_("Found"))
        self._results.hit_asked.connect(self.hit_asked)
        results = QWidget()
        inside = QVBoxLayout(results)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(2)
        inside.addWidget(self._found)
        inside.addWidget(self._results, 1)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._list)
        self._stack.addWidget(results)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 12, 12, 12)
        column.setSpacing(10)
        column.addWidget(self._search)
        column.addWidget(self._new)
        column.addWidget(self._stack, 1)
        self.setMinimumWidth(170)

    def show_conversations(self, conversations: Sequence[ConversationHead], open_id: str) -> None:
        """Draw the titles and mark the open conversation; not while a title is being typed."""
        if self._list.state() == QAbstractItemView.State.EditingState:
            self._waiting = (conversations, open_id)
            return
        self._list.blockSignals(True)
        while self._list.count() > len(conversations):
            self._list.takeItem(self._list.count() - 1)
        while self._list.count() < len(conversations):
            item = QListWidgetItem()
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
            self._list.addItem(item)
        chosen = -1
        for row, conversation in enumerate(conversations):
            item = self._list.item(row)
            title = show_title(conversation.title)
            if item.text() != title:
                item.setText(title)
                item.setToolTip(title)
            if item.data(_ID) != conversation.id:
                item.setData(_ID, conversation.id)
            if conversation.id == open_id:
                chosen = row
        if self._list.currentRow() != chosen:
            self._list.setCurrentRow(chosen)
        if chosen < 0:
            self._list.clearSelection()
        self._list.blockSignals(False)
        self._list.viewport().update()

    def show_found(self, query: str, hits: Sequence[SearchHit]) -> None:
        """Draw what was found; an answer to something that is not looked for any more is dropped."""
        if query != self._search.text():
            return
        words = ngettext("{n} place", "{n} places", len(hits)).format(n=len(hits))
        self._found.setText(words if hits else _("Nothing was found."))
        self._results.show_hits(hits)

    @property
    def has_list_focus(self) -> bool:
        """The keyboard is in the list of titles."""
        return self._list.hasFocus()

    @property
    def is_searching(self) -> bool:
        """Results are shown in place of the list."""
        return self._stack.currentIndex() == 1

    def begin_search(self) -> None:
        """Let the person type what to look for."""
        self._search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._search.selectAll()

    def end_search(self) -> None:
        """The list is back."""
        self._search.clear()

    def rename_current(self) -> None:
        """Let the person type another title in place of the chosen one."""
        item = self._list.currentItem()
        if item is not None:
            self._list.editItem(item)

    def _take_query(self, query: str) -> None:
        is_searching = bool(query.strip())
        if is_searching and not self.is_searching:
            self._found.setText("")
            self._results.show_hits([])
        self._stack.setCurrentIndex(1 if is_searching else 0)
        if is_searching:
            self.search_asked.emit(query)

    def _move(self, step: int) -> None:
        if self.is_searching:
            self._results.move_by(step)
        elif step > 0:
            self._list.setFocus(Qt.FocusReason.TabFocusReason)

    def _open_result(self) -> None:
        if self.is_searching:
            self._results.open_chosen()

    def _take_current(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self.open_asked.emit(item.data(_ID))

    def _take_title(self, item: QListWidgetItem) -> None:
        self.rename_asked.emit(item.data(_ID), item.text())

    def _end_editing(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self.show_conversations(*waiting)

    def _show_menu(self, place: QPoint) -> None:
        item = self._list.itemAt(place)
        if item is None:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        conversation_id = item.data(_ID)
        menu.addAction(_("Rename"), lambda: self._list.editItem(item))
        menu.addAction(_("Delete"), lambda: self.delete_asked.emit(conversation_id))
        menu.popup(self._list.viewport().mapToGlobal(place))

    def _ask_to_delete(self) -> None:
        item = self._list.currentItem()
        if item is not None:
            self.delete_asked.emit(item.data(_ID))
