"""Colours and the style sheet, for a light and a dark desktop. GUI thread.

Fusion with a palette of our own looks the same everywhere and follows the system's choice of light or dark.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from meadow_desktop.windows.direction import is_mirrored


@dataclass(frozen=True)
class Theme:
    """Colours by what they are for. `code_style` is a style of Pygments."""

    is_dark: bool
    window: str
    sidebar: str
    surface: str
    text: str
    muted: str
    border: str
    accent: str
    on_accent: str
    bubble: str
    code: str
    code_header: str
    selected: str
    hover: str
    warning: str
    on_warning: str
    error: str
    link: str
    code_style: str


LIGHT = Theme(
    is_dark=False,
    window="#fbfbf8",
    sidebar="#f1f2ec",
    surface="#ffffff",
    text="#20261f",
    muted="#646c62",
    border="#dcded4",
    accent="#2c7a4b",
    on_accent="#ffffff",
    bubble="#e4efe2",
    code="#f4f5ef",
    code_header="#eaece3",
    selected="#dde7d9",
    hover="#e7ebe1",
    warning="#fdf0d8",
    on_warning="#6f4600",
    error="#a3261b",
    link="#1f6b8f",
    code_style="friendly",
)
DARK = Theme(
    is_dark=True,
    window="#1d201e",
    sidebar="#171a18",
    surface="#262a27",
    text="#e5e8e2",
    muted="#9ba39a",
    border="#353b36",
    accent="#58b27c",
    on_accent="#0f1a13",
    bubble="#29392e",
    code="#151816",
    code_header="#222724",
    selected="#2c3a30",
    hover="#242a26",
    warning="#3a2e17",
    on_warning="#f1d199",
    error="#ff9c8f",
    link="#7cc0e0",
    code_style="one-dark",
)


HIGH_CONTRAST = replace(
    DARK,
    window="#000000",
    sidebar="#000000",
    surface="#000000",
    text="#ffffff",
    muted="#e0e0e0",
    border="#a8a8a8",
    accent="#ffd84a",
    on_accent="#000000",
    bubble="#1c1c1c",
    code="#000000",
    code_header="#1c1c1c",
    selected="#3d3400",
    hover="#262626",
    warning="#332a00",
    on_warning="#ffe88a",
    link="#8fd3ff",
    code_style="github-dark",
)

_NAMED = {"light": LIGHT, "dark": DARK, "high-contrast": HIGH_CONTRAST}
_BASE_SIZE = "meadow-base-point-size"
_HEADLINE = 1.5
# Where lines begin on the right, Qt puts the arrow of a button with a menu outside of the button.
_MIRRORED = """
    QPushButton::menu-indicator { subcontrol-origin: padding; subcontrol-position: center right;
        width: 9px; right: 6px; }
"""


def choose_theme(wish: str = "system") -> Theme:
    """The theme that was asked for ("light", "dark", "high-contrast"), or else the system's (light without one)."""
    if wish != "system":
        return _NAMED.get(wish, LIGHT)
    scheme = QGuiApplication.styleHints().colorScheme()
    return DARK if scheme == Qt.ColorScheme.Dark else LIGHT


def apply_theme(application: QApplication, theme: Theme) -> None:
    """Give every window of the program these colours."""
    application.setStyle("Fusion")
    application.setPalette(make_palette(theme))
    headline_pt = max(1.0, application.font().pointSizeF()) * _HEADLINE
    application.setStyleSheet(make_style_sheet(theme, headline_pt, right_to_left=is_mirrored()))


def apply_text_size(application: QApplication, percent: int) -> None:
    """Letters of this size, in percent of what the system has; counts with the next `apply_theme`."""
    font = application.font()
    base = application.property(_BASE_SIZE)
    if not isinstance(base, float):
        base = font.pointSizeF() if font.pointSizeF() > 0 else 10.0
        application.setProperty(_BASE_SIZE, base)
    font.setPointSizeF(base * percent / 100)
    application.setFont(font)


def make_palette(theme: Theme) -> QPalette:
    """Qt's roles for the theme's colours."""
    palette = QPalette()
    roles = {
        QPalette.ColorRole.Window: theme.window,
        QPalette.ColorRole.Base: theme.surface,
        QPalette.ColorRole.AlternateBase: theme.sidebar,
        QPalette.ColorRole.Button: theme.surface,
        QPalette.ColorRole.ToolTipBase: theme.surface,
        QPalette.ColorRole.Text: theme.text,
        QPalette.ColorRole.WindowText: theme.text,
        QPalette.ColorRole.ButtonText: theme.text,
        QPalette.ColorRole.ToolTipText: theme.text,
        QPalette.ColorRole.BrightText: theme.on_accent,
        QPalette.ColorRole.Highlight: theme.accent,
        QPalette.ColorRole.HighlightedText: theme.on_accent,
        QPalette.ColorRole.Link: theme.link,
        QPalette.ColorRole.PlaceholderText: theme.muted,
        QPalette.ColorRole.Mid: theme.border,
    }
    for role, colour in roles.items():
        palette.setColor(role, QColor(colour))
    for role in (QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText, QPalette.ColorRole.WindowText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(theme.muted))
    return palette


def make_style_sheet(theme: Theme, headline_pt: float = 15.0, *, right_to_left: bool = False) -> str:
    """The style sheet; widgets are named by what they are (`objectName`) or by their kind (`kind` property).

    Qt mirrors menus and what lies inside of a control, but not on which side a border or a field's padding is.
    """
    begin, end = ("right", "left") if right_to_left else ("left", "right")
    return f"""
    QMainWindow, #page {{ background: {theme.window}; }}
    QToolTip {{ background: {theme.surface}; color: {theme.text}; border: 1px solid {theme.border}; padding: 4px; }}
    #navigation {{ background: {theme.sidebar}; border-{end}: 1px solid {theme.border}; }}
    #navigation QToolButton {{ background: transparent; color: {theme.muted}; border: 1px solid transparent;
        border-radius: 10px; padding: 8px 2px 6px 2px; }}
    #navigation QToolButton:hover {{ background: {theme.hover}; color: {theme.text}; }}
    #navigation QToolButton:checked {{ background: {theme.selected}; color: {theme.text}; font-weight: 600; }}
    #navigation QToolButton:focus {{ border: 1px solid {theme.accent}; }}
    #sidebar {{ background: {theme.sidebar}; border-{end}: 1px solid {theme.border}; }}
    #conversation-list {{ background: transparent; border: none; outline: none; }}
    #conversation-list::item {{ padding: 8px 10px; border-radius: 8px; margin: 1px 0; color: {theme.text}; }}
    #conversation-list::item:hover {{ background: {theme.hover}; }}
    #conversation-list::item:selected {{ background: {theme.selected}; color: {theme.text}; }}
    #header {{ background: {theme.window}; border: none; border-bottom: 1px solid {theme.border}; }}
    #title {{ font-weight: 600; }}
    #conversation-list::item:focus, #search-results::item:focus {{ border: 1px solid {theme.accent}; }}
    #search-results {{ background: transparent; border: none; outline: none; }}
    #search-results::item {{ border-radius: 8px; }}
    #search-results::item:hover {{ background: {theme.hover}; }}
    #search-results::item:selected {{ background: {theme.selected}; }}
    #rename-in-list {{ padding: 0 4px; border-radius: 6px; border: 1px solid {theme.accent}; }}
    #question-editor {{ background: {theme.surface}; border: 1px solid {theme.accent}; border-radius: 14px; }}
    #conversation-settings {{ background: {theme.window}; border: none; border-{begin}: 1px solid {theme.border}; }}
    {_MIRRORED if right_to_left else ""}
    #conversation-menu-button::menu-indicator {{ image: none; width: 0; }}
    #passing-note {{ background: {theme.surface}; border: 1px solid {theme.border}; border-radius: 10px; }}
    #context-bar {{ border-radius: 2px; }}
    #context-bar::chunk {{ background: {theme.muted}; border-radius: 2px; }}
    #context-bar[level="near"]::chunk, #context-bar[level="full"]::chunk {{ background: {theme.on_warning}; }}
    QPushButton[kind="quiet"]:checked {{ background: {theme.selected}; color: {theme.text}; }}
    #transcript, #transcript-page {{ background: {theme.window}; border: none; }}
    QLabel[kind="muted"] {{ color: {theme.muted}; }}
    QLabel[kind="mark"] {{ color: {theme.on_warning}; }}
    QLabel[kind="error"] {{ color: {theme.error}; font-weight: 600; }}
    #settings-sections {{ background: transparent; border: none; outline: none; }}
    #settings-sections::item {{ padding: 7px 10px; border-radius: 8px; margin: 1px 0; color: {theme.text}; }}
    #settings-sections::item:hover {{ background: {theme.hover}; }}
    #settings-sections::item:selected {{ background: {theme.selected}; color: {theme.text}; }}
    #settings-sections::item:focus {{ border: 1px solid {theme.accent}; }}
    #settings-scroll, #settings-page {{ background: {theme.window}; border: none; }}
    #setting-row, #now-card {{ background: {theme.surface}; border: 1px solid {theme.border}; border-radius: 10px; }}
    #setting-row[marked="true"] {{ border: 1px solid {theme.on_warning}; }}
    #setting-row QLabel[kind="mark"] {{ background: {theme.warning}; border-radius: 6px; padding: 5px 8px; }}
    #now-card #reason {{ background: {theme.warning}; border-radius: 8px; }}
    #now-card #reason QLabel {{ color: {theme.on_warning}; }}
    #entry {{ background: {theme.window}; border: 1px solid {theme.border}; border-radius: 8px; }}
    #example {{ background: {theme.code}; border: 1px solid {theme.border}; border-radius: 10px; padding: 10px; }}
    #log-text {{ background: {theme.code}; border: 1px solid {theme.border}; border-radius: 10px; padding: 6px; }}
    QLineEdit {{ background: {theme.surface}; color: {theme.text}; border: 1px solid {theme.border};
        border-radius: 8px; padding: 5px 8px; min-height: 18px; }}
    QLineEdit:focus, #log-text:focus {{ border: 1px solid {theme.accent}; }}
    QLineEdit:disabled {{ color: {theme.muted}; background: {theme.window}; }}
    QAbstractSpinBox QLineEdit {{ border: none; padding: 0; background: transparent; }}
    *[kind="field"] {{ background: {theme.surface}; color: {theme.text};
        border: 1px solid {theme.border}; border-radius: 8px; padding: 4px; padding-{begin}: 9px; }}
    *[kind="field"]:focus {{ border: 1px solid {theme.accent}; }}
    *[kind="field"]:disabled {{ color: {theme.muted}; background: {theme.window}; }}
    QComboBox[kind="field"]::drop-down {{ border: none; width: 22px; }}
    QDoubleSpinBox[kind="field"]::up-button {{ border: none; width: 22px; }}
    QDoubleSpinBox[kind="field"]::down-button {{ border: none; width: 22px; }}
    QLabel[kind="headline"] {{ font-size: {headline_pt:g}pt; font-weight: 600; }}
    QLabel[kind="strong"] {{ font-weight: 600; }}
    QTextBrowser, QTextEdit {{ background: transparent; border: none; }}
    #bubble {{ background: {theme.bubble}; border-radius: 14px; }}
    #code-card {{ background: {theme.code}; border: 1px solid {theme.border}; border-radius: 10px; }}
    #code-header {{ background: {theme.code_header}; border-top-left-radius: 9px; border-top-right-radius: 9px; }}
    #composer {{ background: {theme.surface}; border: 1px solid {theme.border}; border-radius: 16px; }}
    #composer[focused="true"] {{ border: 1px solid {theme.accent}; }}
    #warning {{ background: {theme.warning}; border-radius: 10px; }}
    #warning QLabel {{ color: {theme.on_warning}; }}
    QFrame#card {{ background: {theme.surface}; border: 1px solid {theme.border}; border-radius: 12px; }}
    QLabel[kind="card-title"] {{ font-size: 16px; font-weight: 600; }}
    #trouble {{ background: {theme.warning}; color: {theme.on_warning}; border-radius: 8px; padding: 6px 10px; }}
    QTableView {{ background: transparent; border: none; outline: none; selection-background-color: {theme.selected};
        selection-color: {theme.text}; }}
    QHeaderView {{ background: transparent; border: none; }}
    QHeaderView::section {{ background: transparent; color: {theme.muted}; border: none;
        border-bottom: 1px solid {theme.border}; padding: 4px 6px 6px 4px; font-weight: 400; }}
    #downloads {{ background: {theme.sidebar}; border-top: 1px solid {theme.border}; }}
    QProgressBar {{ background: {theme.border}; border: none; border-radius: 3px; }}
    QProgressBar::chunk {{ background: {theme.accent}; border-radius: 3px; }}
    QRadioButton {{ spacing: 8px; }}
    QRadioButton::indicator {{ width: 14px; height: 14px; border: 1px solid {theme.muted}; border-radius: 8px;
        background: {theme.surface}; }}
    QRadioButton::indicator:focus {{ border: 1px solid {theme.accent}; }}
    QRadioButton::indicator:checked {{ border: 1px solid {theme.accent}; background: qradialgradient(cx: 0.5, cy: 0.5,
        radius: 0.5, fx: 0.5, fy: 0.5, stop: 0 {theme.accent}, stop: 0.55 {theme.accent}, stop: 0.65 {theme.surface},
        stop: 1 {theme.surface}); }}
    QRadioButton:focus {{ color: {theme.accent}; }}
    QDialog {{ background: {theme.window}; }}
    #strip {{ background: {theme.sidebar}; border-top: 1px solid {theme.border}; }}
    QPushButton {{ background: {theme.surface}; color: {theme.text}; border: 1px solid {theme.border};
        border-radius: 8px; padding: 6px 12px; }}
    QPushButton:hover {{ background: {theme.hover}; }}
    QPushButton:focus {{ border: 1px solid {theme.accent}; }}
    QPushButton:disabled {{ color: {theme.muted}; }}
    QPushButton[kind="primary"] {{ background: {theme.accent}; color: {theme.on_accent};
        border: 1px solid {theme.accent}; font-weight: 600; border-radius: 10px; padding: 7px 16px; }}
    QPushButton[kind="primary"]:focus {{ border: 1px solid {theme.text}; }}
    QPushButton[kind="primary"]:disabled {{ background: {theme.hover}; color: {theme.muted};
        border: 1px solid {theme.border}; }}
    QPushButton[kind="stop"] {{ border-radius: 10px; padding: 7px 14px; font-weight: 600; }}
    QPushButton[kind="quiet"] {{ background: transparent; border: 1px solid transparent; color: {theme.muted};
        padding: 3px 8px; border-radius: 6px; }}
    QPushButton[kind="quiet"]:hover {{ background: {theme.hover}; color: {theme.text}; }}
    #choose-model {{ margin-{end}: 6px; }}
    QPushButton[kind="quiet"][begins="true"] {{ padding-{begin}: 0; }}
    QPushButton[kind="quiet"][begins="true"]:hover {{ background: transparent; }}
    QPushButton[kind="quiet"]:focus {{ border: 1px solid {theme.accent}; }}
    QScrollBar:vertical {{ background: transparent; width: 10px; margin: 2px; }}
    QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 2px; }}
    QScrollBar::handle {{ background: {theme.border}; border-radius: 3px; min-height: 28px; min-width: 28px; }}
    QScrollBar::handle:disabled {{ background: transparent; }}
    QScrollBar::handle:hover {{ background: {theme.muted}; }}
    QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
    QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
    QSplitter::handle {{ background: transparent; }}
    QMenu {{ background: {theme.surface}; color: {theme.text}; border: 1px solid {theme.border}; padding: 4px; }}
    QMenu::item {{ padding: 6px 22px 6px 12px; border-radius: 5px; }}
    QMenu::item:selected {{ background: {theme.selected}; }}
    QMenu::item:disabled {{ color: {theme.muted}; }}
    QMenu::separator {{ height: 1px; background: {theme.border}; margin: 4px 8px; }}
    """
