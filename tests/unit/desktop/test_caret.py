"""A caret in a window that is left open does not keep the computer awake."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication, QPlainTextEdit

from fakes.desktop_qt import wait_until
from meadow_desktop.caret import RestingCaret


@pytest.fixture
def caret(application: QApplication) -> Iterator[RestingCaret]:
    before_ms = QApplication.cursorFlashTime()
    caret = RestingCaret(application, rest_after_ms=60)
    yield caret
    caret.deleteLater()
    QApplication.setCursorFlashTime(before_ms)


def test_the_caret_stands_still_when_nobody_types_and_blinks_again_with_the_next_key(
    application: QApplication, caret: RestingCaret
) -> None:
    field = QPlainTextEdit()
    application.focusChanged.emit(None, field)
    assert QApplication.cursorFlashTime() > 0
    wait_until(lambda: QApplication.cursorFlashTime() == 0)
    application.sendEvent(field, QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_A, Qt.KeyboardModifier.NoModifier, "a"))
    assert field.toPlainText() == "a"
    assert QApplication.cursorFlashTime() > 0
    wait_until(lambda: QApplication.cursorFlashTime() == 0)


def test_a_field_that_lost_the_focus_is_not_listened_to(application: QApplication, caret: RestingCaret) -> None:
    field = QPlainTextEdit()
    application.focusChanged.emit(None, field)
    wait_until(lambda: QApplication.cursorFlashTime() == 0)
    application.focusChanged.emit(field, None)
    application.sendEvent(field, QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_A, Qt.KeyboardModifier.NoModifier, "a"))
    assert QApplication.cursorFlashTime() == 0
