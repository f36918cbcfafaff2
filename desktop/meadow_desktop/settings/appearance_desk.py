"""Keeps the desktop's own choices and tells those who follow them. Threads: GUI thread; writes one small file."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from PySide6.QtCore import QObject, Signal

from meadow_desktop.language import _
from meadow_desktop.phrases import describe_failure
from meadow_desktop.settings.app_rows import LANGUAGE, NOTIFICATIONS, TEXT_SIZE, THEME
from meadow_desktop.settings.appearance import Appearance, keep_appearance
from meadow_engine.api.errors import Problem

_FIELDS = {THEME: "theme", TEXT_SIZE: "text_percent", LANGUAGE: "language", NOTIFICATIONS: "notifications"}


class AppearanceDesk(QObject):
    """`appearance` counts from the moment `changed` tells it; `language_now` since the start."""

    changed = Signal(object)  # Appearance
    trouble = Signal(object)  # Problem

    def __init__(self, file: Path, appearance: Appearance, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._file = file
        self.appearance = appearance
        self.language_now = appearance.language

    def keep_welcomed(self) -> None:
        """The first start is over."""
        self._keep(self.appearance.model_copy(update={"is_welcomed": True}))

    def change(self, row: str, value: object) -> None:
        """Take what was chosen in one of the rows of `app_rows.py`."""
        field = _FIELDS[row]
        wanted = int(str(value)) if field == "text_percent" else value
        try:
            appearance = Appearance.model_validate({**self.appearance.model_dump(), field: wanted})
        except ValidationError:
            return  # a choice that is not offered
        self._keep(appearance)

    def _keep(self, appearance: Appearance) -> None:
        self.appearance = appearance
        self.changed.emit(appearance)  # also where it cannot be kept: it counts until the program ends
        try:
            keep_appearance(self._file, appearance)
        except OSError as error:
            self.trouble.emit(_unkept(self._file, error))


def _unkept(file: Path, error: OSError) -> Problem:
    return Problem(
        code="appearance-unwritable",
        message=_("The choice counts only until Meadow ends: {file} cannot be written ({reason})").format(
            file=file, reason=describe_failure(error)
        ),
        advice=_("Check the disk and its permissions."),
    )
