"""Windows as those have them who see nothing of them, or have no mouse: names, what is read, and where Tab leads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QAccessibleInterface
from PySide6.QtWidgets import QAbstractButton, QLabel, QLineEdit, QScrollArea, QWidget

from fakes.desktop_qt import settle


@dataclass(frozen=True)
class Read:
    """One thing as it is read out: `value` is its text, or how far it has come."""

    role: QAccessible.Role
    name: str
    description: str
    value: str

    @property
    def words(self) -> str:
        """Everything that is said of it."""
        return "\n".join(each for each in (self.name, self.value, self.description) if each)


def read(window: QWidget) -> list[Read]:
    """All that is shown in a window, in the order in which a screen reader goes through it."""
    return list(_read(QAccessible.queryAccessibleInterface(window)))


def _read(interface: QAccessibleInterface) -> Iterator[Read]:
    if interface.state().invisible:
        return
    text = interface.text
    yield Read(
        interface.role(),
        text(QAccessible.Text.Name),
        text(QAccessible.Text.Description),
        text(QAccessible.Text.Value),
    )
    for place in range(interface.childCount()):
        child = interface.child(place)
        if child is not None:
            yield from _read(child)


def controls(window: QWidget) -> list[QWidget]:
    """What somebody can work with in a window: it is seen, it is switched on, and it takes the keyboard."""
    return [widget for widget in window.findChildren(QWidget) if widget.isVisible() and _is_control(widget)]


def without_name(window: QWidget) -> list[str]:
    """The controls of which a screen reader would not say what they are."""
    found = []
    for widget in controls(window):
        interface = QAccessible.queryAccessibleInterface(widget)
        if interface is None or not interface.text(QAccessible.Text.Name).strip():
            found.append(_describe(widget))
    return found


def beyond_tab(window: QWidget) -> list[str]:
    """The controls to which Tab does not lead: in Qt's chain of them, and willing to take the keyboard from it."""
    chain: list[QWidget] = []
    widget = window.nextInFocusChain()
    while widget is not None and widget is not window and widget not in chain:
        chain.append(widget)
        widget = widget.nextInFocusChain()
    reached = {widget for widget in chain if widget.focusPolicy() & Qt.FocusPolicy.TabFocus}
    lost = [each for each in controls(window) if not reached.intersection(_reached_together(each))]
    # The button inside a field is for the pointer: with the keyboard the field itself is emptied.
    return [_describe(each) for each in lost if not isinstance(each.parentWidget(), QLineEdit)]


def let_it_fill(window: QWidget) -> None:
    """Pages ask the engine when they are shown; wait until as many controls are there as before."""
    seen = -1
    while seen != len(controls(window)):
        seen = len(controls(window))
        for _round in range(20):
            settle()


def _is_control(widget: QWidget) -> bool:
    # The fields inside spin boxes and combo boxes belong to them.
    if widget.focusProxy() is not None or not widget.isEnabled() or widget.objectName().startswith("qt_"):
        return False
    # What scrolls around others passes the keyboard on; words can be selected with the pointer without being a control.
    if isinstance(widget, QScrollArea | QLabel):
        return False
    return widget.focusPolicy() != Qt.FocusPolicy.NoFocus or isinstance(widget, QAbstractButton)


def _reached_together(widget: QWidget) -> list[QWidget]:
    """Of buttons that exclude one another Tab leads to one, and the arrow keys to the others."""
    group = widget.group() if isinstance(widget, QAbstractButton) else None
    return [*group.buttons()] if group is not None and group.exclusive() else [widget]


def _describe(widget: QWidget) -> str:
    parents: list[str] = []
    at: QWidget | None = widget
    while at is not None and len(parents) < 4:
        parents.append(at.objectName() or type(at).__name__)
        at = at.parentWidget()
    return f"{type(widget).__name__} {' < '.join(parents)}"
