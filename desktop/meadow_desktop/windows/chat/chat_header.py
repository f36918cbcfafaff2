"""Above the messages: the title, the model, the settings, and a menu of everything else. GUI thread.

Where there is little room the title gets most of it: the settings go into the menu.
"""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QPushButton, QWidget

from meadow_desktop.chat.exchange import ExportKind
from meadow_desktop.language import _
from meadow_desktop.windows.chat.model_picker import ModelPicker
from meadow_desktop.windows.chat.title_field import TitleField
from meadow_desktop.windows.direction import margins

_MODEL_SHARE = 0.4
_NARROW = 480


class ChatHeader(QFrame):
    """Reports what is wanted with the open conversation, or with all."""

    settings_asked = Signal()
    export_asked = Signal(str, bool)  # ExportKind, whether all
    import_asked = Signal()
    delete_asked = Signal()
    keyboard_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("header")
        self.title = TitleField()
        self.models = ModelPicker()
        self._settings = _button(_("Settings"), "conversation-settings-button")
        self._settings.setAccessibleName(_("Settings of this conversation"))
        self._settings.setToolTip(_("Settings of this conversation (Ctrl+Shift+S)"))
        self._settings.setCheckable(True)
        self._settings.clicked.connect(self.settings_asked)
        self._more = _button("⋯", "conversation-menu-button")
        self._more.setAccessibleName(_("More"))
        self._more.setToolTip(_("More"))
        self._of_open: list[QAction] = []
        self._settings_in_menu = QAction(_("Settings of this conversation"), self)
        self._settings_in_menu.setCheckable(True)
        self._settings_in_menu.setVisible(False)
        self._settings_in_menu.triggered.connect(self.settings_asked)
        self._more.setMenu(self._make_menu())
        row = self._row = QHBoxLayout(self)
        row.setContentsMargins(margins(28, 8, 12, 8))
        row.setSpacing(4)
        row.addWidget(self.title, 1)
        row.addSpacing(8)
        row.addWidget(self.models)
        row.addWidget(self._settings)
        row.addWidget(self._more)
        self.setMinimumHeight(48)

    def show_open(self, *, is_open: bool) -> None:
        """A new conversation can neither be exported nor deleted."""
        for action in self._of_open:
            action.setEnabled(is_open)

    def show_settings_open(self, *, is_open: bool) -> None:
        """The panel is there, or not."""
        self._settings.setChecked(is_open)
        self._settings_in_menu.setChecked(is_open)

    def take_focus(self) -> None:
        """Back to the button that opened the panel."""
        button = self._more if self._settings.isHidden() else self._settings
        button.setFocus(Qt.FocusReason.OtherFocusReason)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Most of the room is the title's."""
        super().resizeEvent(event)
        is_narrow = self.width() < _NARROW
        if is_narrow and self._settings.hasFocus():
            self._more.setFocus(Qt.FocusReason.OtherFocusReason)
        self._settings.setVisible(not is_narrow)
        self._settings_in_menu.setVisible(is_narrow)
        self.models.limit_width(round(self.width() * _MODEL_SHARE))
        self._row.setContentsMargins(margins(16, 8, 4, 8) if is_narrow else margins(28, 8, 12, 8))

    def _make_menu(self) -> QMenu:
        menu = QMenu(self._more)
        menu.setObjectName("conversation-menu")
        menu.addAction(self._settings_in_menu)
        self._of_open.append(menu.addAction(_("Rename"), self.title.rename))
        for all_of_them, title in ((False, _("Export this conversation")), (True, _("Export all conversations"))):
            exports = menu.addMenu(title)
            kinds: tuple[tuple[ExportKind, str], ...] = (("markdown", _("As Markdown…")), ("json", _("As JSON…")))
            for kind, words in kinds:
                exports.addAction(words, partial(self.export_asked.emit, kind, all_of_them))
            if not all_of_them:
                self._of_open.append(exports.menuAction())
        menu.addAction(_("Import…"), self.import_asked.emit)
        menu.addSeparator()
        menu.addAction(_("Keyboard"), self.keyboard_asked.emit)
        menu.addSeparator()
        self._of_open.append(menu.addAction(_("Delete conversation"), self.delete_asked.emit))
        return menu


def _button(text: str, name: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setProperty("kind", "quiet")
    button.setCursor(Qt.CursorShape.PointingHandCursor)
    return button
