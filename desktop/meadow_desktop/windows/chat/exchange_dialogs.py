"""Asks for the file of an export or an import; the desk does the work. GUI thread."""

from __future__ import annotations

import re
from pathlib import Path

from PySide6.QtCore import QStandardPaths, Qt
from PySide6.QtWidgets import QFileDialog, QWidget

from meadow_desktop.chat.exchange import ExportKind
from meadow_desktop.chat.exchange_desk import ExchangeDesk
from meadow_desktop.language import _

_ENDINGS: dict[ExportKind, str] = {"markdown": ".md", "json": ".json"}
_LONGEST_NAME = 60


def suggest_name(title: str, kind: ExportKind) -> str:
    """A file name that every system takes: the words of the title."""
    words = re.sub(r"[^\w\- ]+", " ", title)
    name = " ".join(words.split())[:_LONGEST_NAME].strip()
    return (name or "meadow") + _ENDINGS[kind]


def with_ending(name: str, kind: ExportKind) -> Path:
    """The path, with an ending if it has none."""
    path = Path(name)
    return path if path.suffix else path.with_name(path.name + _ENDINGS[kind])


class ExchangeDialogs:
    """One dialog at a time; `folder` is the one that was used last."""

    def __init__(self, desk: ExchangeDesk, parent: QWidget) -> None:
        self._desk = desk
        self._parent = parent
        self._folder = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)

    def export(self, kind: ExportKind, title: str, conversation_id: str | None) -> None:
        """Ask where to; None exports all conversations."""
        words = _("Export the conversation") if conversation_id is not None else _("Export all conversations")
        dialog = self._make(words, kind)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setFileMode(QFileDialog.FileMode.AnyFile)
        dialog.setDefaultSuffix(_ENDINGS[kind][1:])
        dialog.selectFile(suggest_name(title, kind))
        chosen = [conversation_id] if conversation_id is not None else None
        dialog.fileSelected.connect(lambda name: self._desk.export(self._take(with_ending(name, kind)), kind, chosen))
        dialog.open()

    def take_in(self) -> None:
        """Ask what to import."""
        dialog = self._make(_("Import conversations"), "json")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(lambda name: self._desk.import_file(self._take(Path(name))))
        dialog.open()

    def _make(self, title: str, kind: ExportKind) -> QFileDialog:
        dialog = QFileDialog(self._parent, title, self._folder)
        dialog.setObjectName("file-dialog")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        filters = {"markdown": _("Markdown (*.md)"), "json": _("JSON (*.json)")}
        dialog.setNameFilters([filters[kind], _("All files (*)")])
        return dialog

    def _take(self, path: Path) -> Path:
        self._folder = str(path.parent)
        return path
