"""`meadow swarm new|join|use|list|leave`: which swarm this computer is in.

The running engine is asked, as it knows its addresses. Where none runs, the same is done to the kept list itself.
"""

from __future__ import annotations

import argparse
import os
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping
from typing import Any

from pydantic import ValidationError

from meadow_client.errors import UsageError
from meadow_engine.api.places import Places
from meadow_engine.api.swarms import JoinSwarm, NewSwarm, SwarmEntry, SwarmsOverview
from meadow_engine.cli.console import DONE, note, run_loop
from meadow_engine.cli.engine_api import NoEngineError, get, post
from meadow_engine.cli.options import add_json, places_of

# Asking whether somebody answers at an invitation takes p2pd's start and its patience with a silent network.
_PATIENCE_S = 40.0
_EVERYBODY = "There is no password: whoever has this link, or the address of a computer in the swarm, can join."
_LATER = "The engine stays in the swarm where it is until it is started again."
_RESTARTS = "The engine starts again now, in this swarm."


class _ChangingCommand(ABC):
    """A command after which this computer is in another swarm, or keeps another list of them."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        self._add_own(parser)
        parser.add_argument("--later", action="store_true", help="let it count only when Meadow is started again")
        add_json(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        known = _change(arguments, *self._asked(arguments))
        if arguments.json:
            print(known.model_dump_json())
        else:
            self._say(arguments, _used(known))
        return DONE

    @abstractmethod
    def _add_own(self, parser: argparse.ArgumentParser) -> None:
        """What only this command takes."""

    @abstractmethod
    def _asked(self, arguments: argparse.Namespace) -> tuple[str, Mapping[str, Any]]:
        """The API's path, and what is sent there. Raises `UsageError` for what nobody has to be asked."""

    def _say(self, arguments: argparse.Namespace, used: SwarmEntry) -> None:
        """Tell the person in which swarm this computer is now."""
        print(f"This computer uses {used.name} from now on.")


class NewCommand(_ChangingCommand):
    """`meadow swarm new [--name NAME]`."""

    HELP = "begin a swarm of your own with this computer, and print the link with which others join"

    def _add_own(self, parser: argparse.ArgumentParser) -> None:
        _add_name(parser)

    def _asked(self, arguments: argparse.Namespace) -> tuple[str, Mapping[str, Any]]:
        return "/api/swarms/new", {"name": _checked_name(arguments.name)}

    def _say(self, arguments: argparse.Namespace, used: SwarmEntry) -> None:
        print(used.invitation)
        note(
            f"This is the link to {used.name}; others join with it on the app's Swarm page, or with"
            f" `meadow swarm join LINK`. {_EVERYBODY}"
        )


class JoinCommand(_ChangingCommand):
    """`meadow swarm join LINK [--name NAME]`."""

    HELP = "use the swarm of a meadow:// link from now on"

    def _add_own(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("link", metavar="LINK", help="a meadow:// link, or the address of a computer in the swarm")
        _add_name(parser)

    def _asked(self, arguments: argparse.Namespace) -> tuple[str, Mapping[str, Any]]:
        from meadow_client.invitation import read_addresses

        read_addresses([arguments.link])
        joining = JoinSwarm(invitation=arguments.link, name=_checked_name(arguments.name))
        return "/api/swarms/join", joining.model_dump()


class UseCommand(_ChangingCommand):
    """`meadow swarm use NAME`."""

    HELP = "go back to a swarm that this computer keeps"

    def _add_own(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="as `meadow swarm list` shows it; `default` is one, too")

    def _asked(self, arguments: argparse.Namespace) -> tuple[str, Mapping[str, Any]]:
        return "/api/swarms/use", {"name": arguments.name}


class LeaveCommand(_ChangingCommand):
    """`meadow swarm leave NAME`."""

    HELP = "forget a swarm; if it is the one in use, go back to the default one"

    def _add_own(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="as `meadow swarm list` shows it")

    def _asked(self, arguments: argparse.Namespace) -> tuple[str, Mapping[str, Any]]:
        return "/api/swarms/leave", {"name": arguments.name}

    def _say(self, arguments: argparse.Namespace, used: SwarmEntry) -> None:
        print(f"{arguments.name} is forgotten. This computer uses {used.name}.")


class ListCommand:
    """`meadow swarm list`."""

    HELP = "show the swarms that this computer keeps, and the one in use"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_json(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        known = _do(places_of(arguments), "/api/swarms", None)
        if arguments.json:
            print(known.model_dump_json())
            return DONE
        print(describe(known))
        if known.needs_restart:
            note(_LATER)
        return DONE


def describe(known: SwarmsOverview) -> str:
    """One line for each swarm, a star before the one in use, and its link below it."""
    width = max(len(swarm.name) for swarm in known.swarms)
    lines = []
    for swarm in known.swarms:
        lines.append(f"{'*' if swarm.is_in_use else ' '} {swarm.name.ljust(width)}  {_facts(swarm)}".rstrip())
        if swarm.invitation:
            lines.append(f"  {' ' * width}  {swarm.invitation}")
    return "\n".join(lines)


def _facts(swarm: SwarmEntry) -> str:
    facts = []
    if swarm.is_default:
        facts.append("as the settings say")
    if swarm.is_own:
        facts.append("begun by this computer")
    if swarm.computers is not None:
        facts.append(f"{swarm.computers} other computer{'' if swarm.computers == 1 else 's'} connected now")
    return ", ".join(facts)


def _used(known: SwarmsOverview) -> SwarmEntry:
    return next(swarm for swarm in known.swarms if swarm.is_in_use)


def _change(arguments: argparse.Namespace, path: str, body: Mapping[str, Any]) -> SwarmsOverview:
    """Do it, and let the running engine start again in its new swarm unless the person wants that later."""
    places = places_of(arguments)
    known = _do(places, path, body)
    if known.needs_restart and not arguments.later:
        post(places, "/api/restart", {})
    if known.needs_restart and not arguments.json:
        note(_LATER if arguments.later else _RESTARTS)
    return known


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", metavar="NAME", help="what to call the swarm on this computer")


def _checked_name(name: str | None) -> str | None:
    try:
        return NewSwarm(name=name).name
    except ValidationError as error:
        raise UsageError(
            "This cannot be the name of a swarm",
            "Take up to 40 letters, digits, spaces, dots, dashes and underscores, with a letter or digit first.",
        ) from error


def _do(places: Places, path: str, body: Mapping[str, Any] | None) -> SwarmsOverview:
    """Ask the engine, or where none runs do it here."""
    try:
        answer = get(places, path) if body is None else post(places, path, body, _PATIENCE_S)
    except NoEngineError:
        return _do_here(places, path, body)
    return SwarmsOverview.model_validate(answer)


def _do_here(places: Places, path: str, body: Mapping[str, Any] | None) -> SwarmsOverview:
    from meadow_engine.kept_settings import KeptSettings
    from meadow_engine.kept_swarms import peers_fixed_by
    from meadow_engine.swarms import Swarms

    settings = KeptSettings(places.settings_file, {}, os.environ)
    swarms = Swarms(places, lambda: settings.settings.initial_peers, None, peers_fixed_by(settings.overview()))
    done: list[SwarmsOverview] = []

    async def do(work: Coroutine[Any, Any, SwarmsOverview]) -> int:
        done.append(await work)
        return DONE

    match path.rpartition("/")[2], dict(body or {}):
        case "new", {"name": name}:
            run_loop(do(swarms.new(name)))
        case "join", {"invitation": invitation, "name": name}:
            run_loop(do(swarms.join(invitation, name)))
        case "use", {"name": name}:
            run_loop(do(swarms.use(name)))
        case "leave", {"name": name}:
            run_loop(do(swarms.leave(name)))
        case _:
            run_loop(do(swarms.overview()))
    return done[0]
