"""Versions, licences of what is shipped, and details for a bug report. GUI thread; licences are read beside it."""

from __future__ import annotations

from PySide6.QtCore import Qt, qVersion
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from meadow_desktop.engine.link import EngineLink
from meadow_desktop.language import _
from meadow_desktop.settings.about import LICENCE, Component, bug_details, find_components, own_version
from meadow_desktop.settings.work import Work
from meadow_desktop.windows.elided_label import ElidedLabel
from meadow_desktop.windows.settings.words import copy, make_button, make_words

_LICENCE_COLUMN = 2


class AboutSection(QWidget):
    """`enter` reads what is shipped, once."""

    def __init__(self, link: EngineLink, work: Work) -> None:
        super().__init__()
        self._link = link
        self._work = work
        self._components: list[Component] | None = None
        self._version = make_words("", "")
        self._version.setObjectName("version")
        self._table = QWidget()
        self._table.setObjectName("licences")
        copying = make_button(_("Copy details for a bug report"), "copy-details")
        copying.clicked.connect(lambda: copy(self._details()))
        buttons = QHBoxLayout()
        buttons.addWidget(copying)
        buttons.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(make_words(_("About Meadow"), "headline"))
        column.addWidget(self._version)
        column.addWidget(
            make_words(_("Run language models too large for one computer, on the idle GPUs of volunteers."), "muted")
        )
        column.addWidget(
            make_words(_("Meadow is free software under the licence {licence}.").format(licence=LICENCE), "muted")
        )
        column.addSpacing(4)
        column.addLayout(buttons)
        column.addWidget(
            make_words(
                _("They name versions, system, screen and the engine's state; no addresses, no keys, no texts."),
                "muted",
            )
        )
        column.addSpacing(10)
        column.addWidget(make_words(_("What Meadow is built on"), "strong"))
        column.addWidget(self._table)

    def enter(self) -> None:
        """It is shown."""
        status = getattr(self._link.state, "status", None)
        version = own_version() or _("unknown")
        self._version.setText(
            _("Version {version}").format(version=version)
            if status is None
            else _("Version {version}, engine {engine}").format(version=version, engine=status.version)
        )
        if self._components is None:
            self._components = []
            self._work.ask(find_components, self._show_components)

    def _show_components(self, components: list[Component]) -> None:
        self._components = components
        grid = QGridLayout(self._table)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(20)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(_LICENCE_COLUMN, 1)
        for place, each in enumerate(components):
            for column, (text, kind) in enumerate(((each.name, ""), (each.version, "muted"), (each.licence, "muted"))):
                label = ElidedLabel() if column == _LICENCE_COLUMN else QLabel()
                label.setText(text)
                label.setTextFormat(Qt.TextFormat.PlainText)
                label.setProperty("kind", kind)
                grid.addWidget(label, place, column)

    def _details(self) -> str:
        screen = self.screen()
        size, ratio = screen.size(), screen.devicePixelRatio()
        return bug_details(
            self._link.state,
            self._components or [],
            f"{size.width()}×{size.height()} at {ratio * 100:.0f} %",
            f"{qVersion()} ({QGuiApplication.platformName()})",
        )
