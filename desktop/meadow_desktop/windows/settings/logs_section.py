"""What Meadow has written into its logs: the end of a file, by level and text, followed while it grows. GUI thread.

The file is read and chosen from on a thread of `Work`; only the text comes here.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, QTimer, QUrl
from PySide6.QtGui import QDesktopServices, QFontDatabase
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLineEdit, QPlainTextEdit, QVBoxLayout, QWidget

from meadow_desktop.language import _, marked, ngettext
from meadow_desktop.settings.logs import LEVELS, LogLine, LogTail, choose_lines, find_logs, read_tail
from meadow_desktop.settings.work import Work
from meadow_desktop.windows.settings.words import copy, make_button, make_words
from meadow_desktop.windows.unscrolled import Choice

_FOLLOW_MS = 1000
_LEVELS = (
    ("DEBUG", marked("Everything")),
    ("WARNING", marked("Warnings and errors")),
    ("ERROR", marked("Errors only")),
)


class LogsSection(QWidget):
    """Reads only while it is shown."""

    def __init__(self, folder: Path, work: Work) -> None:
        super().__init__()
        self._folder = folder
        self._work = work
        self._tail: LogTail | None = None
        self._is_reading = False
        self._file, self._level = Choice(), Choice()
        for choice in (self._file, self._level):
            choice.setMinimumContentsLength(9)
        self._words = QLineEdit()
        self._follow = QCheckBox(_("Follow"))
        self._text = QPlainTextEdit()
        self._note = make_words("", "muted")
        self._timer = QTimer(self, interval=_FOLLOW_MS)
        self._timer.timeout.connect(self._read)
        self._build()

    def enter(self) -> None:
        """It is shown: read."""
        chosen = self._file.currentText()
        names = find_logs(self._folder)
        if names != [self._file.itemText(place) for place in range(self._file.count())]:
            self._file.clear()
            self._file.addItems(names)
            self._file.setCurrentIndex(max(0, self._file.findText(chosen)))
        self._start_anew()
        if self._follow.isChecked():
            self._timer.start()

    def leave(self) -> None:
        """It is not shown any more."""
        self._timer.stop()

    def _start_anew(self) -> None:
        self._tail = None
        self._read()

    def _read(self) -> None:
        name = self._file.currentText()
        if not name:
            self._note.setText(_("There are no logs in {folder}.").format(folder=self._folder))
            return
        if self._is_reading:
            return
        self._is_reading = True
        path, known = self._folder / name, self._tail
        least, words = LEVELS.index(self._level.currentData()), self._words.text().strip()
        question = (name, least, words)

        def read() -> tuple[tuple[str, int, str], LogTail, list[LogLine] | None]:
            tail = read_tail(path, known)
            return question, tail, None if tail is known else choose_lines(tail.lines, least, words)

        self._work.ask(read, self._take)

    def _take(self, answer: tuple[tuple[str, int, str], LogTail, list[LogLine] | None]) -> None:
        self._is_reading = False
        (name, least, words), tail, lines = answer
        if (name, least, words) != self._question():
            self._start_anew()  # something else was asked for in the meantime
            return
        self._tail = tail
        if lines is None:
            return
        bar = self._text.verticalScrollBar()
        place, was_at_end = bar.value(), bar.value() >= bar.maximum() - 2
        self._text.setPlainText("\n".join(line.text for line in lines))
        bar.setValue(bar.maximum() if self._follow.isChecked() or was_at_end else place)
        self._note.setText(_describe(tail, len(lines)))

    def _question(self) -> tuple[str, int, str]:
        return self._file.currentText(), LEVELS.index(self._level.currentData()), self._words.text().strip()

    def _take_follow(self, is_followed: bool) -> None:
        if is_followed:
            self._timer.start()
            self._start_anew()
        else:
            self._timer.stop()

    def _build(self) -> None:
        self._file.setObjectName("log-file")
        self._file.setAccessibleName(_("Log file"))
        self._file.activated.connect(self._start_anew)
        self._level.setObjectName("log-level")
        self._level.setAccessibleName(_("Least important level"))
        for name, words in _LEVELS:
            self._level.addItem(_(words), name)
        self._level.activated.connect(self._start_anew)
        self._words.setObjectName("log-words")
        self._words.setAccessibleName(_("Only lines with this text"))
        self._words.setPlaceholderText(_("Only lines with…"))
        self._words.setClearButtonEnabled(True)
        self._words.textChanged.connect(self._start_anew)
        self._follow.setObjectName("log-follow")
        self._follow.setChecked(True)
        self._follow.toggled.connect(self._take_follow)
        self._text.setObjectName("log-text")
        self._text.setAccessibleName(_("The log's last lines"))
        self._text.setReadOnly(True)
        self._text.setUndoRedoEnabled(False)
        self._text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self._text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._text.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        copying = make_button(_("Copy"), "copy-log")
        copying.setAccessibleName(_("Copy the lines that are shown"))
        copying.clicked.connect(lambda: copy(self._text.toPlainText()))
        folder = make_button(_("Open folder"), "open-log-folder")
        folder.clicked.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._folder))))
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addWidget(self._file, 1)
        top.addWidget(self._level, 1)
        search = QHBoxLayout()
        search.setSpacing(12)
        search.addWidget(self._words, 1)
        search.addWidget(self._follow)
        bottom = QHBoxLayout()
        bottom.setSpacing(8)
        bottom.addStretch(1)
        bottom.addWidget(copying)
        bottom.addWidget(folder)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 18, 24, 18)
        column.setSpacing(10)
        column.addWidget(make_words(_("Logs"), "headline"))
        column.addLayout(top)
        column.addLayout(search)
        column.addWidget(self._text, 1)
        column.addWidget(self._note)
        column.addLayout(bottom)


def _describe(tail: LogTail, shown: int) -> str:
    if tail.error:
        return _("The file cannot be read: {reason}.").format(reason=tail.error)
    if tail.is_cut:
        return ngettext("{n} line of the file's end", "{n} lines of the file's end", shown).format(n=shown)
    return ngettext("{n} line", "{n} lines", shown).format(n=shown)
