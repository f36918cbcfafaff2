"""The messages of the open conversation in one readable column, scrolled to the end while the reader is there.

Only rows near the window have widgets (`row_widgets.py`); the others are heights in a column (`rows.py`), guessed at
first. Widgets are made in slices of a few milliseconds, those in sight before those around them, so that neither a long
conversation nor a long answer holds the window up. When a height above the reader turns out to be different, the column
moves and what the reader looks at stays where it is. GUI thread.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QFontMetricsF, QKeyEvent, QKeySequence, QResizeEvent, QShortcut, QShowEvent
from PySide6.QtWidgets import QApplication, QFrame, QScrollArea, QWidget

from meadow_desktop.chat.words.view import MessageView
from meadow_desktop.language import _
from meadow_desktop.windows.chat.row_widgets import RowWidgets, indent_of, stops_of
from meadow_desktop.windows.chat.rows import MESSAGE_GAP, Column, Letters, MessageRows, Place, Row
from meadow_desktop.windows.chat.selecting import Selecting
from meadow_desktop.windows.chat.throttle import Throttle
from meadow_desktop.windows.chat.welcome import Welcome
from meadow_desktop.windows.theme import LIGHT, Theme

__all__ = ["COLUMN_WIDTH", "Throttle", "Transcript"]

COLUMN_WIDTH = 760
_SIDE = 28
_NEAR_THE_END = 40
_SLICE_S = 0.008
_FRAME_S = 0.016
_AHEAD = 1.0  # windows above and below the one in sight that have widgets
_KEPT = 2.5  # … and where they keep them
_ROUNDS = 12
_STEPS = {"Alt+Left": -1, "Alt+Right": 1}


class Transcript(QScrollArea):
    """Shows message views; reuses the rows and widgets of those that stay."""

    repeat_asked = Signal(str)  # a message's id, as in the others
    model_asked = Signal()
    delete_asked = Signal(str)
    switch_asked = Signal(str, int)
    edited = Signal(str, str)  # … and the question in other words
    undo_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("transcript")
        self.setAccessibleName(_("Conversation"))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self._page = QWidget()
        self._page.setObjectName("transcript-page")
        self._welcome = Welcome(self._page)
        self._widgets = RowWidgets(self._page)
        self._widgets.repeat_asked.connect(self.repeat_asked)
        self._widgets.model_asked.connect(self.model_asked)
        self._widgets.delete_asked.connect(self.delete_asked)
        self._widgets.switch_asked.connect(self._ask_to_switch)
        self._widgets.edit_asked.connect(self._edit)
        self._widgets.edited.connect(self._take_edited)
        self._widgets.resized.connect(self._arrange)
        self._column = Column()
        self._selecting = Selecting(self, self._page, self._column, self._widgets)
        self._selecting.stroke_begun.connect(self._hold_place)
        self._selecting.stroke_ended.connect(lambda: self._note_place(self.verticalScrollBar().value()))
        self._theme = LIGHT
        self._is_at_end = True
        self._place = Place(0, 0, 0)
        self._is_arranging = False
        self._arranged_at = 0.0
        self._placed: list[Row] = []
        self._wanted_focus: tuple[int, str] | None = None  # a message's place, and a control's name
        self._slices = QTimer(self, singleShot=True)
        self._slices.timeout.connect(self._arrange)
        self.setWidget(self._page)
        self.verticalScrollBar().setSingleStep(24)
        self.verticalScrollBar().valueChanged.connect(self._note_place)
        for keys, step in _STEPS.items():
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(lambda step=step: self._switch_focused(step))

    def show_messages(self, views: Sequence[MessageView], theme: Theme) -> None:
        """Draw these messages; None at all shows what this window is for."""
        self._theme = theme
        self._welcome.setVisible(not views)
        self._is_arranging = True
        try:
            self._take(views)
        finally:
            self._is_arranging = False
        self._arrange()

    def _take(self, views: Sequence[MessageView]) -> None:
        messages, width = self._column.messages, self._column_width()
        letters = self._letters()
        shared = zip(messages, views, strict=False)
        others = [place for place, (message, view) in enumerate(shared) if _is_another(message.view, view)]
        self._selecting.forget([*others, *range(len(views), len(messages))])
        for place, view in enumerate(views):
            if place == len(messages):
                messages.append(MessageRows(view, letters, width))
            elif type(messages[place].view) is not type(view):
                self._widgets.drop(messages[place].rows)
                messages[place] = MessageRows(view, letters, width)
            else:
                self._widgets.drop(messages[place].show(view, width))
        for message in messages[len(views) :]:
            self._widgets.drop(message.rows)
        del messages[len(views) :]

    def go_to_end(self) -> None:
        """Follow what is written from now on."""
        self._is_at_end = True
        self._arrange()

    def go_to_message(self, message_id: str) -> None:
        """Let this message begin at the window's upper edge, or as near to it as there is room."""
        place = self._find(message_id)
        if place is not None:
            self._is_at_end = False
            self._place = Place(place, 0, MESSAGE_GAP)
            self._arrange()

    def edit_question(self, message_id: str) -> None:
        """Put an editor in this question's place."""
        place = self._find(message_id)
        if place is not None:
            self.go_to_message(message_id)
            self._edit(self._column.messages[place], is_edited=True)

    @property
    def is_finished(self) -> bool:
        """Everything near the window is drawn."""
        return not self._slices.isActive()

    @property
    def is_copied(self) -> bool:
        """What was selected and copied is on the clipboard."""
        return self._selecting.is_copied

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The column follows the window's width."""
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            for message in self._column.messages:
                message.guess(self._column_width())
        self._arrange()

    def showEvent(self, event: QShowEvent) -> None:
        """Nothing is drawn before the window is seen."""
        super().showEvent(event)
        self._arrange()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Ctrl+Z brings back what was deleted; Ctrl+A and Ctrl+C mean the whole conversation's text."""
        if event.matches(QKeySequence.StandardKey.Undo):
            self.undo_asked.emit()
        elif event.matches(QKeySequence.StandardKey.SelectAll):
            self._selecting.select_all()
        elif event.matches(QKeySequence.StandardKey.Copy):
            self._selecting.copy()
        else:
            super().keyPressEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """No message is pointed at any more."""
        super().leaveEvent(event)
        self._widgets.hover(None)

    def focusNextPrevChild(self, forwards: bool) -> bool:
        """Whoever goes on with Tab sees where they are; a row that goes away while it is used moves nothing."""
        if self._is_arranging:
            self.setFocus()
            return True
        return super().focusNextPrevChild(forwards)

    def changeEvent(self, event: QEvent) -> None:
        """Letters of another size: everything is made and measured anew."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange and self.widget() is not None:
            for message in self._column.messages:
                self._widgets.drop(message.rows)
                message.forget_heights(self._letters(), self._column_width())
            self._slices.start(0)

    def _find(self, message_id: str) -> int | None:
        places = (place for place, each in enumerate(self._column.messages) if each.view.message_id == message_id)
        return next(places, None) if message_id else None

    def _switch_focused(self, step: int) -> None:
        message = self._widgets.message_of(QApplication.focusWidget())
        if message is not None:
            is_mirrored = self.layoutDirection() == Qt.LayoutDirection.RightToLeft
            self._ask_to_switch(message.view.message_id, -step if is_mirrored else step)

    def _ask_to_switch(self, message_id: str, step: int) -> None:
        place, focus = self._find(message_id), QApplication.focusWidget()
        if place is not None and focus is not None and self.isAncestorOf(focus):
            self._wanted_focus = (place, focus.objectName())
            self._hold_place()
        self.switch_asked.emit(message_id, step)

    def _hold_place(self) -> None:
        """Follow the end no more: what is in sight stays there."""
        self._place, self._is_at_end = self._column.place_at(self._window_top()), False

    def _edit(self, message: MessageRows, is_edited: bool) -> None:
        if message in self._column.messages:
            place = self._column.messages.index(message)
            self._hold_place()
            self._selecting.forget([place])
            if is_edited and place <= self._place.message:
                self._place = Place(place, 0, MESSAGE_GAP)  # it begins above the window, or at its edge
            self._wanted_focus = None if is_edited else (place, "edit-question")
            self._is_arranging = True
            try:
                self._widgets.drop(message.edit(self._column_width(), is_edited=is_edited))
            finally:
                self._is_arranging = False
            self._arrange()

    def _take_edited(self, message_id: str, text: str) -> None:
        place = self._find(message_id)
        if place is not None:
            self._edit(self._column.messages[place], is_edited=False)
            self.edited.emit(message_id, text)

    def _bring_focus_back(self, *, is_complete: bool) -> None:
        """The message in this place is another version now: its buttons take the focus of the old one's.

        Those that are not there when all is drawn lie far from the window, and do without.
        """
        if self._wanted_focus is None or self._wanted_focus[0] >= len(self._column.messages):
            return
        place, name = self._wanted_focus
        if self._widgets.give_focus(self._column.messages[place], name) or is_complete:
            self._wanted_focus = None

    def _arrange(self) -> None:
        """Give rows near the window widgets for a while, put them where they belong, and come back if some are left."""
        if self._is_arranging or not self.isVisible():
            return
        self._is_arranging = True
        self._slices.stop()
        deadline = time.perf_counter() + _SLICE_S
        window = self.viewport().height()
        try:
            is_complete = self._draw_between(0, window, deadline)
            if is_complete:
                ahead = round(window * _AHEAD)
                is_complete = self._draw_between(-ahead, window + ahead, deadline)
            self._put_in_place()
        finally:
            self._is_arranging = False
        self._arranged_at = time.perf_counter()
        self._bring_focus_back(is_complete=is_complete)
        if not is_complete:
            self._slices.start(0)

    def _draw_between(self, above: int, below: int, deadline: float) -> bool:
        """Draw the rows from `above` to `below` the window's upper edge. False when there was no time for all."""
        column, width = self._column, self._column_width()
        for _round in range(_ROUNDS):
            column.measure()
            top = self._window_top()
            for closed in column.closed_between(top + above, top + below):
                column.messages[closed].open(width)
                if closed == self._place.message and not self._is_at_end:
                    column.measure()
                    self._place = column.place_at(top)
                if time.perf_counter() > deadline:
                    column.measure()
                    return False
            column.measure()
            top = self._window_top()
            todo = [
                (column.messages[message], row)
                for message, place, _top in column.rows_between(top + above, top + below)
                if not self._widgets.is_drawn(row := column.messages[message].rows[place], self._theme, width)
            ]
            if not todo:
                return True
            if self._is_at_end:
                todo.reverse()
            for message_rows, row in todo:
                self._widgets.draw(message_rows, row, self._theme, width)
                if time.perf_counter() > deadline:
                    column.measure()
                    return False
        return False

    def _put_in_place(self) -> None:
        column, window = self._column, self.viewport().height()
        top = self._window_top()
        self._page.resize(self.viewport().width(), max(window, column.height if column.messages else 0))
        bar = self.verticalScrollBar()
        bar.setRange(0, max(0, self._page.height() - window))
        bar.setEnabled(bar.maximum() > 0)
        bar.setPageStep(window)
        bar.setValue(top)
        if not column.messages:
            self._welcome.setGeometry(self._page.rect())
        kept = round(window * _KEPT)
        tops: dict[Row, int] = {}
        places: dict[Row, tuple[int, int]] = {}
        for message, place, row_top in column.rows_between(top - kept, top + window + kept):
            row = column.messages[message].rows[place]
            tops[row], places[row] = row_top, (message, place)
        for row in self._widgets.keep_only(set(tops)):
            if found := column.find(row):
                tops[row], places[row] = column.top_of(*found), found
        self._selecting.show(places)
        shown = sorted((row for row in tops if self._widgets.widget(row) is not None), key=lambda row: tops[row])
        for row in shown:
            self._put_row(row, tops[row])
        if shown != self._placed:
            self._placed = shown
            self._chain_stops()

    def _put_row(self, row: Row, top: int) -> None:
        widget = self._widgets.widget(row)
        if widget is None:
            return
        indent = indent_of(row.content)
        left = self._column_left() + (0 if self.layoutDirection() == Qt.LayoutDirection.RightToLeft else indent)
        widget.setGeometry(left, top, self._column_width() - indent, row.height)
        if widget.isHidden():
            widget.show()

    def _chain_stops(self) -> None:
        """Tab and screen readers go through the rows from above to below, in whatever order they were made."""
        before: QWidget = self
        above: QWidget | None = None
        for row in reversed(self._placed):
            widget = self._widgets.widget(row)
            if widget is not None and above is not None:
                widget.stackUnder(above)  # they are read in the order in which they lie over one another
            above = widget or above
        for row in self._placed:
            widget = self._widgets.widget(row)
            for stop in stops_of(widget) if widget is not None else ():
                QWidget.setTabOrder(before, stop)
                before = stop

    def _window_top(self) -> int:
        most = max(0, self._column.height - self.viewport().height())
        return most if self._is_at_end else max(0, min(most, self._column.height_of(self._place)))

    def _note_place(self, value: int) -> None:
        if self._is_arranging:
            return
        is_near = value >= self.verticalScrollBar().maximum() - _NEAR_THE_END
        self._is_at_end = is_near and not self._selecting.is_stroke
        self._place = self._column.place_at(value)
        if time.perf_counter() - self._arranged_at < _FRAME_S:
            self._slices.start(0)  # a wheel that is turned fast comes in many steps; they share one arrangement
        else:
            self._arrange()

    def _column_width(self) -> int:
        return max(120, min(COLUMN_WIDTH, self.viewport().width() - 2 * _SIDE))

    def _column_left(self) -> int:
        return (self.viewport().width() - self._column_width()) // 2

    def _letters(self) -> Letters:
        metrics = QFontMetricsF(self.font())
        return Letters(max(4.0, metrics.averageCharWidth()), max(10.0, metrics.lineSpacing() * 1.3))


def _is_another(before: MessageView, now: MessageView) -> bool:
    """The message in this place is not the same any more, nor the same with more words."""
    if now is before:
        return False
    is_other = type(now) is not type(before) or now.message_id != before.message_id
    return is_other or not now.text.startswith(before.text)
