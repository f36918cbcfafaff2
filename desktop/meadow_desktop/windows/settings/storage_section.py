"""Models on disk: what each takes, when it was used, and deleting those that nobody uses now. GUI thread."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from meadow_desktop.language import _
from meadow_desktop.settings.storage import StorageDesk, StorageView, StoredView
from meadow_desktop.windows.confirmation import confirm
from meadow_desktop.windows.elided_label import ElidedLabel
from meadow_desktop.windows.settings.words import make_button, make_words


class StorageSection(QWidget):
    """Draws the desk's list."""

    def __init__(self, desk: StorageDesk) -> None:
        super().__init__()
        self._desk = desk
        self._shown: tuple[StorageView | None, str] | None = None
        self._summary = make_words("", "muted")
        self._summary.setObjectName("storage-summary")
        self._folder = ElidedLabel(is_quoted=True)
        self._folder.setProperty("kind", "muted")
        self._models = QVBoxLayout()
        self._models.setSpacing(8)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(make_words(_("Models on disk"), "headline"))
        column.addWidget(self._summary)
        column.addWidget(self._folder)
        column.addSpacing(4)
        column.addLayout(self._models)
        desk.changed.connect(self._draw)
        self._draw()

    def _draw(self) -> None:
        view = self._desk.view
        if (view, self._desk.deleting) == self._shown:
            return
        self._shown = (view, self._desk.deleting)
        while (item := self._models.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        if view is None:
            self._summary.setText(_("The engine has not said yet which models are there."))
            return
        self._summary.setText(view.summary)
        self._folder.setText(view.folder)
        for model in view.models:
            self._models.addWidget(self._row(model))
        if not view.models:
            self._models.addWidget(make_words(_("No model has been fetched yet."), "muted"))

    def _row(self, model: StoredView) -> QFrame:
        frame = QFrame()
        frame.setObjectName("setting-row")
        name = ElidedLabel()
        name.setText(model.id)
        name.setProperty("kind", "strong")
        is_going = self._desk.deleting == model.id
        words = QVBoxLayout()
        words.setSpacing(3)
        words.addWidget(name)
        words.addWidget(make_words(_("Being deleted…") if is_going else model.use, "muted"))
        delete = make_button(_("Delete"), "delete-model")
        delete.setAccessibleName(_("Delete {model}").format(model=model.id))
        delete.setEnabled(model.can_delete and not self._desk.deleting)
        delete.clicked.connect(partial(self._confirm, model))
        size = make_words(model.size, "muted")
        size.setWordWrap(False)
        row = QHBoxLayout(frame)
        row.setContentsMargins(16, 10, 12, 10)
        row.setSpacing(14)
        row.addLayout(words, 1)
        row.addWidget(size, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(delete, 0, Qt.AlignmentFlag.AlignVCenter)
        return frame

    def _confirm(self, model: StoredView) -> None:
        confirm(
            self,
            "delete-model",
            _("Delete {model}?").format(model=model.id),
            _("{size} become free. Whoever wants this model again has to fetch it again.").format(size=model.size),
            yes=_("Delete"),
            no=_("Keep"),
            do=partial(self._desk.delete, model.id),
        )
