"""What would be lost is only lost after a yes that was chosen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QMessageBox, QWidget

from fakes.desktop_qt import settle
from meadow_desktop.windows.confirmation import confirm


@pytest.fixture
def window(application: object) -> Iterator[QWidget]:
    window = QWidget()
    window.show()
    yield window
    window.hide()
    window.deleteLater()


def asked(window: QWidget, done: list[str]) -> QMessageBox:
    confirm(
        window,
        "delete-model",
        "Delete <b>model</b>?",
        "It is gone then.",
        yes="Delete",
        no="Keep",
        do=lambda: done.append("deleted"),
    )
    settle()
    box = window.findChild(QMessageBox)
    assert box is not None
    return box


@pytest.mark.parametrize(("answer", "does"), [("yes", ["deleted"]), ("no", [])])
def test_the_chosen_answer_counts_and_the_box_is_gone(window: QWidget, answer: str, does: list[str]) -> None:
    done: list[str] = []
    found = asked(window, done).findChild(QAbstractButton, f"confirm-delete-model-{answer}")
    assert found is not None
    QTest.mouseClick(found, Qt.MouseButton.LeftButton)
    settle()
    assert done == does
    assert window.findChild(QMessageBox) is None


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Escape])
def test_the_keys_that_are_pressed_without_reading_say_no(window: QWidget, key: Qt.Key) -> None:
    done: list[str] = []
    box = asked(window, done)
    QTest.keyClick(box.defaultButton() if key == Qt.Key.Key_Return else box, key)
    settle()
    assert done == []
    assert window.findChild(QMessageBox) is None


def test_names_are_shown_as_they_are(window: QWidget) -> None:
    box = asked(window, [])
    assert (box.text(), box.textFormat()) == ("Delete <b>model</b>?", Qt.TextFormat.PlainText)
    box.close()
