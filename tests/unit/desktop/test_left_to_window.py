"""A key that a line of text would edit with is the window's where the window has a shortcut with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from fakes.desktop_qt import settle
from meadow_desktop.windows.chat.left_to_window import LeftToWindow

CONTROL = Qt.KeyboardModifier.ControlModifier
ALL = "Ctrl+A"  # every system's lines of text take this one


@pytest.fixture
def window(application: object) -> Iterator[QWidget]:
    window = QWidget()
    QVBoxLayout(window)
    yield window
    window.hide()
    window.deleteLater()


def test_the_key_is_the_windows_in_the_field_that_leaves_it(window: QWidget) -> None:
    told: list[str] = []
    field, other = QLineEdit("words"), QLineEdit("words")
    for each in (field, other):
        window.layout().addWidget(each)
    QShortcut(QKeySequence(ALL), window).activated.connect(lambda: told.append("window"))
    LeftToWindow(field, [ALL])
    window.show()
    window.activateWindow()
    settle()
    for each in (other, field):
        each.setFocus()
        each.deselect()
        QTest.keyClick(each, Qt.Key.Key_A, CONTROL)
        told.append(f"{each.selectedText()} are selected")
    assert told == ["words are selected", "window", " are selected"]


def test_other_keys_still_edit(window: QWidget) -> None:
    field = QLineEdit("words")
    window.layout().addWidget(field)
    LeftToWindow(field, ["Ctrl+E"])
    window.show()
    field.setFocus()
    QTest.keyClick(field, Qt.Key.Key_A, CONTROL)
    QTest.keyClicks(field, "new")
    assert field.text() == "new"
