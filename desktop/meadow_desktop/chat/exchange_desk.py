"""Exports conversations into files and takes them in again, one in each turn of the event loop. GUI thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from meadow_desktop.chat.exchange import ExportKind, ImportRefusedError, with_new_id
from meadow_desktop.chat.gradually import Gradually
from meadow_desktop.chat.keeping.exchange_files import (
    read_import_file,
    unreadable_import,
    unwritable_export,
    write_export,
)
from meadow_desktop.chat.shelf import Shelf
from meadow_desktop.language import ngettext


class ExchangeDesk(QObject):
    """Every export and import ends with `finished` or `failed`."""

    finished = Signal(str)  # a sentence
    imported = Signal(str)  # the id of the one conversation that a file held
    failed = Signal(object)  # Problem

    def __init__(
        self, shelf: Shelf, gradually: Gradually, is_taken: Callable[[str], bool], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._shelf = shelf
        self._gradually = gradually
        self._is_taken = is_taken

    def export(self, path: Path, kind: ExportKind, conversation_ids: Sequence[str] | None = None) -> None:
        """Write conversations (None: all) into a file."""
        chosen = [head.id for head in self._shelf.heads] if conversation_ids is None else list(conversation_ids)
        self._gradually.begin(self._export(path, kind, chosen))

    def import_file(self, path: Path) -> None:
        """Take in the conversations of a file; those whose ids are taken become copies."""
        self._gradually.begin(self._import(path))

    def _export(self, path: Path, kind: ExportKind, conversation_ids: list[str]) -> Iterator[None]:
        found = [each for each in conversation_ids if self._shelf.holds(each)]
        conversations = (each for each in map(self._shelf.peek, found) if each is not None)
        try:
            yield from write_export(path, kind, conversations)
        except OSError as error:
            self.failed.emit(unwritable_export(path, error))
            return
        sentence = ngettext("{n} conversation was exported", "{n} conversations were exported", len(found))
        self.finished.emit(sentence.format(n=len(found)))

    def _import(self, path: Path) -> Iterator[None]:
        taken_in: list[str] = []
        try:
            for conversation in read_import_file(path):
                new = with_new_id(conversation) if self._is_taken(conversation.id) else conversation
                self._shelf.put(new)
                taken_in.append(new.id)
                yield
        except OSError as error:
            self.failed.emit(unreadable_import(path, error))
            return
        except ImportRefusedError as error:
            self.failed.emit(error.problem)
            return
        sentence = ngettext("{n} conversation was imported", "{n} conversations were imported", len(taken_in))
        self.finished.emit(sentence.format(n=len(taken_in)))
        if len(taken_in) == 1:
            self.imported.emit(taken_in[0])
