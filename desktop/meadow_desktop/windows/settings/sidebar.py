"""The settings page's left side: a field to search in, and the sections below. GUI thread."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QLineEdit, QVBoxLayout

from meadow_desktop.language import _
from meadow_desktop.windows.settings.section_list import SectionList

_NARROWEST = 150
_BESIDE_TITLES = 40


class Sidebar(QFrame):
    """`search` and `sections`."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("sidebar")
        self.search = QLineEdit()
        self.search.setObjectName("settings-search")
        self.search.setAccessibleName(_("Search the settings"))
        self.search.setPlaceholderText(_("Search"))
        self.search.setClearButtonEnabled(True)
        self.sections = SectionList()
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 14, 12, 12)
        column.setSpacing(10)
        column.addWidget(self.search)
        column.addWidget(self.sections, 1)

    def make_room(self, page_width: int) -> None:
        """Titles of sections have their room, as long as settings have theirs."""
        titles = self.sections.sizeHintForColumn(0) + _BESIDE_TITLES
        self.setFixedWidth(max(_NARROWEST, min(titles, page_width // 3)))
