"""The small windows behind "New…" and "Join…": a field or two, and what the engine says about them. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from meadow_desktop.engine_words import told
from meadow_desktop.language import _
from meadow_desktop.swarm.joining import LONGEST_INVITATION, LONGEST_NAME, looks_like_invitation
from meadow_desktop.swarm.membership_desk import MembershipDesk
from meadow_desktop.swarm.membership_view import explain_refusal, fault_of_name
from meadow_desktop.windows.column_page import muted_label
from meadow_engine.api.errors import Problem


class _MembershipDialog(QDialog):
    """Closes by itself once the engine did it; says beside the fields why it did not."""

    def __init__(self, desk: MembershipDesk, title: str, explanation: str, words: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setMinimumWidth(440)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._desk = desk
        self._words = words
        self._fields: list[QLineEdit] = []
        self._fault = QLabel()
        self._fault.setObjectName("trouble")
        self._fault.setWordWrap(True)
        self._fault.setTextFormat(Qt.TextFormat.PlainText)
        self._fault.hide()
        self._cancel = QPushButton(_("Cancel"))
        self._cancel.setObjectName("membership-cancel")
        self._cancel.setAutoDefault(False)
        self._do = QPushButton(words)
        self._do.setObjectName("membership-do")
        self._do.setProperty("kind", "primary")
        self._do.setDefault(True)
        self.lines = QVBoxLayout()
        self.lines.setSpacing(6)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self._cancel)
        buttons.addWidget(self._do)
        column = self._column = QVBoxLayout(self)
        column.setContentsMargins(22, 20, 22, 18)
        column.setSpacing(14)
        heading = QLabel(title)
        heading.setProperty("kind", "card-title")
        column.addWidget(heading)
        column.addWidget(muted_label(explanation))
        column.addLayout(self.lines)
        column.addWidget(self._fault)
        column.addStretch(1)
        column.addLayout(buttons)
        self._cancel.clicked.connect(self.reject)
        self._do.clicked.connect(self._ask)
        desk.changed.connect(self._draw)
        desk.succeeded.connect(self.accept)
        desk.refused.connect(self._show_refusal)

    def add_field(self, title: str, name: str, hint: str, longest: int) -> QLineEdit:
        """One more field, with its title above it."""
        label = QLabel(title)
        field = QLineEdit()
        field.setObjectName(name)
        field.setAccessibleName(title)
        field.setPlaceholderText(hint)
        field.setMaxLength(longest)
        label.setBuddy(field)
        if self._fields:
            self.lines.addSpacing(6)
        self.lines.addWidget(label)
        self.lines.addWidget(field)
        field.textChanged.connect(self._take_text)
        if self._fields:
            self.setTabOrder(self._fields[-1], field)
        else:
            field.setFocus()
        self.setTabOrder(field, self._cancel)
        self._fields.append(field)
        return field

    def ask(self) -> None:
        """Give what is written to the engine."""
        raise NotImplementedError

    def fault(self) -> str:
        """What cannot be meant in the fields; empty when there is nothing to say."""
        raise NotImplementedError

    def is_filled(self) -> bool:
        """Whether enough is written to ask."""
        return not self.fault()

    def _ask(self) -> None:
        self._show_fault("")
        self.ask()

    def _take_text(self) -> None:
        self._show_fault(self.fault())
        self._draw()

    def _show_refusal(self, problem: Problem) -> None:
        self._show_fault(explain_refusal(problem))
        self._fault.setToolTip(told(problem.message))  # with the address, for whoever can use it
        self._fields[0].setFocus()

    def _show_fault(self, words: str) -> None:
        self._fault.setText(words)
        self._fault.setToolTip("")
        self._fault.setVisible(bool(words))
        needed = self._column.totalHeightForWidth(self.width())  # for words that wrap no window grows by itself
        if needed > self.height():
            self.resize(self.width(), needed)

    def _draw(self) -> None:
        is_busy = self._desk.is_busy
        self._do.setText(_("One moment…") if is_busy else self._words)
        self._do.setEnabled(self.is_filled() and not is_busy)
        for field in self._fields:
            field.setReadOnly(is_busy)


class NewSwarmDialog(_MembershipDialog):
    """Begin a swarm."""

    def __init__(self, desk: MembershipDesk, parent: QWidget) -> None:
        explanation = _(
            "This computer becomes the first of a swarm of its own. Give its invitation to the people who shall join."
        )
        super().__init__(desk, _("New swarm"), explanation, _("Begin"), parent)
        self.setObjectName("new-swarm")
        self._name = self.add_field(_("Name"), "new-swarm-name", _("Such as “Lab 3”"), LONGEST_NAME)
        self._draw()

    def ask(self) -> None:
        """Ask for it."""
        self._desk.begin(self._name.text())

    def fault(self) -> str:
        """A name that the engine would not take."""
        return fault_of_name(self._name.text())


class JoinSwarmDialog(_MembershipDialog):
    """Join a swarm of others."""

    def __init__(self, desk: MembershipDesk, parent: QWidget) -> None:
        explanation = _("Paste the invitation that somebody in the swarm gave to you.")
        super().__init__(desk, _("Join a swarm"), explanation, _("Join"), parent)
        self.setObjectName("join-swarm")
        self._invitation = self.add_field(_("Invitation"), "join-invitation", "meadow://…", LONGEST_INVITATION)
        self._name = self.add_field(
            _("Name of your own for it"), "join-name", _("Empty: Meadow finds one"), LONGEST_NAME
        )
        self._draw()

    def ask(self) -> None:
        """Ask for it."""
        self._desk.join(self._invitation.text(), self._name.text())

    def fault(self) -> str:
        """Something other than an invitation, or a name that the engine would not take."""
        invitation = self._invitation.text().strip()
        if invitation and not looks_like_invitation(invitation):
            return _("This is no invitation: one begins with meadow://")
        return fault_of_name(self._name.text())

    def is_filled(self) -> bool:
        """Without an invitation there is nothing to join."""
        return bool(self._invitation.text().strip()) and not self.fault()
