"""Writes exports and reads imports, in steps that are short enough for the window's thread."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

from meadow_desktop.chat.conversation import Conversation
from meadow_desktop.chat.exchange import (
    ExportKind,
    ImportRefusedError,
    json_head,
    json_of,
    json_tail,
    markdown_of,
    read_import,
)
from meadow_desktop.language import _
from meadow_desktop.phrases import describe_failure
from meadow_engine.api.errors import Problem

LARGEST_IMPORT_BYTES = 256 * 1024 * 1024


def write_export(path: Path, kind: ExportKind, conversations: Iterable[Conversation]) -> Generator[None]:
    """Steps: one conversation each. The file appears when it is whole, and replaces one of the same name.

    Raises:
        OSError: it could not be written; no part of it is left.
    """
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(json_head() if kind == "json" else "")
            for place, conversation in enumerate(conversations):
                if kind == "json":
                    file.write(("" if place == 0 else ",\n") + json_of(conversation))
                else:
                    file.write(("" if place == 0 else "\n---\n\n") + markdown_of(conversation))
                yield
            file.write(json_tail() if kind == "json" else "")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def read_import_file(path: Path) -> Iterator[Conversation]:
    """The conversations of a file.

    Raises:
        OSError: it cannot be read.
        ImportRefusedError: it holds no conversations, or is far too large.
    """
    if path.stat().st_size > LARGEST_IMPORT_BYTES:
        raise ImportRefusedError(
            Problem(
                code="import-too-large",
                message=_("This file is too large to be one of conversations"),
                advice=_("Files of up to {n} MB are read.").format(n=LARGEST_IMPORT_BYTES // 1024**2),
            )
        )
    return read_import(path.read_bytes())


def unwritable_export(path: Path, error: OSError) -> Problem:
    """The export was not written."""
    return Problem(
        code="export-unwritable",
        message=_("{path} could not be written ({reason})").format(path=path, reason=describe_failure(error)),
        advice=_("Choose another folder, or make room on the disk."),
    )


def unreadable_import(path: Path, error: OSError) -> Problem:
    """The file to be imported was not read."""
    return Problem(
        code="import-unreadable",
        message=_("{path} could not be read ({reason})").format(path=path, reason=describe_failure(error)),
        advice=_("Check whether the file is there and who may read it."),
    )
