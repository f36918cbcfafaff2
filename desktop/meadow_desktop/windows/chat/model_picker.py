"""Which model answers this conversation: a button with its name, and a menu of all models. GUI thread."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QPushButton, QWidget

from meadow_desktop.chat.words.model_choices import ModelChoice, ModelChoices
from meadow_desktop.language import _

_WIDEST, _NARROWEST = 210, 70
_IN_MENU = 320


class ModelPicker(QPushButton):
    """The button. `looked_at` comes before the menu opens: what it shows may be asked for once more."""

    model_asked = Signal(str)
    looked_at = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("model-picker")
        self.setProperty("kind", "quiet")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._view = ModelChoices("", "", "", ())
        self._actions: dict[str, QAction] = {}
        self._limit = _WIDEST
        self._menu = QMenu(self)
        self._menu.setObjectName("model-menu")
        self._menu.setAccessibleName(_("Models"))
        self._menu.aboutToShow.connect(self.looked_at)
        self.setMenu(self._menu)

    def show_models(self, view: ModelChoices) -> None:
        """Draw the button and the menu."""
        if view == self._view:
            return
        self._view = view
        self.setAccessibleName(view.spoken)
        self.setToolTip(view.spoken)
        self._show_text()
        if self._actions and tuple(self._actions) == tuple(choice.id for choice in view.choices):
            for choice in view.choices:  # the menu may be open, and somebody on the way through it
                self._actions[choice.id].setText(self._words_of(choice))
                self._actions[choice.id].setChecked(choice.is_chosen)
        else:
            self._build_menu()

    def _build_menu(self) -> None:
        self._menu.clear()
        self._actions = {}
        group = QActionGroup(self._menu)
        for choice in self._view.choices:
            action = self._menu.addAction(self._words_of(choice), partial(self.model_asked.emit, choice.id))
            action.setCheckable(True)
            action.setChecked(choice.is_chosen)
            group.addAction(action)
            self._actions[choice.id] = action
        if not self._view.choices:
            self._menu.addAction(_("The engine knows no model yet")).setEnabled(False)

    def limit_width(self, pixels: int) -> None:
        """The name takes no more than this."""
        limit = max(_NARROWEST, min(pixels, _WIDEST))
        if limit != self._limit:
            self._limit = limit
            self._show_text()

    def open_menu(self) -> None:
        """As a click."""
        self.showMenu()

    def minimumSizeHint(self) -> QSize:
        """The name may be cut."""
        return QSize(_NARROWEST, super().minimumSizeHint().height())

    def _words_of(self, choice: ModelChoice) -> str:
        title = self.fontMetrics().elidedText(choice.title, Qt.TextElideMode.ElideMiddle, _IN_MENU)
        return _("{model}\t{state}").format(model=title.replace("&", "&&"), state=choice.state)

    def _show_text(self) -> None:
        text = self.fontMetrics().elidedText(self._view.title, Qt.TextElideMode.ElideMiddle, self._limit - 36)
        self.setText(text.replace("&", "&&"))
