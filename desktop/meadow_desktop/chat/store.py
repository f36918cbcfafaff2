"""Conversations on disk: one JSON file each, replaced at once and readable by this user only.

A file that cannot be read as a conversation is set aside under another name and reported; it never keeps the window
from opening. Files are a few kilobytes: reading and writing happen on the GUI thread.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from meadow_desktop.chat.conversation import Conversation, settle
from meadow_engine.api.errors import Problem
from meadow_engine.api.places import write_private

BROKEN_SUFFIX = ".broken"


class StoreError(Exception):
    """The folder of conversations did not take or give a file; `problem` is for the person."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(frozen=True)
class Loaded:
    """Conversations, the latest first, and what could not be read."""

    conversations: list[Conversation]
    problems: list[Problem]


class ConversationStore:
    """The folder of conversations."""

    def __init__(self, folder: Path, write: Callable[[Path, str], None] = write_private) -> None:
        self._folder = folder
        self._write = write

    def load(self) -> Loaded:
        """Read all conversations. Raises nothing: what failed is among the problems."""
        conversations: list[Conversation] = []
        problems: list[Problem] = []
        try:
            paths = sorted(self._folder.glob("*.json"))
        except OSError as error:
            return Loaded([], [self._unreadable(error)])
        broken = []
        for path in paths:
            try:
                conversation = Conversation.model_validate_json(path.read_bytes())
            except ValidationError:
                broken.append(self._set_aside(path))
            except OSError as error:
                problems.append(self._unreadable(error))
            else:
                conversations.append(settle(conversation))
        if broken:
            problems.append(_describe_broken(broken))
        conversations.sort(key=lambda conversation: conversation.changed.timestamp(), reverse=True)
        return Loaded(conversations, problems)

    def save(self, conversation: Conversation) -> None:
        """Write one conversation.

        Raises:
            StoreError: the folder cannot be written, or the disk is full.
        """
        path = self._path(conversation.id)
        try:
            self._write(path, conversation.model_dump_json(indent=1))
        except OSError as error:
            self._remove_leftover(path)
            raise StoreError(self._unwritable(error)) from error

    def delete(self, conversation_id: str) -> None:
        """Remove one conversation for good; one that was never written is no error.

        Raises:
            StoreError: the file is there and stays there.
        """
        try:
            self._path(conversation_id).unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise StoreError(self._undeletable(error)) from error

    def _path(self, conversation_id: str) -> Path:
        return self._folder / f"{conversation_id}.json"

    def _set_aside(self, path: Path) -> Path:
        aside = path.with_name(path.name + BROKEN_SUFFIX)
        try:
            path.replace(aside)
        except OSError:
            return path
        return aside

    def _remove_leftover(self, path: Path) -> None:
        try:
            path.with_name(f"{path.name}.{os.getpid()}.new").unlink(missing_ok=True)
        except OSError:
            return

    def _unwritable(self, error: OSError) -> Problem:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return Problem(
                code="disk-full",
                message="The disk is full, so this conversation is not being saved",
                advice="Make room on the disk; Meadow saves it with the next answer.",
            )
        return Problem(
            code="conversations-unwritable",
            message=f"Conversations cannot be saved in {self._folder} ({_reason(error)})",
            advice="Make this folder writable; until then conversations last only as long as this window.",
        )

    def _undeletable(self, error: OSError) -> Problem:
        return Problem(
            code="conversation-undeletable",
            message=f"The conversation could not be deleted from {self._folder} ({_reason(error)})",
            advice="Make this folder writable and delete it again.",
        )

    def _unreadable(self, error: OSError) -> Problem:
        return Problem(
            code="conversations-unreadable",
            message=f"Conversations in {self._folder} cannot be read ({_reason(error)})",
            advice="Check who may read this folder, then start Meadow again.",
        )


def _describe_broken(paths: list[Path]) -> Problem:
    if len(paths) == 1:
        message = f"One conversation could not be read and was set aside as {paths[0].name}"
    else:
        message = f"{len(paths)} conversations could not be read and were set aside as *.json{BROKEN_SUFFIX}"
    return Problem(code="conversation-broken", message=message, advice=f"The files are kept in {paths[0].parent}.")


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
