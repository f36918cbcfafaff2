"""Labels and buttons as the settings page has them everywhere. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel, QPushButton


def make_words(text: str, kind: str) -> QLabel:
    """Plain words that take as many lines as they need. `kind` is the style sheet's."""
    label = QLabel(text)
    label.setProperty("kind", kind)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label


def make_button(text: str, name: str, kind: str = "") -> QPushButton:
    """A button with its words on it."""
    button = QPushButton(text)
    button.setObjectName(name)
    if kind:
        button.setProperty("kind", kind)
    return button


def copy(text: str) -> None:
    """Into the clipboard."""
    QGuiApplication.clipboard().setText(text)
