"""The settings page: sections on the left, a field to search above, the section's settings beside. GUI thread.

    SettingsDesk.overview ──present_groups──► GroupSection ──► SettingRow ──change_asked──► SettingsDesk
    AppearanceDesk        ──present_app─────►      "                        (rows named desktop-…)

While something is searched, all settings with these words are shown, whichever section they are in.
"""

from __future__ import annotations

from PySide6.QtCore import QElapsedTimer, QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import QFrame, QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from meadow_desktop.engine_words import told
from meadow_desktop.language import _, languages
from meadow_desktop.phrases import with_end_mark
from meadow_desktop.settings.app_rows import AUTOSTART, GROUP, present_app
from meadow_desktop.settings.appearance_desk import AppearanceDesk
from meadow_desktop.settings.desk import SettingsDesk
from meadow_desktop.settings.holding_back import present_now
from meadow_desktop.settings.rows import GroupView, present_groups
from meadow_desktop.settings.storage import StorageDesk
from meadow_desktop.settings.work import Work
from meadow_desktop.windows.page import Page
from meadow_desktop.windows.settings.about_section import AboutSection
from meadow_desktop.windows.settings.api_section import ApiSection
from meadow_desktop.windows.settings.group_section import GroupSection
from meadow_desktop.windows.settings.logs_section import LogsSection
from meadow_desktop.windows.settings.now_card import NowCard
from meadow_desktop.windows.settings.scroll_column import ScrollColumn
from meadow_desktop.windows.settings.sidebar import Sidebar
from meadow_desktop.windows.settings.storage_section import StorageSection
from meadow_desktop.windows.settings.words import make_words
from meadow_desktop.windows.theme import Theme
from meadow_engine.api.places import Places

_NOW_GROUP = "When to share"
_TURN_MS = 15
_SHORTEST_QUERY = 2  # one letter is in nearly all of them
_API, _STORAGE, _LOGS, _ABOUT = "api", "storage", "logs", "about"


class SettingsPage(Page):
    """Where the person says how Meadow should be."""

    pause_asked = Signal(str)  # PauseLength
    resume_asked = Signal()
    anyway_asked = Signal(str)  # the reason's code

    def __init__(self, desk: SettingsDesk, appearance: AppearanceDesk, storage: StorageDesk, places: Places) -> None:
        super().__init__()
        self._desk, self._appearance, self._storage = desk, appearance, storage
        self._work = Work(self)
        self._is_shown = False
        self._side = Sidebar()
        self._search, self._sections = self._side.search, self._side.sections
        self._now = NowCard()
        self._problems = make_words("", "")
        self._away = make_words("", "muted")
        self._nothing = make_words("", "muted")
        self._groups: dict[str, GroupSection] = {}
        self._api = ApiSection(desk.link)
        self._about = AboutSection(desk.link, self._work)
        self._logs = LogsSection(places.logs, self._work)
        self._others: dict[str, QWidget] = {_API: self._api, _STORAGE: StorageSection(storage), _ABOUT: self._about}
        self._stack = QStackedWidget()
        self._making = QTimer(self, interval=0)
        self._making.timeout.connect(self._make_rows)
        self._column = ScrollColumn()
        self._build()
        self._connect()
        self._draw()
        self._draw_now()

    def enter(self) -> None:
        """The page is shown: ask for everything anew."""
        self._is_shown = True
        self._desk.open()
        self._storage.refresh()
        self._search.setFocus()
        self._draw()
        self._enter_section()

    def leave(self) -> None:
        """It is not shown any more."""
        self._is_shown = False
        self._desk.close()
        self._api.hide_key()
        self._logs.leave()

    def show_theme(self, theme: Theme) -> None:
        """Everything here is drawn by palette and style sheet."""

    def show_section(self, name: str) -> None:
        """Go to a section: a group's name as the engine has it, `desktop`, `api`, `storage`, `logs` or `about`."""
        self._search.clear()
        self._sections.choose(name)

    def close_files(self) -> None:
        """The program ends: read nothing more."""
        self._logs.leave()
        self._work.close()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Share the room anew."""
        super().resizeEvent(event)
        self._side.make_room(self.width())

    def changeEvent(self, event: QEvent) -> None:
        """Letters are of another size now."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._side.make_room(self.width())

    def _draw(self) -> None:
        desk = self._desk
        overview = desk.overview
        is_there = desk.status is not None
        groups = []
        if overview is not None:
            if not is_there:
                overview = overview.model_copy(update={"can_change": False})
            reasons = desk.status.reasons if desk.status is not None else []
            groups = present_groups(overview, desk.wanted, desk.refused, reasons, is_restarting=desk.is_restarting)
        self._draw_problems()
        self._away.setText("" if is_there else _("The engine is not running; its settings can be changed when it is."))
        app = present_app(self._appearance.appearance, desk.autostart, languages(), self._appearance.language_now)
        for group in (*groups, app):
            if group.name not in self._groups:
                self._add_group(group)
            self._groups[group.name].show_group(group)
        self._sections.show_sections(
            [(group.name, group.title) for group in (*groups, app)]
            + [
                (_API, _("API access")),
                (_STORAGE, _("Models on disk")),
                (_LOGS, _("Logs")),
                (_ABOUT, _("About")),
            ]
        )
        self._side.make_room(self.width())
        self._show_chosen()
        self._making.start()

    def _make_rows(self) -> None:
        """Some more rows, the chosen section's first, and then others get their turn on this thread."""
        spent = QElapsedTimer()
        spent.start()
        chosen = self._groups.get(self._sections.chosen)
        groups = [*([chosen] if chosen is not None else []), *self._groups.values()]
        while any(group.make_next() for group in groups):
            if spent.elapsed() >= _TURN_MS:
                return
        self._making.stop()

    @property
    def is_complete(self) -> bool:
        """All rows have been made."""
        return not self._making.isActive()

    def _draw_problems(self) -> None:
        overview = self._desk.overview
        if overview is None or not overview.problems:
            self._problems_frame.hide()
            return
        head = _("Something is wrong with the settings in {file}:").format(file=overview.file)
        lines = [f"• {with_end_mark(told(problem))}" for problem in overview.problems]
        self._problems.setText("\n".join([head, *lines]))
        self._problems_frame.show()

    def _draw_now(self) -> None:
        self._now.show_view(present_now(self._desk.link.state), is_pending=self._desk.link.is_sharing_pending)
        self._api.show_engine()
        if self._is_shown:
            self._draw()

    def _add_group(self, group: GroupView) -> None:
        section = GroupSection(group, self._now if group.name == _NOW_GROUP else None)
        section.change_asked.connect(self._change)
        section.reset_asked.connect(lambda name: self._desk.change(name, None))
        section.restart_asked.connect(self._desk.restart)
        # The desktop's own group is the last; what is no group stands below.
        self._column.add_before(section, self._groups.get(GROUP, self._others[_API]))
        self._groups[group.name] = section

    def _change(self, name: str, value: object) -> None:
        if name == AUTOSTART:
            self._desk.set_autostart(bool(value))
        elif name.startswith("desktop-"):
            self._appearance.change(name, value)
        else:
            self._desk.change(name, value)  # type: ignore[arg-type]

    def _show_chosen(self) -> None:
        """Show the chosen section, or everything that was searched for."""
        query = self._search.text().strip()
        if len(query) < _SHORTEST_QUERY:
            query = ""
        chosen = self._sections.chosen
        found: set[str] = set()
        for name, group in self._groups.items():
            group.show_matches(query)
            count = group.count_matches(query) if query else int(name == chosen)
            group.setVisible(count > 0)
            if count:
                found.add(name)
        for name, widget in self._others.items():
            is_found = _has_words(self._sections.title_of(name), query) if query else name == chosen
            widget.setVisible(is_found)
            if is_found:
                found.add(name)
        has_logs = _has_words(self._sections.title_of(_LOGS), query) if query else chosen == _LOGS
        shows_logs = has_logs and (not query or not found)
        self._sections.mark_found(({*found, _LOGS} if has_logs else found) if query else None)
        if self._is_shown and shows_logs and self._stack.currentIndex() == 0:
            self._logs.enter()
        if self._is_shown and _ABOUT in found:
            self._about.enter()
        self._stack.setCurrentIndex(int(shows_logs))
        is_engines = not query and chosen in self._groups and chosen != GROUP
        self._away.setVisible(bool(self._away.text()) and is_engines)
        self._nothing.setVisible(bool(query) and not found and not has_logs)
        self._nothing.setText(_("No setting has the words “{query}”.").format(query=query))

    def _take_section(self) -> None:
        if self._search.text():
            self._search.clear()  # which shows the chosen one
        self._column.go_to_top()
        self._show_chosen()
        self._enter_section()

    def _enter_section(self) -> None:
        if not self._is_shown:
            return
        if self._sections.chosen == _LOGS:
            self._logs.enter()
        else:
            self._logs.leave()
        if self._sections.chosen == _STORAGE:
            self._storage.refresh()

    def _connect(self) -> None:
        desk = self._desk
        desk.changed.connect(self._draw)
        desk.autostart_changed.connect(self._draw)
        desk.now_changed.connect(self._draw_now)
        desk.trouble.connect(self.problem_found)
        desk.trouble_over.connect(self.problem_gone)
        self._appearance.changed.connect(self._draw)
        self._appearance.trouble.connect(self.problem_found)
        self._storage.trouble.connect(self.problem_found)
        self._search.textChanged.connect(self._show_chosen)
        self._sections.chosen_changed.connect(self._take_section)
        self._now.pause_asked.connect(self.pause_asked)
        self._now.resume_asked.connect(self.resume_asked)
        self._now.anyway_asked.connect(self.anyway_asked)
        shortcut = QShortcut(QKeySequence.StandardKey.Find, self)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(self._search.setFocus)

    def _build(self) -> None:
        self._problems_frame = QFrame()
        self._problems_frame.setObjectName("warning")
        inner = QVBoxLayout(self._problems_frame)
        inner.setContentsMargins(14, 10, 14, 10)
        inner.addWidget(self._problems)
        for widget in (self._problems_frame, self._away, self._nothing, *self._others.values()):
            self._column.add(widget)
        self._stack.addWidget(self._column)
        self._stack.addWidget(self._logs)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self._side)
        row.addWidget(self._stack, 1)


def _has_words(text: str, query: str) -> bool:
    return all(word in text.casefold() for word in query.casefold().split())
