"""A fenced piece of code: a header with its language and a copy button, and the code in colours. GUI thread.

Long code comes in several cards, of which only the first has a header. Code that grows is added to, never set anew.
"""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QFontDatabase, QTextCursor
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QTextEdit, QVBoxLayout, QWidget

from meadow_desktop.language import _
from meadow_desktop.windows.chat.code_colours import CodeColours
from meadow_desktop.windows.chat.fitted_text import FittedText
from meadow_desktop.windows.direction import lined_up, margins
from meadow_desktop.windows.theme import Theme

_LONGEST_LINE = 4000  # Qt lays a line out in one go; what is longer is shown in several
_COPIED_MS = 1500
_SIDE, _ABOVE = 12, 9


class CodeCard(QFrame):
    """One piece of code."""

    copy_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("code-card")
        self._code = ""
        self._language = QLabel()
        self._language.setProperty("kind", "muted")
        self._language.setTextFormat(Qt.TextFormat.PlainText)
        self._copy = QPushButton(_("Copy code"))
        self._copy.setObjectName("copy-code")
        self._copy.setProperty("kind", "quiet")
        self._copy.setCursor(Qt.CursorShape.PointingHandCursor)
        self._copy.clicked.connect(self._ask_copy)
        self._header = QFrame()
        self._header.setObjectName("code-header")
        row = QHBoxLayout(self._header)
        row.setContentsMargins(margins(_SIDE, 3, 6, 3))
        row.addWidget(self._language, 1)
        row.addWidget(self._copy)
        self._text = FittedText()
        self._text.setObjectName("code")
        self._text.setLineWrapMode(QTextEdit.LineWrapMode.NoWrap)
        # Code runs from left to right in every language.
        self._text.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        font.setPointSizeF(max(9.0, self.font().pointSizeF()))
        self._text.setFont(font)
        self._colours = CodeColours(self._text)
        body = QVBoxLayout()
        body.setContentsMargins(_SIDE, _ABOVE, _SIDE, _ABOVE)
        body.addWidget(self._text)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._header)
        column.addLayout(body, 1)

    @property
    def text(self) -> FittedText:
        """What shows the code itself."""
        return self._text

    @property
    def is_coloured(self) -> bool:
        """The colours have come; they follow the text a moment later."""
        return self._colours.is_done

    def show_code(self, language: str, code: str, theme: Theme, *, continues: bool = False) -> None:
        """Draw this code; the person's selection survives what is added behind it."""
        self._language.setText(lined_up(language[:40] or _("code")))
        self._text.setAccessibleName(_("Code in {language}").format(language=language[:40]) if language else _("Code"))
        self._header.setVisible(not continues)
        shown = with_short_lines(code)
        if self._code and shown.startswith(self._code):
            self._add(shown[len(self._code) :])
        else:
            self._text.setPlainText(shown)
            self._colours.forget()
        self._code = shown
        self._colours.show(language, shown, theme)

    def fit(self, width: int) -> int:
        """The height that the card needs at this width."""
        header = 0 if self._header.isHidden() else self._header.sizeHint().height()
        return header + self._text.fit(width - 2 * _SIDE - 2) + 2 * _ABOVE + 2

    def _add(self, code: str) -> None:
        if not code:
            return
        before = self._text.textCursor()
        anchor, position = before.anchor(), before.position()
        end = QTextCursor(self._text.document())
        end.movePosition(QTextCursor.MoveOperation.End)
        end.insertText(code)
        if self._text.textCursor().position() != position:  # it stood at the end, and was taken along
            self._text.select(anchor, position)

    def _ask_copy(self) -> None:
        self.copy_asked.emit()
        self._copy.setText(_("Copied"))
        QTimer.singleShot(_COPIED_MS, self._copy, lambda: self._copy.setText(_("Copy code")))


def with_short_lines(code: str) -> str:
    """The code as a card shows it."""
    if len(code) <= _LONGEST_LINE:
        return code
    lines = []
    for line in code.split("\n"):
        lines += [line[at : at + _LONGEST_LINE] for at in range(0, max(1, len(line)), _LONGEST_LINE)]
    return "\n".join(lines)
