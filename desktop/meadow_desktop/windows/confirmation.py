"""A question before something is lost: what it is, what follows from it, and two answers. GUI thread."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QWidget


def confirm(
    parent: QWidget, name: str, question: str, explanation: str, *, yes: str, no: str, do: Callable[[], object]
) -> None:
    """Ask in a box over the parent's window, and call `do` after a yes; Enter, Esc and closing the box say no.

    `yes` and `no` are the words of the buttons, which are called `confirm-NAME-yes` and `confirm-NAME-no`.
    """
    box = QMessageBox(QMessageBox.Icon.NoIcon, "Meadow", question, parent=parent.window())
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setInformativeText(explanation)
    accept = box.addButton(yes, QMessageBox.ButtonRole.DestructiveRole)
    accept.setObjectName(f"confirm-{name}-yes")
    refuse = box.addButton(no, QMessageBox.ButtonRole.RejectRole)
    refuse.setObjectName(f"confirm-{name}-no")
    box.setDefaultButton(refuse)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    accept.clicked.connect(lambda: do())
    box.open()
