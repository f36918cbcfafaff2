"""What the desks have in common that ask the engine again and again while somebody looks. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from meadow_desktop.engine.link import EngineLink
from meadow_desktop.engine.link_state import Connected
from meadow_engine.api.errors import Problem
from meadow_engine.api.status import EngineStatus


class WatchingDesk(QObject):
    """Asks when somebody begins to look, and then every `look_ms`; deriving classes say what, in `ask`."""

    changed = Signal()
    trouble = Signal(object)  # Problem
    trouble_over = Signal()

    def __init__(self, link: EngineLink, look_ms: int, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.link = link
        self.is_watching = False
        self._look_ms = look_ms
        self._had_trouble = False
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.ask)

    @property
    def status(self) -> EngineStatus | None:
        """What the engine says of itself; None while there is none."""
        state = self.link.state
        return state.status if isinstance(state, Connected) else None

    def watch(self) -> None:
        """Somebody looks."""
        self.is_watching = True
        self._timer.start(self._look_ms)
        self.ask()

    def rest(self) -> None:
        """Nobody looks any more."""
        self.is_watching = False
        self._timer.stop()

    def ask(self) -> None:
        """Ask the engine, if there is one."""
        raise NotImplementedError

    def tell_trouble(self, problem: Problem) -> None:
        """Tell it to whoever looks; that the engine has gone is told elsewhere."""
        if self.status is not None and self.is_watching:
            self._had_trouble = True
            self.trouble.emit(problem)

    def tell_over(self) -> None:
        """An answer came: whatever was told before is over."""
        if self._had_trouble:
            self._had_trouble = False
            self.trouble_over.emit()
