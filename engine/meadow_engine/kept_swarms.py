"""The swarms that this computer keeps: `swarms.json` in the data folder (mode 0600: it holds addresses of others).

The default swarm is not in it: that is what `initial_peers` of the settings says. Every other one has its own folder of
identities, so that this computer is another peer there. Otherwise computers of one swarm, which remember where peers
were, would call this one in the next swarm, and bring both together.

There is no key to a swarm: libp2p's pre-shared keys are not in p2pd. A swarm is private as long as nobody who holds an
address of it passes it on.
"""

from __future__ import annotations

import logging
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from meadow_client.errors import MeadowError, SwarmUnreachableError, UsageError
from meadow_client.invitation import peer_of
from meadow_client.swarm.listening import check_free, keep_ports
from meadow_engine.api.places import Places, write_private
from meadow_engine.api.settings import Settings
from meadow_engine.api.settings_overview import SettingsOverview
from meadow_engine.api.swarms import DEFAULT_SWARM

log = logging.getLogger(__name__)

_INITIAL_PEERS = "initial_peers"


class SwarmsBrokenError(MeadowError):
    """Never taken for an empty list: that would bring a private computer into the default swarm."""

    code = "swarms-broken"

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{path}, which says in which swarm this computer is, cannot be read ({why})",
            "Mend the file, or delete it to go back to the default swarm.",
        )


class SwarmNameTakenError(UsageError):
    code = "swarm-name-taken"
    advice = "Give another name with --name."

    def __init__(self, name: str) -> None:
        super().__init__(f"There is a swarm called {name} already")


class NoSuchSwarmError(UsageError):
    code = "no-such-swarm"
    advice = "`meadow swarm list` shows those that are kept."

    def __init__(self, name: str) -> None:
        super().__init__(f"No swarm called {name} is kept here")


class KeptSwarm(BaseModel):
    """`addresses` are where it is joined; of an own swarm they are this computer's, which listens at `listen` there."""

    model_config = ConfigDict(frozen=True)

    key: str
    name: str
    is_own: bool
    addresses: tuple[str, ...]
    listen: tuple[str, ...] = ()

    @property
    def peers(self) -> list[str]:
        """Whom this computer calls to be in the swarm."""
        return [] if self.is_own else list(self.addresses)

    def is_at(self, addresses: Sequence[str]) -> bool:
        """Whether an invitation with these addresses means this swarm."""
        own, given = ({peer_of(address) for address in group} for group in (self.addresses, addresses))
        return not own.isdisjoint(given) if self.is_own else own == given


class Kept(BaseModel):
    """The whole file. `in_use` is a key, or empty for the default swarm."""

    model_config = ConfigDict(frozen=True)

    in_use: str = ""
    swarms: tuple[KeptSwarm, ...] = ()

    @property
    def used(self) -> KeptSwarm | None:
        """The swarm in use; None is the default one."""
        return next((swarm for swarm in self.swarms if swarm.key == self.in_use), None)

    def at(self, addresses: Sequence[str]) -> KeptSwarm | None:
        return next((swarm for swarm in self.swarms if swarm.is_at(addresses)), None)

    def free_name(self, wanted: str | None, key: str = "") -> str:
        """The wanted name, or one that is free.

        Raises:
            SwarmNameTakenError: another swarm than that of `key` has it.
        """
        taken = {DEFAULT_SWARM, *(swarm.name for swarm in self.swarms if swarm.key != key)}
        if wanted is None:
            return next(name for number in range(1, len(taken) + 2) if (name := f"swarm-{number}") not in taken)
        if wanted.strip() in taken:
            raise SwarmNameTakenError(wanted.strip())
        return wanted.strip()

    def with_swarm(self, swarm: KeptSwarm) -> Kept:
        """With this swarm, new or changed, in use."""
        others = [kept for kept in self.swarms if kept.key != swarm.key]
        return Kept(in_use=swarm.key, swarms=(*others, swarm))

    def using(self, key: str) -> Kept:
        """With another of these swarms in use; an empty key means the default one."""
        return Kept(in_use=key, swarms=self.swarms)

    def without(self, key: str) -> Kept:
        swarms = tuple(swarm for swarm in self.swarms if swarm.key != key)
        return Kept(in_use="" if self.in_use == key else self.in_use, swarms=swarms)


@dataclass(frozen=True)
class SwarmToUse:
    """What the engine needs to know of its swarm when it starts."""

    key: str
    name: str
    peers: list[str]
    listen: tuple[str, ...]
    identity_file: Path
    host_identity_file: Path


def new_key() -> str:
    """What a swarm is called in files, whatever people call it."""
    return secrets.token_hex(4)


def read_kept(places: Places) -> Kept:
    """The swarms that are kept; none where there is no file.

    Raises:
        SwarmsBrokenError: there is one, and it says nothing that can be meant.
    """
    try:
        kept = Kept.model_validate_json(places.swarms_file.read_bytes())
    except FileNotFoundError:
        return Kept()
    except OSError as error:
        raise SwarmsBrokenError(places.swarms_file, error.strerror or "the system refuses") from error
    except ValidationError as error:
        raise SwarmsBrokenError(places.swarms_file, "it is damaged") from error
    if kept.in_use and kept.used is None:
        raise SwarmsBrokenError(places.swarms_file, "the swarm in use is not in it")
    return kept


def write_kept(places: Places, kept: Kept) -> None:
    """Raises OSError when the disk does not take it; the file is as it was."""
    write_private(places.swarms_file, kept.model_dump_json(indent=2) + "\n")


def forget_identities(places: Places, key: str) -> None:
    """Remove this computer's identities in a swarm that was left."""
    shutil.rmtree(places.swarm_folder(key), ignore_errors=True)


def peers_fixed_by(settings: SettingsOverview) -> str:
    """The flag or variable that names a swarm, and so wins over what is kept; empty when there is none."""
    return next((row.fixed_by for row in settings.settings if row.name == _INITIAL_PEERS), "")


def swarm_to_use(places: Places, settings: Settings, overview: SettingsOverview) -> SwarmToUse:
    """The swarm for an engine that starts now.

    Raises:
        SwarmsBrokenError: see `read_kept`.
    """
    used = None if peers_fixed_by(overview) else read_kept(places).used
    if used is None:
        default = settings.initial_peers
        return SwarmToUse("", DEFAULT_SWARM, default, (), places.identity_file, places.host_identity_file)
    folder = places.swarm_folder(used.key)
    return SwarmToUse(used.key, used.name, used.peers, used.listen, folder / "identity", folder / "host-identity")


@asynccontextmanager
async def saying_how_to_leave(swarm: SwarmToUse) -> AsyncIterator[None]:
    """Where nobody answers in a swarm that the person joined: advise the way back, too."""
    try:
        yield
    except SwarmUnreachableError as error:
        if swarm.key:
            error.advice = f'{error.advice} `meadow swarm leave "{swarm.name}"` goes back to the default swarm.'
        raise


def listen_again(wanted: Sequence[str], kept: Sequence[str], check: Callable[[str], None] = check_free) -> list[str]:
    """Where to listen: as wanted, and where any port will do at the one that invitations name.

    A port that another program uses by now gives way to any other.

    Args:
        kept: where this computer listened when the swarm was made.
        check: raises a MeadowError for an address that cannot be listened at.
    """
    found = []
    for asked, again in zip(wanted, keep_ports(wanted, kept) or (), strict=True):
        try:
            if again != asked:
                check(again)
            found.append(again)
        except MeadowError:
            log.warning("Another program uses a port of this computer that invitations to its swarm name")
            found.append(asked)
    return found
