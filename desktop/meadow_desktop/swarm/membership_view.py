"""The swarms that this computer keeps, in words: the one in use, its invitation, and the others. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from meadow_desktop.language import _, ngettext
from meadow_desktop.phrases import as_sentence, describe_problem
from meadow_desktop.swarm.joining import is_swarm_name
from meadow_engine.api.errors import Problem
from meadow_engine.api.swarms import SwarmEntry, SwarmsOverview


@dataclass(frozen=True)
class KeptSwarmView:
    """One swarm. `name` is the engine's, `title` what people read; an empty `invitation` cannot be copied."""

    name: str
    title: str
    words: str
    invitation: str
    invitation_words: str
    can_use: bool
    can_leave: bool


@dataclass(frozen=True)
class MembershipView:
    """The card; `restart` says why the engine has to start again, and is empty where it has not."""

    used: KeptSwarmView
    others: tuple[KeptSwarmView, ...]
    restart: str


def present_membership(overview: SwarmsOverview | None, *, is_restarting: bool = False) -> MembershipView | None:
    """The card for what the engine says; None while it has said nothing."""
    used = next((swarm for swarm in overview.swarms if swarm.is_in_use), None) if overview is not None else None
    if overview is None or used is None:
        return None
    restart = ""
    if is_restarting:
        restart = _("The engine starts again…")
    elif overview.needs_restart:
        restart = _(
            "The engine is still in the swarm where it was. It changes over when it starts again; "
            "conversations under way move on to other computers."
        )
    return MembershipView(
        used=_present(used, needs_restart=overview.needs_restart),
        others=tuple(
            _present(swarm, needs_restart=overview.needs_restart) for swarm in overview.swarms if not swarm.is_in_use
        ),
        restart=restart,
    )


def explain_leaving(swarm: KeptSwarmView) -> str:
    """What is lost with a swarm, before the person decides."""
    if swarm.invitation:
        return _("Meadow forgets it on this computer. To come back you need an invitation.")
    return _("Meadow forgets it on this computer.")


def explain_refusal(problem: Problem) -> str:
    """Why the engine did not make or join a swarm, in one line."""
    return describe_problem(retold_refusal(problem))


def retold_refusal(problem: Problem) -> Problem:
    """The same problem for people who hold an invitation, and neither know addresses nor type commands."""
    match problem.code:
        case "swarm-name-taken":
            return problem.model_copy(update={"advice": _("Choose another name.")})
        case "swarm-unreachable":
            message = _("Nobody answered at the computers of this invitation")
            advice = _(
                "Check that this computer is online, and ask whoever invited you whether theirs is on, or for a new "
                "invitation."
            )
        case "bad-address":
            message = _("This invitation is damaged, or a part of it is missing")
            advice = _("Copy it once more, from its beginning to its end.")
        case _:
            return problem
    return problem.model_copy(update={"message": message, "advice": advice})


def fault_of_name(name: str) -> str:
    """Why a swarm cannot be called this; empty when it can."""
    if is_swarm_name(name):
        return ""
    return _("A name has letters without accents, digits, spaces, dots, dashes and underscores.")


def _present(swarm: SwarmEntry, *, needs_restart: bool) -> KeptSwarmView:
    if swarm.invitation:
        invitation_words = _("Whoever has the link can join, and nobody can be shut out again.")
    else:
        invitation_words = _("There is no invitation yet: no address of a computer in it is known.")
    return KeptSwarmView(
        name=swarm.name,
        title=_("The swarm of your settings") if swarm.is_default else swarm.name,
        words=_describe(swarm, needs_restart=needs_restart),
        invitation=swarm.invitation,
        invitation_words=invitation_words,
        can_use=not swarm.is_in_use,
        can_leave=not swarm.is_default,
    )


def _describe(swarm: SwarmEntry, *, needs_restart: bool) -> str:
    parts = []
    if swarm.is_in_use:
        parts.append(_("in use from the next start on") if needs_restart else _("in use"))
    if swarm.is_own:
        parts.append(_("begun by this computer"))
    if swarm.computers == 0:
        parts.append(_("no other computer is connected now"))
    elif swarm.computers is not None:
        parts.append(
            ngettext(
                "{n} other computer is connected now", "{n} other computers are connected now", swarm.computers
            ).format(n=swarm.computers)
        )
    return as_sentence(" · ".join(parts))
