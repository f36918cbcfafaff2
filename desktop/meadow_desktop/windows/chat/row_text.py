"""What is copied of a row, as plain text: read from a document that is made for it and never laid out. GUI thread.

List items keep their bullets and numbers, cells of a table are parted by tabs. A row needs no widget for that: a long
selection is copied without drawing what it covers.
"""

from __future__ import annotations

from PySide6.QtGui import (
    QTextBlock,
    QTextBlockFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
    QTextList,
    QTextListFormat,
)

from meadow_desktop.chat.text.segments import Code, Prose
from meadow_desktop.windows.chat.code_card import with_short_lines
from meadow_desktop.windows.chat.markdown_text import read_markdown
from meadow_desktop.windows.chat.selection import Piece, begins_with_table, plain_text

_NUMBERED = {
    QTextListFormat.Style.ListDecimal,
    QTextListFormat.Style.ListLowerAlpha,
    QTextListFormat.Style.ListUpperAlpha,
    QTextListFormat.Style.ListLowerRoman,
    QTextListFormat.Style.ListUpperRoman,
}
_TASKS = {QTextBlockFormat.MarkerType.Checked: "[x] ", QTextBlockFormat.MarkerType.Unchecked: "[ ] "}


def read_piece(piece: Piece) -> str:
    """The text of a piece, without its joint."""
    content = piece.content
    if isinstance(content, Prose):
        return _read_prose(content, piece.start, piece.stop)
    text = plain_text(content) or ""
    if piece.is_whole:
        return text
    return _read_plain(with_short_lines(text) if isinstance(content, Code) else text, piece.start, piece.stop)


def _read_plain(text: str, start: int, stop: int) -> str:
    document = QTextDocument()
    document.setPlainText(text)
    last = document.characterCount() - 1
    cursor = QTextCursor(document)
    cursor.setPosition(min(start, last))
    cursor.setPosition(min(stop, last), QTextCursor.MoveMode.KeepAnchor)
    return _with_line_ends(cursor.selectedText())


def _read_prose(content: Prose, start: int, stop: int) -> str:
    document = QTextDocument()
    document.setUndoRedoEnabled(False)
    read_markdown(document, content.text)
    repeats_head = content.continues and begins_with_table(content.text)
    parts: list[str] = []
    before: QTextBlock | None = None
    block = document.findBlock(min(start, document.characterCount() - 1))
    while block.isValid() and block.position() < stop:
        begin = max(0, start - block.position())
        words = _units(block.text(), begin, stop - block.position())
        is_shown = bool(words) or _is_code(block) or _cell_of(block) is not None
        if is_shown and not (repeats_head and _is_head(block)):
            joint = "" if before is None else _joint_between(before, block)
            parts.append(joint + ("" if begin else _marker_of(block)) + _with_line_ends(words))
            before = block
        block = block.next()
    return "".join(parts)


def _joint_between(before: QTextBlock, block: QTextBlock) -> str:
    cell_before, cell = _cell_of(before), _cell_of(block)
    if cell_before is not None and cell is not None:
        return "\t" if cell_before[0] == cell[0] else "\n"
    return "\n" if _share_list(before, block) or (_is_code(before) and _is_code(block)) else "\n\n"


def _share_list(before: QTextBlock, block: QTextBlock) -> bool:
    """Both are items of one list, or of lists inside of one another."""
    one, other = _list_of(before), _list_of(block)
    if one is None or other is None:
        return False
    return one.objectIndex() == other.objectIndex() or one.format().indent() != other.format().indent()


def _marker_of(block: QTextBlock) -> str:
    items = _list_of(block)
    if items is None:
        return ""
    layout = items.format()
    number = items.itemText(block) if layout.style() in _NUMBERED else "-"
    return "  " * max(0, layout.indent() - 1) + number + " " + _TASKS.get(block.blockFormat().marker(), "")


def _is_code(block: QTextBlock) -> bool:
    return block.blockFormat().hasProperty(QTextFormat.Property.BlockCodeLanguage)


def _is_head(block: QTextBlock) -> bool:
    cell = _cell_of(block)
    return cell is not None and cell[0] == 0


def _cell_of(block: QTextBlock) -> tuple[int, int] | None:
    """Row and column in the table around it."""
    cursor = QTextCursor(block)
    cell = cursor.currentTable().cellAt(cursor) if cursor.currentTable() is not None else None
    return (cell.row(), cell.column()) if cell is not None else None


def _list_of(block: QTextBlock) -> QTextList | None:
    return block.textList()


def _units(text: str, start: int, stop: int) -> str:
    """A part of a line, counted as Qt counts: in UTF-16 units."""
    if text.isascii():
        return text[start:stop]
    return text.encode("utf-16-le", "surrogatepass")[2 * start : 2 * stop].decode("utf-16-le", "replace")


def _with_line_ends(text: str) -> str:
    return text.replace("\u2029", "\n").replace("\u2028", "\n")
