"""Esc belongs to a field that claims it, and to the window's shortcut everywhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFrame, QLineEdit, QPushButton, QTextEdit, QVBoxLayout, QWidget

from fakes.desktop_qt import settle
from meadow_desktop.windows.chat.own_escape import OwnEscape


@pytest.fixture
def window(application: object) -> Iterator[QWidget]:
    window = QWidget()
    QVBoxLayout(window)
    yield window
    window.hide()
    window.deleteLater()


def with_shortcut(window: QWidget, *parts: QWidget) -> list[str]:
    """Show the parts in a window whose shortcut Esc stops an answer; what Esc does is told from now on."""
    told: list[str] = []
    for part in parts:
        window.layout().addWidget(part)
    QShortcut(QKeySequence(Qt.Key.Key_Escape), window).activated.connect(lambda: told.append("stopped"))
    window.show()
    window.activateWindow()
    settle()
    return told


def test_esc_in_a_field_is_the_fields_and_elsewhere_the_shortcuts(window: QWidget) -> None:
    field, other = QLineEdit(), QLineEdit()
    told = with_shortcut(window, field, other)
    OwnEscape(field).pressed.connect(lambda: told.append("left"))
    for widget in (other, field):
        widget.setFocus()
        QTest.keyClick(widget, Qt.Key.Key_Escape)
    assert told == ["stopped", "left"]


@pytest.mark.parametrize("make", [QTextEdit, QPushButton])
def test_esc_in_a_part_of_a_frame_is_the_frames(window: QWidget, make: Callable[[], QWidget]) -> None:
    frame, part = QFrame(), make()
    QVBoxLayout(frame).addWidget(part)
    told = with_shortcut(window, frame)
    OwnEscape(frame).pressed.connect(lambda: told.append("left"))
    part.setFocus()
    QTest.keyClick(part, Qt.Key.Key_Escape)
    assert told == ["left"]


def test_other_keys_are_typed(window: QWidget) -> None:
    field = QLineEdit()
    told = with_shortcut(window, field)
    OwnEscape(field).pressed.connect(lambda: told.append("left"))
    QTest.keyClicks(field, "words")
    assert (field.text(), told) == ("words", [])
