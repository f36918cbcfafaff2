"""The pointer and the keys select text across the transcript's rows; the widgets there are show it. GUI thread.

    strokes, Shift+click, Ctrl+A ──► Selection (`selection.py`) ──► marks on the rows near the window
    Ctrl+C, the menu, letting go ──► the clipboards (`copying.py`)

Over a row's text Qt's own press comes first: it finds the letter, the word or the paragraph that a stroke begins with,
follows links and moves the focus. A stroke beyond the window's edge scrolls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QClipboard, QGuiApplication, QMouseEvent
from PySide6.QtWidgets import QScrollArea, QWidget

from meadow_desktop.windows.chat.copying import Copying
from meadow_desktop.windows.chat.fitted_text import FittedText
from meadow_desktop.windows.chat.row_widgets import RowWidgets
from meadow_desktop.windows.chat.rows import Column, Row
from meadow_desktop.windows.chat.selection import Selection, Spot, all_of, pieces_of, stroke

_SCROLL_MS = 30
_MOST_STEP = 60
_STROKE_BEGINS = 3  # pixels: a hand that clicks is not quite still


class Selecting(QObject):
    """What is selected in the transcript, and how that changes."""

    stroke_begun = Signal()  # somebody selects: what is in sight should stay there
    stroke_ended = Signal()

    def __init__(self, area: QScrollArea, page: QWidget, column: Column, widgets: RowWidgets) -> None:
        super().__init__(area)
        self._area, self._page, self._column, self._widgets = area, page, column, widgets
        self._selection: Selection | None = None
        self._shown: Mapping[Row, tuple[int, int]] = {}
        self._origin: tuple[Spot, Spot] | None = None  # of the stroke that is under way
        self._unit = "letters"
        self._pointer = QPoint()
        self._is_stroke = False
        self._copying = Copying(QClipboard.Mode.Clipboard, self)
        self._keeping = Copying(QClipboard.Mode.Selection, self)
        self._scrolling = QTimer(self, interval=_SCROLL_MS)
        self._scrolling.timeout.connect(self._scroll_on)
        widgets.text_made.connect(self._listen)
        page.installEventFilter(self)

    @property
    def selection(self) -> Selection | None:
        """What is selected; None for nothing."""
        return self._selection if self._selection is not None and not self._selection.is_empty else None

    @property
    def is_stroke(self) -> bool:
        """Somebody drags over the text right now."""
        return self._is_stroke

    @property
    def is_copied(self) -> bool:
        """The clipboard has what was last asked for."""
        return self._copying.is_finished

    def show(self, rows: Mapping[Row, tuple[int, int]]) -> None:
        """These rows, in these messages and places, may have widgets now: mark what is selected in them."""
        self._shown = rows
        for row, place in rows.items():
            self._widgets.mark(row, self._selection.covered(*place) if self._selection is not None else None)

    def forget(self, changed: Sequence[int]) -> None:
        """These messages say something else now, or are gone."""
        if self._selection is not None and not self._selection.outlives(changed):
            self._take(None)
            self._end_stroke()

    def select_all(self) -> None:
        """The whole conversation."""
        self._take(all_of(len(self._column.messages)))

    def copy(self) -> None:
        """Put what is selected on the clipboard, as plain text."""
        self._copy_with(self._copying)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Strokes may begin beside the rows, too."""
        if isinstance(event, QMouseEvent) and self._take_mouse(event):
            event.accept()
            return True
        return super().eventFilter(watched, event)

    def _take_mouse(self, event: QMouseEvent) -> bool:
        place, left = event.globalPosition().toPoint(), Qt.MouseButton.LeftButton
        match event.type():
            case QEvent.Type.MouseButtonPress if event.button() == left:
                self._area.setFocus(Qt.FocusReason.MouseFocusReason)
                if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
                    self._extend(place)
                else:
                    spot = self._spot_at(place)
                    self._begin((spot, spot), "letters", place)
            case QEvent.Type.MouseMove if event.buttons() & left and self._origin is not None:
                self._drag(place)
            case QEvent.Type.MouseButtonRelease if event.button() == left and self._origin is not None:
                self._end_stroke()
            case _:
                return False
        return True

    def _listen(self, row: Row, text: FittedText) -> None:
        text.pressed_anew.connect(lambda: self._take(None))
        text.caught.connect(partial(self._catch, row, text))
        text.extended.connect(self._extend)
        text.dragged.connect(self._drag)
        text.let_go.connect(self._end_stroke)
        text.menu_asked.connect(partial(self._open_menu, text))
        text.copy_asked.connect(partial(self._copy_from, text))
        text.all_asked.connect(self.select_all)

    def _catch(self, row: Row, text: FittedText, place: QPoint, unit: str) -> None:
        found = self._column.find(row)
        if found is not None:
            start, stop = text.around(text.textCursor().selectionStart(), unit)
            self._begin((Spot(*found, start), Spot(*found, stop)), unit, place)

    def _begin(self, origin: tuple[Spot, Spot], unit: str, place: QPoint) -> None:
        self._origin, self._unit, self._pointer, self._is_stroke = origin, unit, place, False
        self._take(Selection(*origin))

    def _extend(self, place: QPoint) -> None:
        anchor = self._selection.anchor if self._selection is not None else self._spot_at(place)
        self._begin((anchor, anchor), "letters", place)
        self._reach()

    def _drag(self, place: QPoint) -> None:
        if self._origin is None:
            return
        if not self._is_stroke:
            if (place - self._pointer).manhattanLength() < _STROKE_BEGINS:
                return
            self._is_stroke = True
            self.stroke_begun.emit()
        self._pointer = place
        self._reach()
        if self._beyond() != (0, 0) and not self._scrolling.isActive():
            self._scrolling.start()

    def _reach(self) -> None:
        if self._origin is None:
            return
        spot = self._spot_at(self._pointer)
        text = self._text_at(spot)
        start, stop = text.around(spot.position, self._unit) if text is not None else (spot.position, spot.position)
        self._take(stroke(self._origin, (spot._replace(position=start), spot._replace(position=stop))))

    def _end_stroke(self) -> None:
        self._scrolling.stop()
        was_stroke, self._is_stroke, self._origin = self._is_stroke, False, None
        if self.selection is not None and QGuiApplication.clipboard().supportsSelection():
            self._copy_with(self._keeping)
        if was_stroke:
            self.stroke_ended.emit()

    def _scroll_on(self) -> None:
        across, down = self._beyond()
        if self._origin is None or (across, down) == (0, 0):
            self._scrolling.stop()
            return
        bar = self._area.verticalScrollBar()
        bar.setValue(bar.value() + down)
        text = self._text_at(self._spot_at(self._pointer))
        if text is not None and across:
            text.horizontalScrollBar().setValue(text.horizontalScrollBar().value() + across)
        self._reach()

    def _beyond(self) -> tuple[int, int]:
        """How fast to scroll, across and down: the further the pointer is away, the faster."""
        window = self._area.viewport()
        text = self._text_at(self._spot_at(self._pointer))
        across = _beyond(text.viewport().mapFromGlobal(self._pointer).x(), text.viewport().width()) if text else 0
        return across, _beyond(window.mapFromGlobal(self._pointer).y(), window.height())

    def _spot_at(self, place: QPoint) -> Spot:
        """The spot that is nearest to a place on the screen."""
        found = self._column.place_at(self._page.mapFromGlobal(place).y())
        spot = Spot(found.message, found.row, 0)
        text = self._text_at(spot)
        return spot if text is None else spot._replace(position=text.position_at(place))

    def _text_at(self, spot: Spot) -> FittedText | None:
        rows = self._column.messages[spot.message].rows if spot.message < len(self._column.messages) else []
        return self._widgets.text(rows[spot.row]) if spot.row < len(rows) else None

    def _take(self, selection: Selection | None) -> None:
        if selection != self._selection:
            self._selection = selection
            self.show(self._shown)

    def _copy_from(self, text: FittedText) -> None:
        if self.selection is None:
            text.copy()  # a link that the Tab key came to
        else:
            self.copy()

    def _copy_with(self, copying: Copying) -> None:
        selection = self.selection
        if selection is not None:
            messages = [message.contents() for message in self._column.messages]
            copying.copy(pieces_of(selection, messages))

    def _open_menu(self, text: FittedText, place: QPoint) -> None:
        """Qt's menu, with its words; what it says of a selection holds for that of all rows."""
        menu = text.createStandardContextMenu(text.viewport().mapFromGlobal(place))
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        actions = {action.objectName(): action for action in menu.actions()}
        for name, act in (("edit-copy", partial(self._copy_from, text)), ("select-all", self.select_all)):
            if (action := actions.get(name)) is not None:
                action.triggered.disconnect()
                action.triggered.connect(act)
        if (copy := actions.get("edit-copy")) is not None:
            copy.setEnabled(self.selection is not None or text.textCursor().hasSelection())
        menu.popup(place)


def _beyond(here: int, length: int) -> int:
    outside = min(0, here) + max(0, here - length)
    return max(-_MOST_STEP, min(_MOST_STEP, outside))
