"""The desktop's own settings as rows, in the same form as the engine's. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from meadow_desktop.engine_words import told
from meadow_desktop.language import _, marked
from meadow_desktop.phrases import as_sentence
from meadow_desktop.settings.appearance import TEXT_PERCENTS, THEMES, Appearance
from meadow_desktop.settings.rows import GroupView, RowView
from meadow_engine.api.autostart import AutostartStatus

AUTOSTART = "desktop-autostart"
THEME = "desktop-theme"
TEXT_SIZE = "desktop-text-size"
LANGUAGE = "desktop-language"
NOTIFICATIONS = "desktop-notifications"
GROUP = "desktop"

_THEMES = {
    "system": marked("As the system"),
    "light": marked("Light"),
    "dark": marked("Dark"),
    "high-contrast": marked("High contrast"),
}
_LANGUAGES = {"en": "English", "de": "Deutsch", "fr": "Français", "es": "Español", "pt": "Português", "it": "Italiano"}


def present_app(
    appearance: Appearance, autostart: AutostartStatus | None, languages: Sequence[str], language_now: str
) -> GroupView:
    """Start at login and appearance.

    Args:
        autostart: None where nobody could be asked.
        languages: codes of all there are.
        language_now: the choice that was in force when the program started.
    """
    return GroupView(
        GROUP,
        _("This app"),
        (
            RowView(
                AUTOSTART,
                _("Start at login"),
                _("Start Meadow in the tray when you log in."),
                "switch",
                autostart is not None and autostart.is_on,
                can_change=autostart is not None and autostart.is_possible,
                note=_describe_autostart(autostart),
            ),
            RowView(
                THEME,
                _("Theme"),
                _("Colours of all of Meadow's windows."),
                "choice",
                appearance.theme,
                choices=tuple((name, _(_THEMES[name])) for name in THEMES),
            ),
            RowView(
                TEXT_SIZE,
                _("Text size"),
                _("How large letters are in Meadow's windows."),
                "choice",
                str(appearance.text_percent),
                choices=tuple((str(percent), f"{percent} %") for percent in TEXT_PERCENTS),
            ),
            RowView(
                LANGUAGE,
                _("Language"),
                _("The language of Meadow's windows and messages."),
                "choice",
                appearance.language,
                choices=(
                    ("system", _("As the system")),
                    *((code, _LANGUAGES.get(code, code)) for code in languages),
                ),
                note=_("Counts when Meadow is started again.") if appearance.language != language_now else "",
            ),
            RowView(
                NOTIFICATIONS,
                _("Notifications"),
                _("Let Meadow show messages of the system when something needs you."),
                "switch",
                appearance.notifications,
            ),
        ),
    )


def _describe_autostart(autostart: AutostartStatus | None) -> str:
    """Which entry starts it, or why none can."""
    if autostart is None or (autostart.is_possible and not autostart.is_on):
        return ""
    return as_sentence(told(autostart.description))
