"""The quiet buttons of a message: which version is shown, edit, copy, write again, delete. GUI thread.

They are there for the keyboard and for screen readers at all times. They are painted while the pointer is over their
message or the focus is among them; those of the last answer, and those that say something, are painted always.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QFocusEvent, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from meadow_desktop.chat.words.view import AnswerView, BranchView, QuestionView
from meadow_desktop.language import _
from meadow_desktop.windows.chat.flow_layout import FlowLayout

_COPIED_MS = 1500

Repeat = Literal["", "regenerate", "try-again"]


@dataclass(frozen=True)
class ToolsView:
    """Which of the buttons there are. `stays`: they are painted whoever points where."""

    branch: BranchView | None = None
    can_edit: bool = False
    can_copy: bool = False
    can_delete: bool = False
    repeat: Repeat = ""
    needs_model: bool = False
    stays: bool = False


def tools_of(view: QuestionView | AnswerView) -> ToolsView:
    """The buttons that this message has now."""
    can_change = view.can_change and bool(view.message_id)
    if isinstance(view, QuestionView):
        return ToolsView(view.branch, can_edit=can_change, can_copy=True, can_delete=can_change)
    repeat = view.repeat if can_change else ""
    return ToolsView(
        view.branch,
        can_copy=view.can_copy,
        can_delete=can_change,
        repeat=repeat,
        needs_model=view.needs_model and can_change,
        stays=view.is_last,
    )


class MessageTools(QWidget):
    """The buttons of one message; `whose` is a part of their names."""

    edit_asked = Signal()
    copy_asked = Signal()
    repeat_asked = Signal()
    model_asked = Signal()
    delete_asked = Signal()
    switch_asked = Signal(int)  # -1 is the version before

    def __init__(self, whose: Literal["question", "answer"], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._whose = whose
        self._view = ToolsView()
        self._is_hovered = False
        self._before = self._button("‹", "version-before", _("Version before"))
        self._after = self._button("›", "version-after", _("Version after"))
        self._before.clicked.connect(lambda: self.switch_asked.emit(-1))
        self._after.clicked.connect(lambda: self.switch_asked.emit(1))
        self._place = QLabel()
        self._place.setObjectName("version")
        self._place.setProperty("kind", "muted")
        self._versions = QWidget()
        versions = QHBoxLayout(self._versions)
        versions.setContentsMargins(0, 0, 0, 0)
        versions.setSpacing(0)
        for part in (self._before, self._place, self._after):
            versions.addWidget(part)
        is_question = whose == "question"
        self._edit = self._button(_("Edit"), "edit", _("Edit this question"))
        self._copy = self._button(_("Copy"), "copy", _("Copy this question") if is_question else _("Copy the answer"))
        self._repeat = self._button(_("Regenerate"), "regenerate", _("Write another answer beside this one"))
        self._model = QPushButton(_("Choose another model"))
        self._model.setObjectName("choose-model")
        self._model.setCursor(Qt.CursorShape.PointingHandCursor)
        self._delete = self._button(_("Delete"), "delete", _("Delete this message and what follows it"))
        self._edit.clicked.connect(self.edit_asked)
        self._copy.clicked.connect(self._ask_copy)
        self._repeat.clicked.connect(self.repeat_asked)
        self._model.clicked.connect(self.model_asked)
        self._delete.clicked.connect(self.delete_asked)
        flow = FlowLayout(self, gap=2, line_gap=0)
        if is_question:
            flow.setAlignment(Qt.AlignmentFlag.AlignTrailing)
        for each in (self._edit, self._copy, self._model, self._repeat, self._delete, self._versions):
            flow.addWidget(each)
        self.show_view(ToolsView())

    def show_view(self, view: ToolsView) -> None:
        """Show these buttons."""
        self._view = view
        branch = view.branch
        self._versions.setVisible(branch is not None)
        if branch is not None:
            self._place.setText(branch.text)
            self._place.setAccessibleName(branch.spoken)
            self._before.setEnabled(branch.place > 1)
            self._after.setEnabled(branch.place < branch.count)
            for button, words in ((self._before, _("Version before")), (self._after, _("Version after"))):
                button.setAccessibleDescription(branch.spoken)
                button.setToolTip(words)
        self._edit.setVisible(view.can_edit)
        self._copy.setVisible(view.can_copy)
        self._delete.setVisible(view.can_delete)
        self._model.setVisible(view.needs_model)
        self._repeat.setVisible(bool(view.repeat))
        again = view.repeat == "try-again"
        if again != (self._repeat.objectName() == "try-again"):
            self._repeat.setText(_("Try again") if again else _("Regenerate"))
            self._repeat.setAccessibleName(self._repeat.text() if again else _("Write another answer beside this one"))
            self._repeat.setObjectName("try-again" if again else "regenerate")
            self._repeat.setProperty("kind", "" if again else "quiet")
            self._repeat.style().unpolish(self._repeat)
            self._repeat.style().polish(self._repeat)
        self._begin_with_words()
        self.repaint_buttons()

    def _begin_with_words(self) -> None:
        """Below an answer, the first word of a button stands where the words above it begin."""
        if self._whose == "question":
            return
        in_order = (self._copy, self._model, self._repeat, self._delete, self._before)
        first = next((each for each in in_order if each is self._before or not each.isHidden()), None)
        for button in in_order:
            begins = button is first
            if bool(button.property("begins")) != begins:
                button.setProperty("begins", begins)
                button.style().unpolish(button)
                button.style().polish(button)

    @property
    def is_empty(self) -> bool:
        """There is no button at all."""
        view = self._view
        return not (view.branch or view.can_edit or view.can_copy or view.can_delete or view.repeat)

    @property
    def is_revealed(self) -> bool:
        """The buttons are painted."""
        return self._view.stays or self._is_hovered or any(button.hasFocus() for button in self._quiet)

    def set_hovered(self, is_hovered: bool) -> None:
        """The pointer is over the message, or it went away."""
        if is_hovered != self._is_hovered:
            self._is_hovered = is_hovered
            self.repaint_buttons()

    def repaint_buttons(self) -> None:
        """Whether they are seen may have changed."""
        for button in self._quiet:
            button.update()

    def shows(self, button: QPushButton) -> bool:
        """This button is painted now."""
        return self.is_revealed or button in {self._before, self._after} or button.objectName() == "try-again"

    @property
    def _quiet(self) -> list[QPushButton]:
        return [self._before, self._after, self._edit, self._copy, self._repeat, self._delete]

    def _button(self, text: str, name: str, spoken: str) -> QPushButton:
        button = _QuietButton(text, self)
        button.setObjectName(name if name == "regenerate" else f"{name}-{self._whose}")
        button.setAccessibleName(spoken)
        if name == "delete":
            button.setToolTip(spoken)
        return button

    def _ask_copy(self) -> None:
        self.copy_asked.emit()
        self._copy.setText(_("Copied"))
        QTimer.singleShot(_COPIED_MS, self._copy, lambda: self._copy.setText(_("Copy")))


class _QuietButton(QPushButton):
    """A button that is painted only while its tools want that."""

    def __init__(self, text: str, tools: MessageTools) -> None:
        super().__init__(text, tools)
        self._tools = tools
        self.setProperty("kind", "quiet")
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Nothing, or the button."""
        if self._tools.shows(self):
            super().paintEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """All of them are seen."""
        super().focusInEvent(event)
        self._tools.repaint_buttons()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """And vanish again."""
        super().focusOutEvent(event)
        self._tools.repaint_buttons()
