"""Widgets of the rows that are near the reader: made, filled, measured and thrown away. GUI thread.

rows near the window ──► draw(row) ──► widget with content, theme and width; the row's height is then measured
rows far away        ──► keep_only(near)  the others' widgets go, unless somebody types in them
clicks on buttons    ──► signals with the message's id
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QPushButton, QWidget

from meadow_desktop.chat.text.segments import Code, Prose, whole_code
from meadow_desktop.windows.chat.code_card import CodeCard
from meadow_desktop.windows.chat.fitted_text import FittedText
from meadow_desktop.windows.chat.markdown_text import MarkdownText
from meadow_desktop.windows.chat.message_tools import MessageTools
from meadow_desktop.windows.chat.message_widgets import AnswerEnding, QuestionWidget
from meadow_desktop.windows.chat.question_editor import QuestionEditor
from meadow_desktop.windows.chat.rows import Asked, Content, Editing, Ending, MessageRows, Row
from meadow_desktop.windows.theme import Theme

INDENT_STEP = 8  # pixels for one column of a list item's indentation
_MOST_INDENT = 96

RowWidget = QuestionWidget | QuestionEditor | MarkdownText | CodeCard | AnswerEnding


class RowWidgets(QObject):
    """The widgets there are, by row."""

    repeat_asked = Signal(str)  # a message's id, as in the others
    model_asked = Signal()
    delete_asked = Signal(str)
    switch_asked = Signal(str, int)
    edited = Signal(str, str)  # … and the question in other words
    edit_asked = Signal(object, bool)  # MessageRows: begin, or leave the question as it was
    resized = Signal()  # some row needs another height
    text_made = Signal(object, object)  # Row, and the FittedText that shows its words

    def __init__(self, page: QWidget) -> None:
        super().__init__(page)
        self._page = page
        self._messages: dict[QWidget, MessageRows] = {}
        self._hovered: MessageRows | None = None
        self._widgets: dict[Row, RowWidget] = {}
        self._drawn: dict[Row, tuple[Content, Theme, int]] = {}
        self._marked: dict[Row, tuple[int, int]] = {}

    def widget(self, row: Row) -> RowWidget | None:
        """The row's widget, where it has one."""
        return self._widgets.get(row)

    def is_drawn(self, row: Row, theme: Theme, width: int) -> bool:
        """Nothing is left to do for this row."""
        drawn = self._drawn.get(row)
        return drawn is not None and drawn[0] is row.content and drawn[1:] == (theme, width)

    def draw(self, message: MessageRows, row: Row, theme: Theme, width: int) -> None:
        """Show the row's content at this width, and measure it."""
        widget = self._widgets.get(row)
        if widget is None:
            widget = self._make(message, row)
            self._widgets[row] = widget
            self._messages[widget] = message
            widget.installEventFilter(self)
            self._show_hovered(message, widget)
            if (shown := text_of(widget)) is not None:
                self.text_made.emit(row, shown)
        match row.content, widget:
            case Asked(view, is_last), QuestionWidget():
                widget.show_view(view, has_tools=is_last)
            case Editing(view), QuestionEditor():
                widget.show_view(view)
            case Prose(text), MarkdownText():
                widget.show_markdown(text, theme)
            case Code(language, text, _indent, continues), CodeCard():
                widget.show_code(language, text, theme, continues=continues)
            case Ending(view), AnswerEnding():
                widget.show_view(view, theme)
            case _:
                pass
        row.height = widget.fit(width - indent_of(row.content))
        row.is_measured = True
        self._drawn[row] = (row.content, theme, width)
        if (marked := self._marked.pop(row, None)) is not None:
            self.mark(row, marked)

    def text(self, row: Row) -> FittedText | None:
        """What shows the row's words, where it has a widget."""
        widget = self._widgets.get(row)
        return text_of(widget) if widget is not None else None

    def mark(self, row: Row, reach: tuple[int, int] | None) -> None:
        """Show as selected what lies between two positions, or nothing."""
        text = self.text(row)
        if text is not None and reach != self._marked.get(row):
            text.select(*(reach or (0, 0)))
            if reach is None:
                self._marked.pop(row, None)
            else:
                self._marked[row] = reach

    def keep_only(self, near: set[Row]) -> list[Row]:
        """Throw away the widgets of all other rows, but those in use; answers with the latter's rows."""
        focus = QApplication.focusWidget()
        far = [row for row in self._widgets if row not in near]
        used = [row for row in far if _is_in_use(self._widgets[row], focus)]
        self.drop([row for row in far if row not in used])
        return used

    def drop(self, rows: list[Row]) -> None:
        """These rows are gone for good."""
        for row in rows:
            self._drawn.pop(row, None)
            self._marked.pop(row, None)
            widget = self._widgets.pop(row, None)
            if widget is not None:
                self._messages.pop(widget, None)
                widget.removeEventFilter(self)
                widget.hide()
                widget.deleteLater()

    def message_of(self, widget: QWidget | None) -> MessageRows | None:
        """The message to which this widget, or one around it, belongs."""
        while widget is not None and widget is not self._page:
            if (message := self._messages.get(widget)) is not None:
                return message
            widget = widget.parentWidget()
        return None

    def give_focus(self, message: MessageRows, name: str) -> bool:
        """Give the keyboard to the message's control of this name; False while that is not shown."""
        widgets = [self._widgets.get(row) for row in message.rows]
        shown = [widget for widget in widgets if widget is not None and widget.isVisible()]
        inside = [each for widget in shown for each in (widget, *widget.findChildren(QWidget))]
        control = next((each for each in inside if each.objectName() == name), None)
        if control is not None and not control.isEnabled():  # an arrow that leads nowhere now
            around = control.parentWidget()
            neighbours = around.findChildren(QPushButton) if around is not None else []
            control = next((each for each in neighbours if each.isEnabled() and each.isVisible()), None)
        if control is not None:
            control.setFocus(Qt.FocusReason.OtherFocusReason)
        return control is not None

    def hover(self, message: MessageRows | None) -> None:
        """The pointer is over this message, or over none: only its buttons are seen."""
        if message is not self._hovered:
            self._hovered = message
            for widget, its in self._messages.items():
                self._show_hovered(its, widget)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A message is hovered until the pointer comes to another one, so that nothing flickers between its rows."""
        if event.type() == QEvent.Type.Enter and isinstance(watched, QWidget):
            self.hover(self._messages.get(watched))
        return super().eventFilter(watched, event)

    def _show_hovered(self, message: MessageRows, widget: QWidget) -> None:
        if isinstance(widget, (QuestionWidget, AnswerEnding)):
            widget.tools.set_hovered(message is self._hovered)

    def _make(self, message: MessageRows, row: Row) -> RowWidget:
        match row.content:
            case Asked():
                question = QuestionWidget(self._page)
                question.tools.edit_asked.connect(lambda: self.edit_asked.emit(message, True))
                self._connect_tools(question.tools, message)
                return question
            case Editing():
                editor = QuestionEditor(self._page)
                editor.saved.connect(lambda text: self.edited.emit(message.view.message_id, text))
                editor.cancelled.connect(lambda: self.edit_asked.emit(message, False))
                editor.resized.connect(lambda: self._measure_again(row))
                return editor
            case Prose():
                return MarkdownText(self._page)
            case Code():
                card = CodeCard(self._page)
                card.copy_asked.connect(_copier(lambda: _code_of(message, row)))
                return card
            case Ending():
                ending = AnswerEnding(self._page)
                ending.resized.connect(lambda: self._measure_again(row))
                self._connect_tools(ending.tools, message)
                return ending

    def _connect_tools(self, tools: MessageTools, message: MessageRows) -> None:
        tools.copy_asked.connect(_copier(lambda: message.view.text))
        tools.repeat_asked.connect(lambda: self.repeat_asked.emit(message.view.message_id))
        tools.model_asked.connect(self.model_asked)
        tools.delete_asked.connect(lambda: self.delete_asked.emit(message.view.message_id))
        tools.switch_asked.connect(lambda step: self.switch_asked.emit(message.view.message_id, step))

    def _measure_again(self, row: Row) -> None:
        self._drawn.pop(row, None)
        self.resized.emit()


def indent_of(content: Content) -> int:
    """How far a row is moved in from where a line begins, in pixels."""
    return min(_MOST_INDENT, content.indent * INDENT_STEP) if isinstance(content, (Prose, Code)) else 0


def stops_of(widget: RowWidget) -> list[QWidget]:
    """What the Tab key reaches inside of a row, in order."""
    inner = [each for each in widget.findChildren(QWidget) if each.focusPolicy().value & 1 and each.isEnabled()]
    return [widget, *inner] if isinstance(widget, MarkdownText) else inner


def text_of(widget: RowWidget) -> FittedText | None:
    """What shows a row's words: those that can be selected together with other rows'."""
    match widget:
        case MarkdownText():
            return widget
        case CodeCard() | QuestionWidget():
            return widget.text
        case _:
            return None


def _is_in_use(widget: RowWidget, focus: QWidget | None) -> bool:
    has_focus = focus is not None and (focus is widget or widget.isAncestorOf(focus))
    return has_focus or isinstance(widget, QuestionEditor)


def _code_of(message: MessageRows, row: Row) -> str:
    segments = [each for each in message.rows if isinstance(each.content, (Prose, Code))]
    return whole_code(message.segments, segments.index(row)) if row in segments else ""


def _copier(text: Callable[[], str]) -> Callable[[], None]:
    return lambda: QGuiApplication.clipboard().setText(text())
