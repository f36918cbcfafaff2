"""Downloads that are under way, one line each, above the engine's state. GUI thread."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from meadow_desktop.downloads.desk import DownloadsDesk
from meadow_desktop.downloads.view import DownloadView
from meadow_desktop.language import _
from meadow_desktop.windows.elided_label import ElidedLabel


class DownloadsBar(QFrame):
    """Hidden while nothing is fetched."""

    def __init__(self, desk: DownloadsDesk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("downloads")
        self._desk = desk
        self._lines: list[_Line] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(16, 6, 16, 6)
        self._column.setSpacing(4)
        desk.changed.connect(self._draw)
        self._draw()

    def _draw(self) -> None:
        views = self._desk.views
        while len(self._lines) > len(views):
            line = self._lines.pop()
            self._column.removeWidget(line)
            line.hide()
            line.deleteLater()
        while len(self._lines) < len(views):
            line = _Line(self._desk)
            self._lines.append(line)
            self._column.addWidget(line)
        for line, view in zip(self._lines, views, strict=True):
            line.show_view(view)
        self.setVisible(bool(views))


class _Line(QWidget):
    def __init__(self, desk: DownloadsDesk) -> None:
        super().__init__()
        self._desk = desk
        self._view: DownloadView | None = None
        self._words = ElidedLabel()
        self._progress = QProgressBar()
        self._progress.setTextVisible(False)
        self._progress.setFixedHeight(6)
        self._progress.setMaximumWidth(220)
        self._action = QPushButton()
        self._action.setObjectName("download-action")
        self._action.setProperty("kind", "quiet")
        self._action.clicked.connect(self._act)
        self._remove = QPushButton(_("Remove"))
        self._remove.setObjectName("download-remove")
        self._remove.setProperty("kind", "quiet")
        self._remove.setToolTip(_("Fetch this model no longer, and delete what of it is unfinished"))
        self._remove.clicked.connect(self._give_up)
        keeps_its_place = self._remove.sizePolicy()
        keeps_its_place.setRetainSizeWhenHidden(True)  # bars of several lines begin and end below each other
        self._remove.setSizePolicy(keeps_its_place)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(12)
        row.addWidget(self._words, 2)
        row.addWidget(self._progress, 1)
        row.addWidget(self._action)
        row.addWidget(self._remove)

    def show_view(self, view: DownloadView) -> None:
        self._view = view
        self._words.setText(view.words)
        self._progress.setValue(view.percent)
        self._progress.setAccessibleName(view.words)
        self._action.setText(_("Pause") if view.action == "pause" else _("Go on"))
        self._action.setAccessibleName(f"{self._action.text()}: {view.words}")
        self._action.setEnabled(bool(view.action))
        self._remove.setAccessibleName(f"{self._remove.text()}: {view.words}")
        self._remove.setVisible(view.action == "resume")  # one that runs is paused first, so nothing is lost by mistake

    def _act(self) -> None:
        if self._view is not None and self._view.action:
            self._desk.act(self._view.model, self._view.action)

    def _give_up(self) -> None:
        if self._view is not None:
            self._desk.remove(self._view.model)
