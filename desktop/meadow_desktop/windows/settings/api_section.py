"""How other programs on this computer use Meadow: address, key, examples, each to be copied. GUI thread."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from meadow_desktop.engine.link import EngineLink
from meadow_desktop.language import _
from meadow_desktop.settings.api_access import curl_example, python_example, shown_key
from meadow_desktop.windows.elided_label import ElidedLabel
from meadow_desktop.windows.settings.words import copy, make_button, make_words


class ApiSection(QWidget):
    """The key is shown only when asked for, and hidden again when the page is left."""

    def __init__(self, link: EngineLink) -> None:
        super().__init__()
        self._link = link
        self._base_url = self._key = ""
        self._is_key_shown = False
        self._address_words, self._key_words = ElidedLabel(), ElidedLabel()
        self._address_words.setObjectName("api-address")
        self._key_words.setObjectName("api-key")
        for label in (self._address_words, self._key_words):
            label.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._show = make_button(_("Show"), "show-key", "quiet")
        self._show.setAccessibleName(_("Show the key"))
        self._show.clicked.connect(self._switch_key)
        self._curl, self._python = QLabel(), QLabel()
        self._away = make_words(_("The engine is not running, so there is no address now."), "muted")
        self._there = QWidget()
        self._build()
        self.show_engine()

    def show_engine(self) -> None:
        """Draw what the engine says now."""
        client, state = self._link.client, self._link.state
        status = getattr(state, "status", None)
        self._there.setVisible(client is not None and status is not None)
        self._away.setVisible(client is None)
        if client is None or status is None:
            return
        self._base_url, self._key = status.base_url, client.engine.token
        self._address_words.setText(self._base_url)
        self._curl.setText(curl_example(self._base_url, status.model))
        self._python.setText(python_example(self._base_url, status.model))
        self._draw_key()

    def hide_key(self) -> None:
        """Back to dots."""
        self._is_key_shown = False
        self._draw_key()

    def _switch_key(self) -> None:
        self._is_key_shown = not self._is_key_shown
        self._draw_key()

    def _draw_key(self) -> None:
        self._key_words.setText(shown_key(self._key, is_shown=self._is_key_shown))
        self._show.setText(_("Hide") if self._is_key_shown else _("Show"))
        self._show.setAccessibleName(_("Hide the key") if self._is_key_shown else _("Show the key"))

    def _build(self) -> None:
        copy_address = make_button(_("Copy"), "copy-address")
        copy_address.setAccessibleName(_("Copy the address"))
        copy_address.clicked.connect(lambda: copy(self._base_url))
        copy_key = make_button(_("Copy"), "copy-key")
        copy_key.setAccessibleName(_("Copy the key"))
        copy_key.clicked.connect(lambda: copy(self._key))
        inner = QVBoxLayout(self._there)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(8)
        inner.addWidget(_card(_("Base URL"), self._address_words, copy_address))
        inner.addWidget(_card(_("Key"), self._key_words, self._show, copy_key))
        for title, name, words in (
            (_("In a shell"), "copy-curl", self._curl),
            (_("In Python, with the package openai"), "copy-python", self._python),
        ):
            inner.addSpacing(6)
            inner.addWidget(_example(title, name, words, words.text))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(make_words(_("API access"), "headline"))
        column.addWidget(
            make_words(
                _(
                    "Programs on this computer that speak OpenAI's API can use the models of your swarm. Only who has"
                    " the key gets in; web pages do not."
                ),
                "muted",
            )
        )
        column.addSpacing(4)
        column.addWidget(self._away)
        column.addWidget(self._there)


def _card(title: str, words: QWidget, *buttons: QWidget) -> QFrame:
    frame = QFrame()
    frame.setObjectName("setting-row")
    left = QVBoxLayout()
    left.setSpacing(3)
    left.addWidget(make_words(title, "strong"))
    left.addWidget(words)
    row = QHBoxLayout(frame)
    row.setContentsMargins(16, 12, 12, 12)
    row.addLayout(left, 1)
    for button in buttons:
        row.addWidget(button, 0, Qt.AlignmentFlag.AlignVCenter)
    return frame


def _example(title: str, name: str, words: QLabel, text: Callable[[], str]) -> QWidget:
    button = make_button(_("Copy"), name, "quiet")
    button.setAccessibleName(_("Copy the example: {title}").format(title=title))
    button.clicked.connect(lambda: copy(text()))
    top = QHBoxLayout()
    top.addWidget(make_words(title, "strong"), 1)
    top.addWidget(button)
    words.setObjectName("example")
    words.setTextFormat(Qt.TextFormat.PlainText)
    words.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
    words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    words.setWordWrap(True)
    words.setMinimumWidth(1)
    whole = QWidget()
    column = QVBoxLayout(whole)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(4)
    column.addLayout(top)
    column.addWidget(words)
    return whole
