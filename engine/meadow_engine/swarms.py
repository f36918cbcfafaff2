"""Make, join and leave swarms: what `/api/swarms` and `meadow swarm …` do. On the event loop.

Nothing here touches the running node: an engine is in one swarm from its start to its end, and the answer says whether
it has to be started again (`needs_restart`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from meadow_client.errors import MeadowError, SwarmUnreachableError, UsageError
from meadow_client.identity import load_or_create_identity, new_identity
from meadow_client.invitation import peer_of, read_addresses, write_invitation
from meadow_engine.api.places import Places
from meadow_engine.api.swarms import DEFAULT_SWARM, SwarmEntry, SwarmsOverview
from meadow_engine.kept_swarms import (
    Kept,
    KeptSwarm,
    NoSuchSwarmError,
    forget_identities,
    new_key,
    read_kept,
    write_kept,
)

_REACH_S = 7.0
# An invitation has to fit into a message, and a computer with many networks has many addresses.
_MOST_ADDRESSES = 12

Reach = Callable[[Sequence[str]], Awaitable[None]]


class SwarmFixedError(UsageError):
    code = "swarm-fixed"

    def __init__(self, by: str) -> None:
        super().__init__(
            f"The swarm is fixed by {by}", f"Start the engine without {by} to choose another. Nothing was changed."
        )


class NoAddressError(MeadowError):
    code = "no-address"
    advice = "Start Meadow (`meadow` or `meadow --no-gui`) and try again."

    def __init__(self) -> None:
        super().__init__("Where others reach this computer is only known while its engine runs")


class DefaultSwarmStaysError(UsageError):
    code = "default-swarm-stays"
    advice = "Make or join another one to be elsewhere; `initial_peers` in the settings says what the default one is."

    def __init__(self) -> None:
        super().__init__("The default swarm cannot be left")


@dataclass(frozen=True)
class RunningIn:
    """The engine that runs: in which swarm (a key; empty for the default one), and what it sees there."""

    key: str
    peer: str
    address: Callable[[], Sequence[str]]
    listen: Callable[[], Sequence[str]]
    """Where it listens, with the ports that the system gave it."""
    computers: Callable[[], int]


class Swarms:
    """The swarms of this computer. `running` is None where no engine runs.

    Args:
        initial_peers: asks for the default swarm's addresses.
        fixed_by: the flag or variable that fixes the swarm; empty when there is none.
        reach: raises SwarmUnreachableError when nobody answers at any of some addresses.
    """

    def __init__(
        self,
        places: Places,
        initial_peers: Callable[[], Sequence[str]],
        running: RunningIn | None,
        fixed_by: str = "",
        reach: Reach | None = None,
    ) -> None:
        self._places = places
        self._initial_peers = initial_peers
        self._running = running
        self._fixed_by = fixed_by
        self._reach = reach or reach_somebody
        self._changing = asyncio.Lock()

    async def overview(self) -> SwarmsOverview:
        """All swarms. Raises SwarmsBrokenError."""
        return self._shown(await asyncio.to_thread(read_kept, self._places))

    async def new(self, name: str | None) -> SwarmsOverview:
        """Make this computer the first of a swarm, which is in use from now on.

        Raises:
            NoAddressError: no engine runs.
            SwarmNameTakenError, SwarmFixedError, SwarmsBrokenError, OSError.
        """
        if self._running is None:
            raise NoAddressError
        async with self._changing:
            return await asyncio.to_thread(self._make, name, self._running)

    async def join(self, invitation: str, name: str | None) -> SwarmsOverview:
        """Use the swarm of an invitation from now on; one that is kept already is only switched to.

        Raises:
            BadAddressError: it is no invitation and no address.
            SwarmUnreachableError: nobody answers there now. Nothing was changed.
            SwarmNameTakenError, SwarmFixedError, SwarmsBrokenError, OSError.
        """
        addresses = read_addresses([invitation])
        async with self._changing:
            kept = await asyncio.to_thread(self._read_to_change)
            known = kept.at(addresses)
            if known is None:
                if self._running is not None and self._running.peer in map(peer_of, addresses):
                    raise UsageError(
                        "This invitation leads to this computer itself", "Give it to others; they paste it."
                    )
                name = kept.free_name(name)
                await self._reach(addresses)
                known = KeptSwarm(key=new_key(), name=name, is_own=False, addresses=tuple(addresses))
            elif name is not None:
                known = known.model_copy(update={"name": kept.free_name(name, known.key)})
            return await asyncio.to_thread(self._keep, kept.with_swarm(known))

    async def use(self, name: str) -> SwarmsOverview:
        """Go back to a swarm that is kept, or to the default one.

        Raises:
            NoSuchSwarmError, SwarmFixedError, SwarmsBrokenError, OSError.
        """
        async with self._changing:
            return await asyncio.to_thread(self._switch, name.strip())

    async def leave(self, name: str) -> SwarmsOverview:
        """Forget a swarm, and this computer's identity in it; the default one is used if it was in use.

        Raises:
            NoSuchSwarmError, DefaultSwarmStaysError, SwarmFixedError, SwarmsBrokenError, OSError.
        """
        async with self._changing:
            return await asyncio.to_thread(self._forget, name.strip())

    def _make(self, name: str | None, running: RunningIn) -> SwarmsOverview:
        kept = self._read_to_change()
        name, key = kept.free_name(name), new_key()
        peer = load_or_create_identity(self._places.swarm_folder(key) / "identity").peer
        addresses = [f"{address.rpartition('/p2p/')[0]}/p2p/{peer}" for address in _worth_telling(running.address())]
        swarm = KeptSwarm(key=key, name=name, is_own=True, addresses=tuple(addresses), listen=tuple(running.listen()))
        return self._keep(kept.with_swarm(swarm))

    def _forget(self, name: str) -> SwarmsOverview:
        if name == DEFAULT_SWARM:
            raise DefaultSwarmStaysError
        kept = self._read_to_change()
        key = _key_of(kept, name)
        shown = self._keep(kept.without(key))
        forget_identities(self._places, key)
        return shown

    def _switch(self, name: str) -> SwarmsOverview:
        kept = self._read_to_change()
        return self._keep(kept.using("" if name == DEFAULT_SWARM else _key_of(kept, name)))

    def _read_to_change(self) -> Kept:
        if self._fixed_by:
            raise SwarmFixedError(self._fixed_by)
        return read_kept(self._places)

    def _keep(self, kept: Kept) -> SwarmsOverview:
        write_kept(self._places, kept)
        return self._shown(kept)

    def _shown(self, kept: Kept) -> SwarmsOverview:
        in_use = "" if self._fixed_by else kept.in_use
        default = KeptSwarm(key="", name=DEFAULT_SWARM, is_own=False, addresses=tuple(self._default_addresses()))
        return SwarmsOverview(
            swarms=[self._entry(swarm, in_use) for swarm in (default, *kept.swarms)],
            needs_restart=self._running is not None and self._running.key != in_use,
        )

    def _entry(self, swarm: KeptSwarm, in_use: str) -> SwarmEntry:
        running = self._running if self._running is not None and self._running.key == swarm.key else None
        here = _worth_telling(running.address()) if running is not None else []
        # Of an own swarm those of today count. Elsewhere this computer is one more at whom the others are found.
        addresses = here if swarm.is_own and here else list(dict.fromkeys([*swarm.addresses, *here]))
        return SwarmEntry(
            name=swarm.name,
            is_default=not swarm.key,
            is_in_use=swarm.key == in_use,
            is_own=swarm.is_own,
            invitation=write_invitation(addresses[:_MOST_ADDRESSES]) if addresses else "",
            computers=running.computers() if running is not None else None,
        )

    def _default_addresses(self) -> list[str]:
        try:
            return read_addresses(self._initial_peers())
        except MeadowError:  # the settings name a problem; an engine that starts says so
            return []


def _key_of(kept: Kept, name: str) -> str:
    for swarm in kept.swarms:
        if swarm.name == name:
            return swarm.key
    raise NoSuchSwarmError(name)


async def reach_somebody(addresses: Sequence[str]) -> None:
    """Call the computers of an invitation as a stranger, once.

    Raises:
        SwarmUnreachableError: nobody answers.
        NodeFailedError: p2pd does not start.
    """
    from meadow_client.swarm.node import SwarmNode

    try:
        async with asyncio.timeout(_REACH_S), SwarmNode.running(new_identity(), addresses, listen=None):
            pass
    except TimeoutError as error:
        raise SwarmUnreachableError(addresses) from error


def _worth_telling(addresses: Sequence[str]) -> list[str]:
    """Addresses to give to others: those of this computer alone only when there is nothing else."""
    elsewhere = [address for address in addresses if not _is_of_this_computer_alone(address)]
    return elsewhere or list(addresses)


def _is_of_this_computer_alone(address: str) -> bool:
    try:
        return ip_address(address.split("/")[2].partition("%")[0]).is_loopback
    except (ValueError, IndexError):  # a name
        return False
