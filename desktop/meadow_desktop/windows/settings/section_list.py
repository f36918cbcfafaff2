"""The names of the settings page's sections. GUI thread."""

from __future__ import annotations

from collections.abc import Collection

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QListWidget, QListWidgetItem

from meadow_desktop.language import _

_NAME = Qt.ItemDataRole.UserRole


class SectionList(QListWidget):
    """One is chosen as soon as there is one; the choice outlives sections that come and go."""

    chosen_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("settings-sections")
        self.setAccessibleName(_("Sections of the settings"))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._shown: list[tuple[str, str]] = []
        self._is_chosen_by_person = False
        self.currentItemChanged.connect(self._tell)
        self.itemClicked.connect(self._tell)  # also the chosen one, which leads back from a search

    @property
    def chosen(self) -> str:
        """The section's name, or "" where there is none."""
        item = self.currentItem()
        return str(item.data(_NAME)) if item is not None else ""

    def title_of(self, name: str) -> str:
        """What a section is called."""
        return dict(self._shown).get(name, "")

    def show_sections(self, sections: list[tuple[str, str]]) -> None:
        """Pairs of name and title, in their order."""
        if sections == self._shown:
            return
        chosen = self.chosen if self._is_chosen_by_person else ""
        self._shown = sections
        with QSignalBlocker(self):
            self.clear()
            for name, title in sections:
                item = QListWidgetItem(title)
                item.setData(_NAME, name)
                item.setToolTip(title)
                self.addItem(item)
            names = [name for name, _title in sections]
            self.setCurrentRow(names.index(chosen) if chosen in names else 0)

    def choose(self, name: str) -> None:
        """Go to a section; one that is not there changes nothing."""
        for place in range(self.count()):
            if self.item(place).data(_NAME) == name:
                self.setCurrentRow(place)

    def mark_found(self, names: Collection[str] | None) -> None:
        """Only these have what is searched for; None: nothing is searched for."""
        for place in range(self.count()):
            item = self.item(place)
            item.setHidden(names is not None and item.data(_NAME) not in names)

    def _tell(self) -> None:
        self._is_chosen_by_person = True
        self.chosen_changed.emit()
