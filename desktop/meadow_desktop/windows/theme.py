"""Colours and the style sheet, for a light and a dark desktop. GUI thread.

Fusion with a palette of our own looks the same everywhere and follows the system's choice of light or dark.
"""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication


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
    link="#7cc0e0",
    code_style="one-dark",
)


def choose_theme(wish: str = "system") -> Theme:
    """The theme that was asked for ("light", "dark"), or else the system's (light where it has none)."""
    if wish != "system":
        return DARK if wish == "dark" else LIGHT
    scheme = QGuiApplication.styleHints().colorScheme()
    return DARK if scheme == Qt.ColorScheme.Dark else LIGHT


def apply_theme(application: QApplication, theme: Theme) -> None:
    """Give every window of the program these colours."""
    application.setStyle("Fusion")
    application.setPalette(make_palette(theme))
    application.setStyleSheet(make_style_sheet(theme))


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


def make_style_sheet(theme: Theme) -> str:
    """The style sheet; widgets are named by what they are (`objectName`) or by their kind (`kind` property)."""
    return f"""
    QMainWindow, #page {{ background: {theme.window}; }}
    QToolTip {{ background: {theme.surface}; color: {theme.text}; border: 1px solid {theme.border}; padding: 4px; }}
    #navigation {{ background: {theme.sidebar}; border-right: 1px solid {theme.border}; }}
    #navigation QToolButton {{ background: transparent; color: {theme.muted}; border: 1px solid transparent;
        border-radius: 10px; padding: 8px 2px 6px 2px; }}
    #navigation QToolButton:hover {{ background: {theme.hover}; color: {theme.text}; }}
    #navigation QToolButton:checked {{ background: {theme.selected}; color: {theme.text}; font-weight: 600; }}
    #navigation QToolButton:focus {{ border: 1px solid {theme.accent}; }}
    #sidebar {{ background: {theme.sidebar}; border-right: 1px solid {theme.border}; }}
    #conversation-list {{ background: transparent; border: none; outline: none; }}
    #conversation-list::item {{ padding: 8px 10px; border-radius: 8px; margin: 1px 0; color: {theme.text}; }}
    #conversation-list::item:hover {{ background: {theme.hover}; }}
    #conversation-list::item:selected {{ background: {theme.selected}; color: {theme.text}; }}
    #header {{ border-bottom: 1px solid {theme.border}; }}
    #title {{ font-weight: 600; }}
    #transcript, #transcript-page {{ background: {theme.window}; border: none; }}
    QLabel[kind="muted"] {{ color: {theme.muted}; }}
    QLabel[kind="headline"] {{ font-size: 20px; font-weight: 600; }}
    QLabel[kind="strong"] {{ font-weight: 600; }}
    QTextBrowser, QTextEdit {{ background: transparent; border: none; }}
    #bubble {{ background: {theme.bubble}; border-radius: 14px; }}
    #code-card {{ background: {theme.code}; border: 1px solid {theme.border}; border-radius: 10px; }}
    #code-header {{ background: {theme.code_header}; border-top-left-radius: 9px; border-top-right-radius: 9px; }}
    #composer {{ background: {theme.surface}; border: 1px solid {theme.border}; border-radius: 16px; }}
    #composer[focused="true"] {{ border: 1px solid {theme.accent}; }}
    #warning {{ background: {theme.warning}; border-radius: 10px; }}
    #warning QLabel {{ color: {theme.on_warning}; }}
    #strip {{ background: {theme.sidebar}; border-top: 1px solid {theme.border}; }}
    QPushButton {{ background: {theme.surface}; color: {theme.text}; border: 1px solid {theme.border};
        border-radius: 8px; padding: 6px 12px; }}
    QPushButton:hover {{ background: {theme.hover}; }}
    QPushButton:focus {{ border: 1px solid {theme.accent}; }}
    QPushButton:disabled {{ color: {theme.muted}; }}
    QPushButton[kind="primary"] {{ background: {theme.accent}; color: {theme.on_accent};
        border: 1px solid {theme.accent}; font-weight: 600; border-radius: 10px; padding: 7px 16px; }}
    QPushButton[kind="primary"]:focus {{ border: 1px solid {theme.text}; }}
    QPushButton[kind="primary"]:disabled {{ background: {theme.border}; color: {theme.muted};
        border: 1px solid {theme.border}; }}
    QPushButton[kind="stop"] {{ border-radius: 10px; padding: 7px 14px; font-weight: 600; }}
    QPushButton[kind="quiet"] {{ background: transparent; border: 1px solid transparent; color: {theme.muted};
        padding: 3px 8px; border-radius: 6px; }}
    QPushButton[kind="quiet"]:hover {{ background: {theme.hover}; color: {theme.text}; }}
    QPushButton[kind="quiet"]:focus {{ border: 1px solid {theme.border}; }}
    QScrollBar:vertical {{ background: transparent; width: 10px; margin: 2px; }}
    QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 2px; }}
    QScrollBar::handle {{ background: {theme.border}; border-radius: 3px; min-height: 28px; min-width: 28px; }}
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
