"""What can be wrong with the files of conversations, in a sentence and an advice each. Pure."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from meadow_desktop.language import _, ngettext
from meadow_desktop.phrases import describe_failure
from meadow_engine.api.errors import Problem

# The primary codes of https://www.sqlite.org/rescode.html; extended ones have more above the lowest byte.
_BROKEN_CODES = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class StoreError(Exception):
    """The conversations could not be written or read; `problem` is for the person."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def is_broken(error: OSError | sqlite3.Error) -> bool:
    """The file is there and is no database, or no longer one."""
    return isinstance(error, sqlite3.Error) and _code_of(error) in _BROKEN_CODES


def unwritable(folder: Path, error: OSError | sqlite3.Error) -> Problem:
    """Nothing can be saved."""
    is_full = isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}
    if is_full or (isinstance(error, sqlite3.Error) and _code_of(error) == sqlite3.SQLITE_FULL):
        return Problem(
            code="disk-full",
            message=_("The disk is full, so this conversation is not being saved"),
            advice=_("Make room on the disk; Meadow saves it with the next answer."),
        )
    return Problem(
        code="conversations-unwritable",
        message=_("Conversations cannot be saved in {folder} ({reason})").format(folder=folder, reason=_reason(error)),
        advice=_("Make this folder writable; until then conversations last only as long as this window."),
    )


def unreadable(folder: Path, error: OSError | sqlite3.Error) -> Problem:
    """They are there and cannot be read now."""
    return Problem(
        code="conversations-unreadable",
        message=_("Conversations in {folder} cannot be read ({reason})").format(folder=folder, reason=_reason(error)),
        advice=_("Check who may read this folder, then start Meadow again."),
    )


def set_aside(path: Path) -> Problem:
    """The database was broken and bears another name now."""
    return Problem(
        code="conversations-broken",
        message=_("The file of conversations could not be read and was set aside as {name}").format(name=path.name),
        advice=_("It is kept in {folder}; new conversations are saved in a new file.").format(folder=path.parent),
    )


def too_new(path: Path) -> Problem:
    """A later version of Meadow wrote the database."""
    return Problem(
        code="conversations-newer",
        message=_("The conversations in {path} were written by a later version of Meadow").format(path=path),
        advice=_("Update Meadow; until then new conversations last only as long as this window."),
    )


def one_unreadable(folder: Path) -> Problem:
    """A single conversation cannot be read, and the others can."""
    return Problem(
        code="conversation-broken",
        message=_("This conversation could not be read"),
        advice=_("It is left as it is in {folder}; the others are not touched.").format(folder=folder),
    )


def old_set_aside(paths: list[Path]) -> Problem:
    """Files of the time before the database that are no conversations."""
    return Problem(
        code="conversation-broken",
        message=ngettext(
            "{n} conversation could not be read and was set aside as {name}",
            "{n} conversations could not be read and were set aside, such as {name}",
            len(paths),
        ).format(n=len(paths), name=paths[0].name),
        advice=_("The files are kept in {folder}.").format(folder=paths[0].parent),
    )


def _code_of(error: sqlite3.Error) -> int:
    code = getattr(error, "sqlite_errorcode", None)  # errors of Python's own module have none
    return code & 0xFF if isinstance(code, int) else -1


def _reason(error: OSError | sqlite3.Error) -> str:
    if isinstance(error, OSError):
        return describe_failure(error)
    return (str(error) or type(error).__name__).lower()
