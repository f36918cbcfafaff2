"""Takes conversations over from the time when each was a JSON file of its own; the files are kept in a subfolder.

One file at a time, so that a person with hundreds of them gets a window at once. A program that is killed between
writing and moving finds the conversation in the store at its next start, and only moves the file.
"""

from __future__ import annotations

from pathlib import Path

from meadow_desktop.chat.conversation import ConversationHead, head_of, settle
from meadow_desktop.chat.keeping.layouts import read_conversation
from meadow_desktop.chat.keeping.store import ConversationStore

IMPORTED_FOLDER = "imported"
BROKEN_SUFFIX = ".broken"


def find_old_files(store: ConversationStore) -> list[Path]:
    """The files that were not taken over yet."""
    try:
        return sorted(store.folder.glob("*.json"))
    except OSError:
        return []


def take_over(store: ConversationStore, path: Path) -> ConversationHead | Path:
    """Save the conversation of this file in the store; the new name of a file that holds none.

    Raises:
        OSError: the file cannot be read or moved; it stays where it is.
        StoreError: the store did not take it; the file stays where it is.
    """
    try:
        conversation = settle(read_conversation(path.read_bytes()))
    except (ValueError, TypeError):
        broken = path.with_name(path.name + BROKEN_SUFFIX)
        path.replace(broken)
        return broken
    if not store.holds(conversation.id):
        store.save(conversation)
    folder = path.parent / IMPORTED_FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    path.replace(folder / path.name)
    return head_of(conversation)
