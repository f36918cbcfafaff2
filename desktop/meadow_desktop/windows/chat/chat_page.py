"""The chat page: conversations on the left, the open one in the middle. GUI thread.

It owns no facts: it draws the desk's conversations, and hands what was clicked back to it.
"""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QMessageBox,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from meadow_desktop.chat.conversation import UNTITLED
from meadow_desktop.chat.desk import ChatDesk
from meadow_desktop.chat.view import present_conversation
from meadow_desktop.windows.chat.composer import Composer
from meadow_desktop.windows.chat.conversation_list import ConversationList
from meadow_desktop.windows.chat.transcript import COLUMN_WIDTH, Throttle, Transcript
from meadow_desktop.windows.elided_label import ElidedLabel
from meadow_desktop.windows.page import Page
from meadow_desktop.windows.theme import Theme


class ChatPage(Page):
    """Where the person asks."""

    drawn = Signal()

    def __init__(self, desk: ChatDesk, theme: Theme) -> None:
        super().__init__()
        self._desk = desk
        self._theme = theme
        self._list = ConversationList()
        self._title = ElidedLabel()
        self._title.setObjectName("title")
        self._delete = QPushButton("Delete")
        self._delete.setObjectName("delete-conversation")
        self._delete.setProperty("kind", "quiet")
        self._delete.setToolTip("Delete this conversation")
        self._transcript = Transcript()
        self._composer = Composer()
        self._throttle = Throttle(self._draw, parent=self)
        self._build()
        self._connect()
        self._show_list()
        self._show_opened()

    def show_theme(self, theme: Theme) -> None:
        """The desktop went from light to dark, or back."""
        self._theme = theme
        self._draw()

    def enter(self) -> None:
        """The page is shown: ready for a question."""
        self._composer.take_focus()

    def _build(self) -> None:
        header = QFrame()
        header.setObjectName("header")
        row = QHBoxLayout(header)
        row.setContentsMargins(28, 10, 20, 10)
        row.addWidget(self._title, 1)
        row.addWidget(self._delete)
        header.setMinimumHeight(48)
        page = QWidget()
        page.setObjectName("page")
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(header)
        column.addWidget(self._transcript, 1)
        column.addLayout(_centred(self._composer, bottom=16))
        splitter = QSplitter(Qt.Orientation.Horizontal)
        splitter.addWidget(self._list)
        splitter.addWidget(page)
        splitter.setStretchFactor(1, 1)
        splitter.setSizes([236, 764])
        splitter.setHandleWidth(1)
        splitter.setCollapsible(0, True)
        splitter.setCollapsible(1, False)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(splitter)

    def _connect(self) -> None:
        desk = self._desk
        desk.list_changed.connect(self._show_list)
        desk.opened.connect(self._show_opened)
        desk.changed.connect(self._take_change)
        self._list.open_asked.connect(desk.open)
        self._list.new_asked.connect(self._begin_new)
        self._list.delete_asked.connect(self._confirm_delete)
        self._delete.clicked.connect(self._delete_open)
        self._composer.sent.connect(self._ask)
        self._composer.stop_asked.connect(desk.stop)
        self._transcript.repeat_asked.connect(self._ask_again)
        for keys, action in (
            ("Ctrl+N", self._begin_new),
            ("Esc", desk.stop),
        ):
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(action)

    def _ask(self, text: str) -> None:
        self._transcript.go_to_end()
        self._desk.ask(text)

    def _ask_again(self) -> None:
        self._transcript.go_to_end()
        self._desk.ask_again()
        self._composer.take_focus()

    def _begin_new(self) -> None:
        self._desk.open("")
        self._composer.take_focus()

    def _delete_open(self) -> None:
        conversation = self._desk.open_conversation
        if conversation is not None:
            self._confirm_delete(conversation.id)

    def _confirm_delete(self, conversation_id: str) -> None:
        box = QMessageBox(self)
        box.setObjectName("confirm-delete")
        box.setWindowTitle("Delete conversation")
        box.setText("Delete this conversation?")
        box.setInformativeText("It is removed from this computer and cannot be brought back.")
        delete = box.addButton("Delete", QMessageBox.ButtonRole.DestructiveRole)
        delete.setObjectName("confirm-delete-yes")
        keep = box.addButton("Keep", QMessageBox.ButtonRole.RejectRole)
        keep.setObjectName("confirm-delete-no")
        box.setDefaultButton(keep)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        delete.clicked.connect(lambda: self._desk.delete(conversation_id))
        box.open()

    def _take_change(self, conversation_id: str) -> None:
        conversation = self._desk.open_conversation
        if conversation is None or conversation.id != conversation_id:
            return
        # Beginnings and ends are drawn at once; only the pieces between them can wait.
        answer = conversation.last_answer
        if answer is None or answer.is_final or not answer.text:
            self._throttle.run()
        else:
            self._throttle.ask()

    def _show_list(self) -> None:
        conversation = self._desk.open_conversation
        self._list.show_conversations(self._desk.conversations, conversation.id if conversation else "")

    def _show_opened(self) -> None:
        self._show_list()
        self._transcript.go_to_end()
        self._throttle.run()

    def _draw(self) -> None:
        conversation = self._desk.open_conversation
        title = conversation.title if conversation else UNTITLED
        self._title.setText(title)
        self._delete.setVisible(conversation is not None)
        self._composer.show_busy(conversation is not None and conversation.is_busy)
        self._transcript.show_messages(present_conversation(conversation), self._theme)
        self.drawn.emit()


def _centred(widget: QWidget, *, top: int = 0, bottom: int = 0) -> QHBoxLayout:
    """The widget in the middle, as wide as the column of messages at most."""
    widget.setMaximumWidth(COLUMN_WIDTH + 32)
    row = QHBoxLayout()
    row.setContentsMargins(20, top, 20, bottom)
    row.addStretch(1)
    row.addWidget(widget, 1000)
    row.addStretch(1)
    return row
