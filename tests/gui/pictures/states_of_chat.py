"""Pictures of the chat in its other states: long and branched conversations, search, menus, and what went wrong.

The conversations are `kept_conversations.py`'s, but for the one with long names: a real answer of two computers that
are called so. The answer that fails has waited in vain for layers that nobody holds.
"""

from __future__ import annotations

import time

from gui.pictures.conversations import ANSWER_S
from gui.pictures.kept_conversations import BRANCHES, FULL, MARKDOWN
from gui.pictures.neighbourhood import LONG_MODEL, Neighbourhood
from gui.pictures.studio import Studio

LONG_TITLE = "Everything that one would like to know about the towpath between the third and the ninth lock, and more"
MENU_S = 0.4
FAILED_S = 120.0


def take_kept(studio: Studio) -> None:
    """Markdown of all kinds, and a conversation with branches."""
    open_conversation(studio, MARKDOWN)
    studio.take("chat-markdown")
    open_conversation(studio, BRANCHES)
    studio.take("chat-branches")


def take_full(studio: Studio) -> None:
    """The model remembers hardly more, and the oldest messages were left out."""
    open_conversation(studio, FULL)
    studio.take("chat-full")


def take_around(studio: Studio) -> None:
    """Search, the editor of a question, the conversation's settings, menus, the list of keys, and a deletion."""
    display = studio.display
    search(studio, "boat")
    studio.put_pointer_away()
    studio.take("chat-search")
    open_conversation(studio, BRANCHES)
    display.press("ctrl+e")
    studio.desktop.wait_for_control("save-edit")
    studio.take("chat-editing")
    display.press("Escape")
    display.press("ctrl+shift+s")
    studio.desktop.wait_for_control("temperature")
    studio.take("chat-settings")
    display.press("Escape", "ctrl+m")
    time.sleep(MENU_S)
    studio.take_with_menu("chat-models")
    display.press("Escape")
    studio.desktop.click("conversation-menu-button")
    time.sleep(MENU_S)
    studio.take_with_menu("chat-menu")
    display.press("Up", "Up", "Return")  # the last entry but one
    studio.desktop.wait_for_control("close-keyboard")
    studio.take("chat-keys", "Keyboard.*")
    studio.desktop.click("close-keyboard")
    x, y, *_size = studio.desktop.wait_for_control("conversation-menu-button")
    display.move(x + 4, y + 4)  # Qt has not noticed yet that the pointer is no longer there
    studio.desktop.click("composer-text")
    display.press("ctrl+shift+BackSpace")
    studio.desktop.wait_for_control("undo-delete")
    studio.put_pointer_away()
    studio.take("chat-deleted")
    studio.desktop.click("undo-delete")


def take_long_names(studio: Studio, neighbourhood: Neighbourhood) -> None:
    """Conversation, model and computers with long names; once in the chat, once on the page of the swarm."""
    neighbourhood.switch_on_long_names()
    display, desktop = studio.display, studio.desktop
    desktop.click("go-chat")
    display.press("ctrl+n", "ctrl+m")
    time.sleep(MENU_S)
    row = 1 + neighbourhood.models().index(LONG_MODEL)
    display.press(*["Down"] * row, "Return")
    mark = desktop.place
    desktop.ask("What is Meadow?")
    desktop.wait_for_answer("complete", timeout_s=ANSWER_S, since=mark)
    display.press("F2")
    desktop.wait_for_control("title-field")
    display.press("ctrl+a")
    display.type(LONG_TITLE)
    display.press("Return")
    studio.put_pointer_away()
    studio.take("chat-long-names")
    desktop.click("go-swarm")
    studio.put_pointer_away()
    studio.take("swarm-long-names")
    neighbourhood.switch_off_long_names()


def take_failed(studio: Studio) -> None:
    """A question while the computer that holds the last layers is off, until nobody waits for it any longer."""
    studio.desktop.click("go-chat")
    studio.display.press("ctrl+n")
    mark = studio.desktop.place
    studio.desktop.ask("What is Meadow?")
    studio.desktop.wait_for_answer("failed", timeout_s=FAILED_S, since=mark)
    studio.put_pointer_away()
    studio.take("chat-failed")


def open_conversation(studio: Studio, title: str) -> None:
    """Find it by words of its title and show it."""
    mark = studio.desktop.place
    search(studio, title)
    studio.display.press("Return")
    studio.desktop.wait_for("opened", since=mark)
    studio.display.press("Escape")
    studio.desktop.click("composer-text")
    studio.put_pointer_away()


def search(studio: Studio, words: str) -> None:
    """Type them where conversations are searched."""
    mark = studio.desktop.place
    studio.display.press("ctrl+f")
    studio.display.type(words)
    studio.desktop.wait_for("found", since=mark)
    time.sleep(MENU_S)
