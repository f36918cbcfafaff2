"""The chat's keys: what the page listens to, and what its list of keys shows. Values."""

from __future__ import annotations

from typing import Literal, NamedTuple

from meadow_desktop.language import marked

Action = Literal[
    "new", "search", "rename", "stop", "edit-last", "ask-again", "copy-last", "choose-model", "settings", "delete"
]


class Shortcut(NamedTuple):
    """`keys` as Qt writes them; `words` are translated where they are shown."""

    keys: str
    words: str
    action: Action | None = None


SHORTCUTS = (
    Shortcut("Ctrl+N", marked("New conversation"), "new"),
    Shortcut("Ctrl+F", marked("Search in all conversations"), "search"),
    Shortcut("F2", marked("Rename the conversation"), "rename"),
    Shortcut("Esc", marked("Stop the answer; close what is open beside it"), "stop"),
    Shortcut("Ctrl+E", marked("Edit the last question"), "edit-last"),
    Shortcut("Ctrl+R", marked("Have the last answer written again"), "ask-again"),
    Shortcut("Ctrl+Shift+C", marked("Copy the last answer"), "copy-last"),
    Shortcut("Ctrl+M", marked("Choose the model"), "choose-model"),
    Shortcut("Ctrl+Shift+S", marked("Settings of the conversation"), "settings"),
    Shortcut("Ctrl+Shift+Backspace", marked("Delete the conversation"), "delete"),
    # What follows is handled by whatever has the focus.
    Shortcut("Alt+Left", marked("The version before, of the message with the focus")),
    Shortcut("Alt+Right", marked("The version after it")),
    Shortcut("Ctrl+Z", marked("Bring back what was deleted last")),
    Shortcut("Return", marked("Send the question")),
    Shortcut("Shift+Return", marked("Begin a new line")),
)
