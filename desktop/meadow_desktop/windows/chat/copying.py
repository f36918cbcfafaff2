"""Text on its way to the clipboard: read row by row, and in slices between the window's events. GUI thread.

pieces (`selection.py`) ──► `row_text.py` ──► joined ──► clipboard, all at once when the last piece was read
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QClipboard, QGuiApplication

from meadow_desktop.windows.chat.row_text import read_piece
from meadow_desktop.windows.chat.selection import Piece

_SLICE_S = 0.008


class Copying(QObject):
    """Copies to one of the clipboards; what is asked for later takes the place of what is under way."""

    def __init__(self, mode: QClipboard.Mode, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._mode = mode
        self._pieces: Iterator[Piece] = iter(())
        self._parts: list[str] = []
        self._slices = QTimer(self, singleShot=True)
        self._slices.timeout.connect(self._go_on)

    @property
    def is_finished(self) -> bool:
        """The clipboard has what was asked for."""
        return not self._slices.isActive()

    def copy(self, pieces: Iterator[Piece]) -> None:
        """Read these pieces; a page or two of them is on the clipboard at once."""
        self._pieces, self._parts = pieces, []
        self._go_on()

    def _go_on(self) -> None:
        deadline = time.perf_counter() + _SLICE_S
        for piece in self._pieces:
            self._parts.append(piece.joint + read_piece(piece))
            if time.perf_counter() > deadline:
                self._slices.start(0)
                return
        self._slices.stop()
        QGuiApplication.clipboard().setText("".join(self._parts), self._mode)
        self._parts = []
