"""A panel beside the messages: instructions, sampling and presets of the open conversation. GUI thread.

Everything counts from the next question on, at once and without a button.
"""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from meadow_desktop.chat.chat_settings import (
    BUILT_IN,
    USUAL,
    ChatSettings,
    Preset,
    Sampling,
    make_preset,
    preset_of,
    use_preset,
)
from meadow_desktop.language import _
from meadow_desktop.windows.direction import margins
from meadow_desktop.windows.status_strip import Switch
from meadow_desktop.windows.unscrolled import Choice, Number

PANEL_WIDTH = 300
_UNLIMITED = 16_777_215
_PROMPT_HEIGHT = 110
_MOST_TOKENS = 32_768
_LONGEST_NAME = 60


class ConversationSettings(QFrame):
    """Shows settings and tells those that the person chose."""

    chosen = Signal(object)  # ChatSettings
    preset_kept = Signal(object)  # Preset
    preset_forgotten = Signal(str)
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("conversation-settings")
        self._settings = USUAL
        self._own: tuple[Preset, ...] = ()
        self._presets = Choice()
        self._presets.setObjectName("preset")
        self._presets.setMinimumContentsLength(10)
        self._presets.activated.connect(self._use_preset)
        self._forget = _small_button(_("Remove"), "forget-preset")
        self._forget.setAccessibleName(_("Remove this preset"))
        self._forget.clicked.connect(self._ask_to_forget)
        self._name = QLineEdit()
        self._name.setObjectName("preset-name")
        self._name.setPlaceholderText(_("Name of a new preset"))
        self._name.setAccessibleName(_("Name of a new preset"))
        self._name.setMaxLength(_LONGEST_NAME)
        self._keep = _small_button(_("Save"), "keep-preset")
        self._keep.setAccessibleName(_("Save these choices as a preset"))
        self._keep.setEnabled(False)
        self._keep.clicked.connect(self._keep_preset)
        self._name.textChanged.connect(lambda text: self._keep.setEnabled(bool(text.strip())))
        self._name.returnPressed.connect(self._keep_preset)
        self._prompt = QPlainTextEdit()
        self._prompt.setObjectName("system-prompt")
        self._prompt.setProperty("kind", "field")
        self._prompt.setFrameShape(QFrame.Shape.NoFrame)
        self._prompt.setPlaceholderText(_("How the model should answer, for example: “Answer briefly.”"))
        self._prompt.setTabChangesFocus(True)
        self._prompt.setFixedHeight(_PROMPT_HEIGHT)
        self._prompt.textChanged.connect(self._tell)
        # One step below its smallest value, a number says that the choice is the model's.
        self._temperature = _number("temperature", least=-0.1, most=2.0, step=0.1, decimals=2)
        self._top_p = _number("top-p", least=0.0, most=1.0, step=0.05, decimals=2)
        self._tokens = _number("max-tokens", least=0, most=_MOST_TOKENS, step=64, decimals=0)
        self._tokens.setSpecialValueText(_("No limit"))
        for number in (self._temperature, self._top_p, self._tokens):
            number.valueChanged.connect(self._tell)
        self._leaves_out = Switch("")
        self._leaves_out.setObjectName("leaves-out-oldest")
        self._leaves_out.clicked.connect(self._tell)
        self._build()
        self.setMinimumWidth(PANEL_WIDTH)

    def show_settings(self, settings: ChatSettings, own: tuple[Preset, ...]) -> None:
        """Draw these; a text that is being typed keeps its cursor."""
        parts = (self._prompt, self._temperature, self._top_p, self._tokens, self._presets)
        blockers = [QSignalBlocker(part) for part in parts]
        self._settings, self._own = settings, own
        sampling = settings.sampling
        if self._prompt.toPlainText() != settings.system_prompt:
            self._prompt.setPlainText(settings.system_prompt)
        self._temperature.setValue(-0.1 if sampling.temperature is None else sampling.temperature)
        self._top_p.setValue(0.0 if sampling.top_p is None else sampling.top_p)
        self._tokens.setValue(sampling.max_tokens or 0)
        self._leaves_out.setChecked(settings.leaves_out_oldest)
        self._show_presets()
        for blocker in blockers:
            blocker.unblock()

    def fill(self, *, fills: bool) -> None:
        """Take all the room there is, or a column of it."""
        self.setMaximumWidth(_UNLIMITED if fills else PANEL_WIDTH)

    def take_focus(self) -> None:
        """The keyboard is in the panel."""
        self._presets.setFocus(Qt.FocusReason.OtherFocusReason)

    def _show_presets(self) -> None:
        now = preset_of(self._settings, self._own)
        entries: list[tuple[str, Preset | None]] = [(_(each.name), each) for each in BUILT_IN]
        entries += [(each.name, each) for each in self._own]
        if now is None:
            entries.append((_("Own choices"), None))
        self._presets.clear()
        for title, preset in entries:
            self._presets.addItem(title, preset)
        self._presets.setCurrentIndex(next(place for place, (_title, each) in enumerate(entries) if each == now))
        self._forget.setVisible(now is not None and now.is_own)

    def _use_preset(self, place: int) -> None:
        preset = self._presets.itemData(place)
        if isinstance(preset, Preset):
            self.chosen.emit(use_preset(self._settings, preset))

    def _keep_preset(self) -> None:
        preset = make_preset(self._name.text(), self._settings)
        if preset.name:
            self._name.clear()
            self.preset_kept.emit(preset)

    def _ask_to_forget(self) -> None:
        preset = self._presets.currentData()
        if isinstance(preset, Preset):
            self.preset_forgotten.emit(preset.name)

    def _tell(self) -> None:
        temperature, top_p, tokens = self._temperature.value(), self._top_p.value(), self._tokens.value()
        sampling = Sampling(
            temperature=round(temperature, 2) if temperature >= 0 else None,
            top_p=round(top_p, 2) if top_p > 0 else None,
            max_tokens=round(tokens) or None,
        )
        changes = {
            "system_prompt": self._prompt.toPlainText(),
            "sampling": sampling,
            "leaves_out_oldest": self._leaves_out.isChecked(),
        }
        self.chosen.emit(self._settings.model_copy(update=changes))

    def _build(self) -> None:
        title = QLabel(_("This conversation"))
        title.setProperty("kind", "strong")
        close = _small_button(_("Close"), "close-settings")
        close.clicked.connect(self.closed)
        head = QHBoxLayout()
        head.addWidget(title, 1)
        head.addWidget(close)
        inside = QWidget()
        inside.setObjectName("settings-page")
        column = QVBoxLayout(inside)
        column.setContentsMargins(18, 4, 18, 18)
        column.setSpacing(6)
        self._add(column, _("Preset"), _beside(self._presets, self._forget), self._presets)
        column.addLayout(_beside(self._name, self._keep))
        self._add(column, _("Instructions"), self._prompt)
        self._add(column, _("Temperature"), self._temperature, hint=_("Higher is more surprising."))
        self._add(column, _("Top-p"), self._top_p, hint=_("Lower keeps to the likelier words."))
        self._add(column, _("Longest answer, in tokens"), self._tokens)
        words = _words(_("Leave out the oldest messages when the model cannot hold all"), "")
        self._leaves_out.setAccessibleName(words.text())
        row = QHBoxLayout()
        row.addWidget(words, 1)
        row.addWidget(self._leaves_out, 0, Qt.AlignmentFlag.AlignTop)
        column.addSpacing(10)
        column.addLayout(row)
        column.addSpacing(6)
        column.addWidget(_words(_("Everything counts from the next question on."), "muted"))
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setObjectName("settings-scroll")
        scroll.setAccessibleName(title.text())
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inside)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(margins(1, 0, 0, 0))
        outer.setSpacing(0)
        head.setContentsMargins(margins(18, 8, 12, 4))
        outer.addLayout(head)
        outer.addWidget(scroll, 1)

    def _add(
        self,
        column: QVBoxLayout,
        title: str,
        control: QWidget | QHBoxLayout,
        named: QWidget | None = None,
        hint: str = "",
    ) -> None:
        label = _words(title, "")
        column.addSpacing(6)
        column.addWidget(label)
        if isinstance(control, QWidget):
            column.addWidget(control)
            named = named or control
        else:
            column.addLayout(control)
        if named is not None:
            label.setBuddy(named)
            named.setAccessibleName(title)
            named.setAccessibleDescription(hint)
        if hint:
            column.addWidget(_words(hint, "muted"))


def _number(name: str, *, least: float, most: float, step: float, decimals: int) -> Number:
    number = Number()
    number.setObjectName(name)
    number.setDecimals(decimals)
    number.setRange(least, most)
    number.setSingleStep(step)
    number.setSpecialValueText(_("The model's own"))
    return number


def _words(text: str, kind: str) -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    if kind:
        label.setProperty("kind", kind)
    return label


def _small_button(text: str, name: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setProperty("kind", "quiet")
    button.setCursor(Qt.CursorShape.PointingHandCursor)
    return button


def _beside(first: QWidget, second: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(6)
    row.addWidget(first, 1)
    row.addWidget(second)
    return row
