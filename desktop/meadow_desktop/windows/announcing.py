"""Has a screen reader say something that happens away from the keyboard. GUI thread.

By itself it reads only what has the keyboard. On Linux, Qt 6.11 hands announcements only to readers that ask for all
events: it does not know the name under which Orca asks for them.
"""

from __future__ import annotations

from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from PySide6.QtWidgets import QWidget


def announce(widget: QWidget, words: str) -> None:
    """Say these words, which stand at the widget; nothing happens where nobody listens."""
    QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(widget, words))
