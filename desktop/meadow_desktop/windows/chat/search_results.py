"""What was found, in place of the list of conversations: a title, and a piece of text with the words marked.

GUI thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QPointF, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPalette, QTextCharFormat, QTextLayout, QTextOption
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from meadow_desktop.chat.search import SearchHit
from meadow_desktop.chat.words.undo_words import show_title
from meadow_desktop.windows.direction import in_own_direction

_HIT = Qt.ItemDataRole.UserRole
_SIDE, _ABOVE, _GAP = 10, 7, 2
_MOST_LINES = 2

_Index = QModelIndex | QPersistentModelIndex


class SearchResults(QListView):
    """Reports which hit is wanted: a click, or Enter."""

    hit_asked = Signal(object)  # SearchHit

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("search-results")
        self._hits = _Hits(self)
        self.setModel(self._hits)
        self.setItemDelegate(_HitPainter(self))
        self.setMouseTracking(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.clicked.connect(self._ask)
        self.activated.connect(self._ask)

    def show_hits(self, hits: Sequence[SearchHit]) -> None:
        """Draw these; the first is chosen."""
        self._hits.show(hits)
        self.scrollToTop()
        if hits:
            self.setCurrentIndex(self._hits.index(0, 0))

    def move_by(self, step: int) -> None:
        """Choose another, while the keyboard stays in the search field."""
        row = max(0, min(self.currentIndex().row() + step, self._hits.rowCount() - 1))
        self.setCurrentIndex(self._hits.index(row, 0))

    def open_chosen(self) -> None:
        """As Enter on it."""
        if self.currentIndex().isValid():
            self._ask(self.currentIndex())

    def _ask(self, index: QModelIndex) -> None:
        hit = index.data(_HIT)
        if isinstance(hit, SearchHit):
            self.hit_asked.emit(hit)


class _Hits(QAbstractListModel):
    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._hits: tuple[SearchHit, ...] = ()

    def show(self, hits: Sequence[SearchHit]) -> None:
        self.beginResetModel()
        self._hits = tuple(hits)
        self.endResetModel()

    def rowCount(self, parent: _Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._hits)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        hit = self._hits[index.row()] if 0 <= index.row() < len(self._hits) else None
        if hit is None:
            return None
        if role == _HIT:
            return hit
        if role in {Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole}:
            return f"{show_title(hit.title)}\n{hit.snippet}" if hit.message_id else show_title(hit.title)
        return None


class _HitPainter(QStyledItemDelegate):
    """A line for the title, and at most two for the snippet."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        hit = index.data(_HIT)
        if not isinstance(hit, SearchHit):
            return
        # The style sheet draws the background; the words are drawn here.
        self.initStyleOption(option, index)
        option.text = ""
        view = option.widget
        view.style().drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, view)
        palette = option.palette
        inside = option.rect.adjusted(_SIDE, _ABOVE, -_SIDE, -_ABOVE)
        painter.save()
        painter.setPen(palette.color(QPalette.ColorRole.Text))
        if hit.message_id:
            font = QFont(option.font)
            font.setWeight(QFont.Weight.DemiBold)
            painter.setFont(font)
            line = painter.fontMetrics().height()
            words = in_own_direction(show_title(hit.title))
            title = painter.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, inside.width())
            painter.drawText(QRect(inside.left(), inside.top(), inside.width(), line), _sides(option), title)
            inside.setTop(inside.top() + line + _GAP)
            painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
        layout = _lay_out(hit, option, inside.width(), palette.color(QPalette.ColorRole.Highlight))
        layout.draw(painter, inside.topLeft().toPointF())
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        hit = index.data(_HIT)
        view = option.widget
        width = view.viewport().width() if isinstance(view, QListView) else 200
        if not isinstance(hit, SearchHit):
            return QSize(width, 30)
        snippet = _lay_out(hit, option, width - 2 * _SIDE, QColor()).boundingRect().height()
        title = option.fontMetrics.height() + _GAP if hit.message_id else 0
        return QSize(width, round(snippet) + title + 2 * _ABOVE + 2)


def _lay_out(hit: SearchHit, item: QStyleOptionViewItem, width: int, mark: QColor) -> QTextLayout:
    """At most two lines; what has no room ends in "…"."""
    layout = _lay_out_text(hit.snippet, hit, item, width, mark)
    last = layout.lineAt(layout.lineCount() - 1)
    shown = last.textStart() + last.textLength()
    if shown >= _units(hit.snippet):
        return layout
    font = QFont(item.font)
    font.setBold(True)  # as what is marked, which is the widest
    begun = _first_units(hit.snippet, last.textStart())
    rest = QFontMetrics(font).elidedText(hit.snippet[len(begun) :], Qt.TextElideMode.ElideRight, max(20, width))
    return _lay_out_text(begun + rest, hit, item, width, mark)


def _lay_out_text(text: str, hit: SearchHit, item: QStyleOptionViewItem, width: int, mark: QColor) -> QTextLayout:
    layout = QTextLayout(text, item.font)
    option = QTextOption()
    option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
    option.setAlignment(_sides(item))
    layout.setTextOption(option)
    style = QTextCharFormat()
    style.setFontWeight(QFont.Weight.Bold)
    if mark.isValid():
        style.setForeground(mark)
    ranges = []
    for start, end in ((start, min(end, len(text))) for start, end in hit.marks if start < len(text)):
        each = QTextLayout.FormatRange()
        each.start, each.length = _units(text[:start]), _units(text[start:end])
        each.format = style
        ranges.append(each)
    layout.setFormats(ranges)
    layout.beginLayout()
    height = 0.0
    for _number in range(_MOST_LINES):
        line = layout.createLine()
        if not line.isValid():
            break
        line.setLineWidth(max(20, width))
        line.setPosition(QPointF(0, height))
        height += line.height()
    layout.endLayout()
    return layout


def _units(text: str) -> int:
    """Qt counts in UTF-16."""
    return len(text.encode("utf-16-le")) // 2


def _first_units(text: str, units: int) -> str:
    return text.encode("utf-16-le")[: 2 * units].decode("utf-16-le", "ignore")


def _sides(option: QStyleOptionViewItem) -> Qt.AlignmentFlag:
    is_mirrored = option.direction == Qt.LayoutDirection.RightToLeft
    side = Qt.AlignmentFlag.AlignRight if is_mirrored else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignAbsolute
