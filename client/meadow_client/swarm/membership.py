"""Whom a peer calls so that it stays in the swarm. Pure: no sockets, no clock.

*Initial* peers are those it was given addresses of: it calls them again for as long as it runs. *Known* peers are DHT
nodes it was connected to; they are remembered for an hour after they were lost, so that two halves of a swarm find each
other again when no initial peer is left.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

ROUND_S = 5.0
LONELY_ROUND_S = 1.0
RESTING_ROUND_S = 20.0
RETRY_S = 15.0
# p2pd waits up to five minutes before it dials an address again that failed often; a new p2pd has no such memory.
FRESH_START_S = 60.0
_MAX_RETRY_S = 120.0
_REMEMBER_S = 3600.0
_MAX_KNOWN = 64
_CALLS_IN_A_ROUND = 4
_FIRST_DELAY_S, _MAX_DELAY_S = 0.2, 10.0


@dataclass(frozen=True)
class Contact:
    """A peer and the addresses at which it may be reached."""

    peer: str
    addresses: tuple[str, ...]


@dataclass
class _Known:
    contact: Contact
    seen_s: float
    tried_s: float = float("-inf")
    failures: int = 0


@dataclass
class Membership:
    """What a peer remembers of the others, and who is to be called now."""

    initial: Mapping[str, Contact]
    is_resting: bool = False
    """Nobody needs this peer to be quick: every look wakes the computer."""
    _known: dict[str, _Known] = field(default_factory=dict)
    _tried_s: dict[str, float] = field(default_factory=dict)
    _lonely_since_s: float | None = None

    @property
    def is_lonely(self) -> bool:
        """Whether it is connected to nobody, as far as it was told."""
        return self._lonely_since_s is not None

    @property
    def pause_s(self) -> float:
        """How long until the next look: short for who is alone and knows somebody to call, long for who rests."""
        if self.is_resting:
            return RESTING_ROUND_S
        return LONELY_ROUND_S if self.is_lonely and (self.initial or self._known) else ROUND_S

    def see(self, now_s: float, connected: Mapping[str, str], neighbours: Collection[str]) -> None:
        """Remember who is there: `connected` peers with their addresses, and the DHT's `neighbours`."""
        if connected:
            self._lonely_since_s = None
        elif self._lonely_since_s is None:
            self._lonely_since_s = now_s
        for peer in connected.keys() & set(neighbours) - self.initial.keys():
            self._known[peer] = _Known(Contact(peer, (connected[peer],)), now_s)
        newest = sorted(self._known.items(), key=lambda item: -item[1].seen_s)[:_MAX_KNOWN]
        self._known = {peer: known for peer, known in newest if now_s - known.seen_s < _REMEMBER_S}

    def calls_due(self, now_s: float, connected: Collection[str], neighbours: Collection[str]) -> list[Contact]:
        """Who is to be called now. Who is in the list counts as called."""
        pause_s = LONELY_ROUND_S if self.is_lonely else ROUND_S
        present = set(neighbours)
        due = []
        for peer, contact in self.initial.items():
            if (peer not in present or peer not in connected) and now_s - self._tried_s.get(peer, -1e9) >= pause_s:
                self._tried_s[peer] = now_s
                due.append(contact)
        lost = [known for peer, known in self._known.items() if peer not in present]
        for known in sorted(lost, key=lambda known: known.tried_s)[:_CALLS_IN_A_ROUND]:
            if now_s - known.tried_s >= min(RETRY_S * 2**known.failures, _MAX_RETRY_S):
                known.tried_s = now_s
                known.failures += 1
                due.append(known.contact)
        return due

    def everybody(self) -> list[Contact]:
        """Whom a node calls that has just started anew: the initial peers, and those seen last."""
        known = sorted(self._known.values(), key=lambda known: -known.seen_s)
        return [*self.initial.values(), *(entry.contact for entry in known[: 2 * _CALLS_IN_A_ROUND])]

    def wants_fresh_start(self, now_s: float) -> bool:
        """Whether a new p2pd may reach somebody: this one reaches nobody, and so has nothing to lose."""
        is_overdue = self._lonely_since_s is not None and now_s - self._lonely_since_s >= FRESH_START_S
        return is_overdue and bool(self.initial or self._known)

    def started_afresh(self) -> None:
        """A new p2pd runs: what the old one could not reach may be tried at once."""
        self._lonely_since_s = None
        self._tried_s.clear()
        for known in self._known.values():
            known.tried_s, known.failures = float("-inf"), 0


@dataclass
class RestartDelays:
    """How long to wait before p2pd is started again: not at all, then 0.2 s doubling to 10 s while it does not last."""

    _next_s: float = 0.0

    def after(self, lived_s: float) -> float:
        """The delay after a p2pd that ran for `lived_s`; 0 for one that did not start."""
        if lived_s >= _MAX_DELAY_S:
            self._next_s = 0.0
        delay_s = self._next_s
        self._next_s = min(_MAX_DELAY_S, max(_FIRST_DELAY_S, 2 * self._next_s))
        return delay_s


def contacts_of(own_peer: str, addresses: Sequence[str]) -> dict[str, Contact]:
    """Multiaddresses that end in /p2p/PEER as contacts, without this peer itself."""
    found: dict[str, Contact] = {}
    for address in addresses:
        place, _, peer = address.rpartition("/p2p/")
        if place and peer != own_peer:
            earlier = found[peer].addresses if peer in found else ()
            found[peer] = Contact(peer, (*earlier, place))
    return found
