"""Words that stand where the window's language begins its lines, whatever letters they begin with. GUI thread.

Qt gives every label the direction of its own words: where lines begin on the right, "114", or a sentence that begins
with a computer's name, would stand on the left.
"""

from __future__ import annotations

from PySide6.QtCore import QMargins, Qt
from PySide6.QtGui import QGuiApplication

_RIGHT_TO_LEFT_MARK = "\u200f"  # has no width, as the next two
_ISOLATE, _ISOLATE_ENDS = "\u2068", "\u2069"


def lined_up(text: str) -> str:
    """The same text, each of its lines a line of the window's language."""
    if not text or not is_mirrored():
        return text
    return "\n".join(_RIGHT_TO_LEFT_MARK + line for line in text.split("\n"))


def in_own_direction(text: str) -> str:
    """Somebody's words, or a path, among the window's: in order by themselves, whatever the direction around them."""
    return f"{_ISOLATE}{text}{_ISOLATE_ENDS}" if is_mirrored() else text


def margins(begin: int, top: int, end: int, bottom: int) -> QMargins:
    """Around what is inside of a layout, in pixels; Qt mirrors layouts, but not the room around them."""
    return QMargins(end, top, begin, bottom) if is_mirrored() else QMargins(begin, top, end, bottom)


def is_mirrored() -> bool:
    """Lines begin on the right."""
    return QGuiApplication.layoutDirection() == Qt.LayoutDirection.RightToLeft
