"""The chat page: conversations on the left, the open one in the middle, its settings beside it. GUI thread.

It owns no facts: it draws the desk's conversations, and hands what was clicked back to it.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import QApplication, QHBoxLayout, QSplitter, QVBoxLayout, QWidget

from meadow_desktop.chat.conversation import UNTITLED, Conversation, Question
from meadow_desktop.chat.desk import ChatDesk
from meadow_desktop.chat.exchange import ExportKind
from meadow_desktop.chat.search import SearchHit
from meadow_desktop.chat.words.context_view import present_context
from meadow_desktop.chat.words.model_choices import present_models
from meadow_desktop.chat.words.presenter import Presenter
from meadow_desktop.chat.words.shortcuts import SHORTCUTS, Action
from meadow_desktop.chat.words.undo_words import describe_deleted, show_title
from meadow_desktop.windows.chat.announcer import Announcer
from meadow_desktop.windows.chat.chat_header import ChatHeader
from meadow_desktop.windows.chat.composer import Composer
from meadow_desktop.windows.chat.context_meter import ContextMeter
from meadow_desktop.windows.chat.conversation_list import ConversationList
from meadow_desktop.windows.chat.conversation_settings import PANEL_WIDTH, ConversationSettings
from meadow_desktop.windows.chat.exchange_dialogs import ExchangeDialogs
from meadow_desktop.windows.chat.keyboard_dialog import KeyboardDialog
from meadow_desktop.windows.chat.passing_note import PassingNote
from meadow_desktop.windows.chat.transcript import COLUMN_WIDTH, Throttle, Transcript
from meadow_desktop.windows.page import Page
from meadow_desktop.windows.theme import Theme

_READABLE = 340  # narrower than this, the settings take the messages' place
_NARROW = 660
_SIDEBAR, _SIDEBAR_NARROW = 236, 188
_METER_MS = 200
_METER_LATER_MS = 40  # first the messages
_ALL = "meadow conversations"


class ChatPage(Page):
    """Where the person asks."""

    drawn = Signal()

    def __init__(self, desk: ChatDesk, theme: Theme) -> None:
        super().__init__()
        self._desk = desk
        self._theme = theme
        self._list = ConversationList()
        self._header = ChatHeader()
        self._transcript = Transcript()
        self._announcer = Announcer(self._transcript)
        self._note = PassingNote()
        self._composer = Composer()
        self._meter = ContextMeter()
        self._settings = ConversationSettings()
        self._settings.hide()
        self._dialogs = ExchangeDialogs(desk.exchange, self)
        self._presenter = Presenter()
        self._throttle = Throttle(self._draw, parent=self)
        self._meter_throttle = Throttle(self._show_meter, _METER_MS, self)
        # To read a long conversation takes its time, and to draw it does: other events come between.
        self._opening = QTimer(self, singleShot=True, interval=0)
        self._opening.timeout.connect(self._throttle.run)
        self._build()
        self._connect_desk()
        self._connect_widgets()
        self._show_list()
        self._show_opened()

    def show_theme(self, theme: Theme) -> None:
        """The desktop went from light to dark, or back."""
        self._theme = theme
        self._draw()

    def enter(self) -> None:
        """The page is shown: ready for a question."""
        self._composer.take_focus()
        self._desk.models.refresh()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Messages and settings share the room as long as there is enough for both."""
        super().resizeEvent(event)
        is_narrow = event.size().width() < _NARROW
        if is_narrow != (0 <= event.oldSize().width() < _NARROW):
            self._splitter.setSizes([_SIDEBAR_NARROW if is_narrow else _SIDEBAR, event.size().width()])
        self._share_room()

    def _build(self) -> None:
        self._talk = QWidget()
        talk = QVBoxLayout(self._talk)
        talk.setContentsMargins(0, 0, 0, 0)
        talk.setSpacing(0)
        talk.addWidget(self._transcript, 1)
        talk.addLayout(_centred(self._note, bottom=8))
        talk.addLayout(_centred(self._composer, bottom=4))
        talk.addLayout(_centred(self._meter, bottom=8))
        body = QHBoxLayout()
        body.setContentsMargins(0, 0, 0, 0)
        body.setSpacing(0)
        body.addWidget(self._talk, 1)
        body.addWidget(self._settings)
        self._page = QWidget()
        self._page.setObjectName("page")
        column = QVBoxLayout(self._page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._header)
        column.addLayout(body, 1)
        splitter = self._splitter = QSplitter(Qt.Orientation.Horizontal)
        splitter.addWidget(self._list)
        splitter.addWidget(self._page)
        splitter.setStretchFactor(1, 1)
        splitter.setSizes([_SIDEBAR, 764])
        splitter.setHandleWidth(1)
        splitter.setCollapsible(0, True)
        splitter.setCollapsible(1, False)
        splitter.splitterMoved.connect(self._share_room)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(splitter)

    def _connect_desk(self) -> None:
        desk = self._desk
        desk.list_changed.connect(self._show_list)
        desk.opened.connect(self._show_opened)
        desk.changed.connect(self._take_change)
        desk.settings_changed.connect(self._show_settings)
        desk.presets_changed.connect(self._show_settings)
        desk.models.changed.connect(self._show_settings)
        desk.found.connect(self._list.show_found)
        desk.undo_changed.connect(self._show_deleted)
        desk.exchange.finished.connect(self._note.show_sentence)
        desk.exchange.failed.connect(self.problem_found)

    def _connect_widgets(self) -> None:
        desk = self._desk
        self._list.open_asked.connect(self._open)
        self._list.new_asked.connect(self._begin_new)
        self._list.rename_asked.connect(desk.rename)
        self._list.delete_asked.connect(desk.delete)
        self._list.search_asked.connect(desk.search)
        self._list.hit_asked.connect(self._open_hit)
        for undoing in (self._list, self._transcript, self._note):
            undoing.undo_asked.connect(desk.undo_delete)
        self._header.title.renamed.connect(self._rename_open)
        self._header.models.model_asked.connect(self._choose_model)
        self._header.models.looked_at.connect(desk.models.refresh)
        self._header.settings_asked.connect(self._toggle_settings)
        self._header.export_asked.connect(self._export)
        self._header.import_asked.connect(self._dialogs.take_in)
        self._header.delete_asked.connect(self._delete_open)
        self._header.keyboard_asked.connect(lambda: KeyboardDialog(self).open())
        self._settings.chosen.connect(desk.change_settings)
        self._settings.preset_kept.connect(desk.keep_preset)
        self._settings.preset_forgotten.connect(desk.forget_preset)
        self._settings.closed.connect(self._toggle_settings)
        self._transcript.repeat_asked.connect(self._ask_again)
        # Later: while the menu is open the button that opened it may be drawn anew.
        self._transcript.model_asked.connect(self._header.models.open_menu, Qt.ConnectionType.QueuedConnection)
        self._transcript.delete_asked.connect(desk.delete_messages)
        self._transcript.switch_asked.connect(desk.switch)
        self._transcript.edited.connect(self._ask_in_other_words)
        self._composer.sent.connect(self._ask)
        self._composer.stop_asked.connect(desk.stop)
        self._composer.text_changed.connect(self._take_draft)
        actions: dict[Action, Callable[[], None]] = {
            "new": self._begin_new,
            "search": self._list.begin_search,
            "rename": self._rename,
            "stop": self._stop,
            "edit-last": self._edit_last,
            "ask-again": self._ask_again,
            "copy-last": self._copy_last,
            "choose-model": self._header.models.open_menu,
            "settings": self._toggle_settings,
            "delete": self._delete_open,
        }
        for each in SHORTCUTS:
            if each.action is not None:
                shortcut = QShortcut(QKeySequence(each.keys), self)
                shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
                shortcut.activated.connect(actions[each.action])

    # Asking

    def _ask(self, text: str) -> None:
        self._transcript.go_to_end()
        self._desk.ask(text)

    def _ask_again(self, message_id: str = "") -> None:
        conversation = self._desk.open_conversation
        if conversation is None or conversation.is_busy:
            return
        self._transcript.go_to_end()
        self._desk.ask_again(message_id)
        self._composer.take_focus()

    def _ask_in_other_words(self, message_id: str, text: str) -> None:
        self._transcript.go_to_end()
        self._desk.edit_question(message_id, text)
        self._composer.take_focus()

    def _edit_last(self) -> None:
        conversation = self._desk.open_conversation
        if conversation is None or conversation.is_busy:
            return
        last = next((each for each in reversed(conversation.messages) if isinstance(each, Question)), None)
        if last is not None:
            self._transcript.edit_question(last.id)

    def _copy_last(self) -> None:
        conversation = self._desk.open_conversation
        if conversation is not None and conversation.last_answer is not None and conversation.last_answer.text:
            QGuiApplication.clipboard().setText(conversation.last_answer.text)

    def _stop(self) -> None:
        conversation = self._desk.open_conversation
        focus = QApplication.focusWidget()
        if focus is not None and self._settings.isAncestorOf(focus):
            self._toggle_settings()
        elif conversation is not None and conversation.is_busy:
            self._desk.stop()
        elif self._list.is_searching:
            self._list.end_search()
        elif self._settings.isVisible():
            self._toggle_settings()

    def _take_draft(self) -> None:
        self._desk.set_draft(self._composer.text)
        self._meter_throttle.ask()

    # Conversations

    def _open(self, conversation_id: str) -> None:
        conversation = self._desk.open_conversation
        if conversation is None or conversation.id != conversation_id:
            self._desk.open(conversation_id)

    def _open_hit(self, hit: SearchHit) -> None:
        self._desk.open_hit(hit)
        self._transcript.go_to_message(hit.message_id)

    def _begin_new(self) -> None:
        self._list.end_search()
        self._desk.open("")
        self._composer.take_focus()

    def _rename(self) -> None:
        if self._list.has_list_focus:
            self._list.rename_current()
        else:
            self._header.title.rename()

    def _rename_open(self, title: str) -> None:
        conversation = self._desk.open_conversation
        if conversation is not None:
            self._desk.rename(conversation.id, title)

    def _delete_open(self) -> None:
        conversation = self._desk.open_conversation
        if conversation is not None:
            self._desk.delete(conversation.id)
            self._composer.take_focus()

    def _export(self, kind: ExportKind, is_all: bool) -> None:
        conversation = self._desk.open_conversation
        if is_all:
            self._dialogs.export(kind, _ALL, None)
        elif conversation is not None:
            self._dialogs.export(kind, conversation.title, conversation.id)

    def _choose_model(self, model: str) -> None:
        self._desk.change_settings(self._desk.settings.model_copy(update={"model": model}))

    def _toggle_settings(self) -> None:
        is_open = self._settings.isHidden()
        focus = QApplication.focusWidget()
        had_focus = focus is not None and self._settings.isAncestorOf(focus)
        self._settings.setVisible(is_open)
        self._header.show_settings_open(is_open=is_open)
        self._share_room()
        if is_open:
            self._settings.take_focus()
        elif had_focus:
            self._header.take_focus()

    # Drawing

    def _take_change(self, conversation_id: str) -> None:
        conversation = self._desk.open_conversation
        if conversation is None or conversation.id != conversation_id:
            return
        self._announcer.show(conversation)
        # Beginnings and ends are drawn at once; only the pieces between them can wait.
        answer = conversation.last_answer
        if answer is None or answer.is_final or not answer.text:
            self._throttle.run()
            self._meter_throttle.ask()
        else:
            self._throttle.ask()

    def _show_list(self) -> None:
        conversation = self._desk.open_conversation
        self._list.show_conversations(self._desk.conversations, conversation.id if conversation else "")

    def _show_opened(self) -> None:
        self._show_list()
        self._composer.show_text(self._desk.draft)
        self._transcript.go_to_end()
        self._opening.start()
        self._show_settings()

    def _show_deleted(self) -> None:
        self._note.show_deleted(describe_deleted(self._desk.deleted))

    def _show_settings(self) -> None:
        settings, models = self._desk.settings, self._desk.models
        self._settings.show_settings(settings, self._desk.own_presets)
        self._header.models.show_models(present_models(models.models, models.model_for(settings.model)))
        self._meter_throttle.ask(_METER_LATER_MS)

    def _show_meter(self) -> None:
        leaves_out = self._desk.settings.leaves_out_oldest
        self._meter.show_view(present_context(self._desk.context_use, leaves_out_oldest=leaves_out))

    def _share_room(self) -> None:
        """Where there is not enough for both, the settings take the messages' place."""
        has_room = self._page.width() - PANEL_WIDTH >= _READABLE
        self._settings.fill(fills=not has_room)
        self._talk.setVisible(self._settings.isHidden() or has_room)

    def _draw(self) -> None:
        conversation = self._desk.open_conversation
        self._header.title.show_title(_title_of(conversation), can_rename=conversation is not None)
        self._header.show_open(is_open=conversation is not None)
        self._composer.show_busy(conversation is not None and conversation.is_busy)
        self._transcript.show_messages(self._presenter.present(conversation), self._theme)
        self.drawn.emit()


def _title_of(conversation: Conversation | None) -> str:
    return show_title(conversation.title if conversation is not None else UNTITLED)


def _centred(widget: QWidget, *, top: int = 0, bottom: int = 0) -> QHBoxLayout:
    """The widget in the middle, as wide as the column of messages at most."""
    widget.setMaximumWidth(COLUMN_WIDTH + 32)
    row = QHBoxLayout()
    row.setContentsMargins(20, top, 20, bottom)
    row.addStretch(1)
    row.addWidget(widget, 1000)
    row.addStretch(1)
    return row
