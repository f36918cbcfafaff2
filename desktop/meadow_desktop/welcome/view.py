"""The screens of the first start in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from meadow_desktop.language import _, in_figures, ngettext
from meadow_desktop.phrases import short_model_name
from meadow_desktop.swarm.joining import looks_like_invitation
from meadow_desktop.swarm.membership_view import fault_of_name
from meadow_desktop.welcome.choices import SCREENS, Choices, Screen, can_leave
from meadow_engine.api.autostart import AutostartStatus
from meadow_engine.api.computer import ComputerOverview
from meadow_engine.api.downloads import DownloadSize


@dataclass(frozen=True)
class WelcomeView:
    """The frame around a screen: its title, how far it is, and its buttons."""

    title: str
    progress: str
    can_go_back: bool
    can_continue: bool
    continue_words: str


_MB, _GB = 1e6, 1e9


def present_frame(screen: Screen, choices: Choices, *, is_busy: bool) -> WelcomeView:
    """Title and buttons; while something is under way nothing can be pressed twice."""
    titles: dict[Screen, str] = {
        "what": _("Welcome to Meadow"),
        "share": _("Do you want to share this computer?"),
        "where": _("Which swarm, and which model?"),
        "summary": _("Ready"),
    }
    last = screen == SCREENS[-1]
    words = _("Start sharing") if choices.shares else _("Start")
    return WelcomeView(
        title=titles[screen],
        progress=_("{step} of {steps}").format(step=SCREENS.index(screen) + 1, steps=len(SCREENS)),
        can_go_back=screen != SCREENS[0] and not is_busy,
        can_continue=can_leave(screen, choices) and not is_busy,
        continue_words=words if last else _("Continue"),
    )


def explain_meadow() -> tuple[str, ...]:
    """What this is, and what others can see."""
    return (
        _(
            "Meadow runs language models that are too large for one computer. Many computers hold a few layers each, "
            "and your questions pass through all of them."
        ),
        _(
            "What others can see: the computers that answer you receive numbers made of your words, and somebody who "
            "tries can read the words from them. Leave secrets out, or use a swarm of people you trust."
        ),
        _(
            "What others cannot do: see your files, run programs here, or use this computer while you use it. Your "
            "conversations are kept on this computer only."
        ),
    )


def describe_computer(computer: ComputerOverview | None) -> str:
    """What was found, and what would be lent of it."""
    if computer is None:
        return _("Looking at this computer…")
    if computer.lends_graphics and computer.graphics:
        cards = ", ".join(_describe_card(card.name, card.total_bytes) for card in computer.graphics)
        found = _("Found: {cards}.").format(cards=cards)
    else:
        found = _("Found no graphics card that can be shared; the processor would compute, which is slower.")
    if not computer.lent_bytes:
        return found
    lent = _("At most {size} of memory would be lent, and less when you need more.")
    return f"{found} {lent.format(size=describe_size(computer.lent_bytes))}"


def explain_when(computer: ComputerOverview | None) -> tuple[str, ...]:
    """When something is shared, and when not."""
    minutes = max(1, round((computer.idle_s if computer is not None else 180) / 60))
    away = ngettext(
        "Only when nobody has used the computer for {n} minute.",
        "Only when nobody has used the computer for {n} minutes.",
        minutes,
    ).format(n=minutes)
    lines = [
        away,
        _("Never beside a game, a film, or other work of the graphics card; never on battery or on a metered network."),
        _("When you come back everything is given back at once. You can pause, or stop for good, at any time."),
    ]
    if computer is not None and not computer.tells_presence:
        lines.append(_("This system does not tell when you are away; Meadow shares only while the screen is locked."))
    return tuple(lines)


def fault_of_choice(choices: Choices) -> str:
    """Why one cannot go on with what is written; nothing while nothing is."""
    if choices.swarm == "join" and choices.invitation.strip() and not looks_like_invitation(choices.invitation):
        return _("This is no invitation: one begins with meadow://")
    return fault_of_name(choices.swarm_name) if choices.swarm == "new" else ""


def summarise(
    choices: Choices, computer: ComputerOverview | None, size: DownloadSize | None, default_swarm: str
) -> tuple[str, ...]:
    """What the last click does, line by line."""
    lines = [_("This computer is shared while you are away.") if choices.shares else _("Nothing is shared; you chat.")]
    match choices.swarm:
        case "default":
            lines.append(default_swarm)
        case "join":
            lines.append(_("You join the swarm of your invitation."))
        case "new":
            lines.append(_("A new private swarm begins here; an invitation for others is on the page “Swarm”."))
    if not choices.model:
        lines.append(_("Model: the small one that came with Meadow, until you choose another in the settings."))
    else:
        lines.append(_("Model: {model}.").format(model=short_model_name(choices.model)))
    if size is not None and size.fetch_bytes:
        lines.append(
            _("{size} are fetched to chat with it ({free} are free on the disk).").format(
                size=describe_size(size.fetch_bytes), free=describe_size(size.free_bytes)
            )
        )
        if choices.shares:
            lines.append(_("The layers that you share are fetched when sharing begins."))
    return tuple(lines)


def describe_login(autostart: AutostartStatus | None) -> str:
    """What "Start at login" does here, or why it is not offered."""
    if autostart is None or autostart.is_possible:
        return ""
    return autostart.description


def describe_default_swarm(addresses: int) -> str:
    """Honest about there being no computers to meet yet."""
    if not addresses:
        return _("The swarm is this computer alone, until others join it or you join theirs.")
    return ngettext(
        "The swarm of your settings, met at {n} address.",
        "The swarm of your settings, met at {n} addresses.",
        addresses,
    ).format(n=addresses)


def describe_size(size_bytes: float) -> str:
    """ "312 MB", "1.4 GB"."""
    if size_bytes < _GB:
        return _("{n} MB").format(n=in_figures(f"{max(1, round(size_bytes / _MB)):,}"))
    gigabytes = size_bytes / _GB
    return _("{n} GB").format(n=in_figures(f"{gigabytes:.1f}" if gigabytes < 100 else f"{gigabytes:,.0f}"))


def _describe_card(name: str, total_bytes: int | None) -> str:
    if total_bytes is None:
        return name
    return _("{card} with {size}").format(card=name, size=describe_size(total_bytes))
