"""The engine's state along the bottom of the window, with the same commands as the tray's menu. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from meadow_desktop.language import _
from meadow_desktop.tray.icon import draw_pixmap
from meadow_desktop.tray.pause_menu import SHARE_ANYWAY, PauseMenu
from meadow_desktop.tray.view import EngineView
from meadow_desktop.windows.elided_label import ElidedLabel

_ROOMY = 820
_ABOVE, _LINE_GAP = 9, 1


class StatusStrip(QFrame):
    """Icon, words, buttons, and the switch."""

    share_asked = Signal(bool)
    pause_asked = Signal(str)  # PauseLength
    resume_asked = Signal()
    anyway_asked = Signal(str)  # the reason's code
    retry_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("strip")
        self._icon = QLabel()
        self._headline, self._detail, self._notes = ElidedLabel(), ElidedLabel(), ElidedLabel()
        self._headline.setProperty("kind", "strong")
        self._detail.setProperty("kind", "muted")
        self._notes.setProperty("kind", "muted")
        words = QVBoxLayout()
        words.setSpacing(_LINE_GAP)
        words.addWidget(self._headline)
        words.addWidget(self._detail)
        words.addWidget(self._notes)
        self._hint = QLabel()
        self._hint.setProperty("kind", "muted")
        self._retry = _button(_("Try now"), "retry-engine")
        self._retry.clicked.connect(self.retry_asked)
        self._pause = _button(_("Pause"), "pause")
        self._pause_menu = PauseMenu(_("Pause"), self._pause)
        self._pause.setMenu(self._pause_menu)
        self._pause_menu.pause_asked.connect(self.pause_asked)
        self._resume = _button(_("Resume"), "resume")
        self._resume.clicked.connect(self.resume_asked)
        self._anyway_code = ""
        self._anyway = _button(_("Share anyway"), "share-anyway")
        self._anyway.setToolTip(_(SHARE_ANYWAY))
        self._anyway.clicked.connect(lambda: self.anyway_asked.emit(self._anyway_code))
        self._share = Switch(_("Share this computer"))
        self._share.setObjectName("share")
        self._share.clicked.connect(lambda: self.share_asked.emit(self._share.isChecked()))
        row = QHBoxLayout(self)
        row.setContentsMargins(16, _ABOVE, 16, _ABOVE)
        row.setSpacing(12)
        row.addWidget(self._icon)
        row.addLayout(words, 1)
        row.addWidget(self._hint)
        row.addWidget(self._retry)
        row.addWidget(self._anyway)
        row.addWidget(self._pause)
        row.addWidget(self._resume)
        row.addWidget(self._share)

    def show_view(self, view: EngineView, *, is_pending: bool) -> None:
        """Draw the engine's state."""
        self._icon.setPixmap(draw_pixmap(view.shape, 26, self.devicePixelRatioF()))
        self._icon.setAccessibleName(view.headline)
        self._headline.setText(view.headline)
        self._detail.setText(view.detail)
        self._detail.setVisible(bool(view.detail))
        self._notes.setText(view.notes)
        self._notes.setVisible(bool(view.notes))
        self._retry.setVisible(view.can_retry)
        self._anyway_code = view.anyway_code
        for button, is_offered in (
            (self._pause, view.can_pause),
            (self._resume, view.can_resume),
        ):
            button.setVisible(is_offered)
            button.setEnabled(not is_pending)
        self._anyway.setEnabled(not is_pending)
        self._share.setChecked(bool(view.is_share_checked))
        self._share.setEnabled(view.can_share and not is_pending)
        self._make_room()

    def sizeHint(self) -> QSize:
        """As high as two lines of words need, also while there is one: what is above does not move then."""
        return self._at_least_two_lines(super().sizeHint())

    def minimumSizeHint(self) -> QSize:
        """As wide as may be, and as high."""
        return self._at_least_two_lines(super().minimumSizeHint())

    def show_hint(self, text: str) -> None:
        """What closing the window does, where somebody may be surprised by it."""
        self._hint.setText(text)
        self._make_room()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """In a narrow window the engine's state is more important than hints and rarer buttons."""
        super().resizeEvent(event)
        self._make_room()

    def _at_least_two_lines(self, size: QSize) -> QSize:
        lines = self._headline.sizeHint().height() + _LINE_GAP + self._detail.sizeHint().height()
        return size.expandedTo(QSize(0, lines + 2 * _ABOVE + 2 * self.frameWidth()))

    def _make_room(self) -> None:
        is_roomy = self.width() >= _ROOMY
        self._anyway.setVisible(is_roomy and bool(self._anyway_code))
        self._hint.setVisible(is_roomy and bool(self._hint.text()) and not self._anyway_code)


def _button(text: str, name: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a click leaves the keyboard to the question being written
    return button


class Switch(QAbstractButton):
    """A switch with its words beside it; on is to the right and filled, off to the left and hollow."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.setText(text)
        self.setCheckable(True)
        self.setAccessibleName(text)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Words, gap, and a track of 36 × 20."""
        metrics = self.fontMetrics()
        return QSize(metrics.horizontalAdvance(self.text()) + 8 + 40, max(26, metrics.height() + 6))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw words and track."""
        palette = self.palette()
        group = QPalette.ColorGroup.Active if self.isEnabled() else QPalette.ColorGroup.Disabled
        words = palette.color(group, QPalette.ColorRole.WindowText)
        accent = palette.color(QPalette.ColorRole.Highlight)
        faint = palette.color(QPalette.ColorRole.PlaceholderText)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        track = QRectF(self.width() - 38, (self.height() - 20) / 2, 36, 20)
        painter.setPen(words)
        space = self.rect().adjusted(0, 0, -46, 0)
        painter.drawText(space, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, self.text())
        if not self.isEnabled():
            painter.setOpacity(0.5)
        line = accent if self.isChecked() else faint
        painter.setPen(QPen(line, 2 if self.hasFocus() else 1.4))
        painter.setBrush(accent if self.isChecked() else Qt.GlobalColor.transparent)
        painter.drawRoundedRect(track, 10, 10)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor("white") if self.isChecked() else faint)
        painter.drawEllipse(QRectF(track.x() + (19 if self.isChecked() else 3), track.y() + 3, 14, 14))
        painter.end()
