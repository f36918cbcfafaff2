"""Put this peer's records on the DHT nodes where readers look, with little traffic.

hivemind's own `store_many` searches the nodes anew for every store, and each that it asks answers with all records of
the key. Here a search goes for the key beside the wanted one: the same nodes are nearest, and none of them has anything
to answer with. And it is made once a minute, or when a node that kept a record is gone; renewals in between go straight
to the keepers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from hivemind.dht.node import DHTNode
from hivemind.dht.routing import DHTID
from hivemind.dht.validation import DHTRecord
from hivemind.p2p import PeerID

REPLICAS = 5
_BEAM = 8
_SEARCH_AGAIN_S = 60.0
# After many deaths, all of the nearest nodes that others know may be dead ones.
_SEARCHES = 5


class Publisher:
    """Stores records of one owner, and remembers who keeps them."""

    def __init__(self, owner: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._owner = owner
        self._clock = clock
        self._keepers: dict[DHTID, list[PeerID]] = {}
        self._searched_s: dict[DHTID, float] = {}

    async def publish(
        self, dht: DHTNode, keys: Sequence[str], value: bytes, expiry: float, *, must_search: bool = False
    ) -> bool:
        """Store a value under every key; whether each was taken by some node. `must_search` looks for new keepers."""
        ids = [DHTID.generate(source=key) for key in keys]
        records = {key: _signed(dht, key, self._owner, value, expiry) for key in ids}
        now_s = self._clock()
        due = [key for key in ids if must_search or now_s - self._searched_s.get(key, -1e9) >= _SEARCH_AGAIN_S]
        known = {key: self._keepers.get(key, []) for key in ids if must_search or key not in due}
        taken = await self._send(dht, records, known, expiry)
        lost = [key for key, keepers in known.items() if not keepers or len(taken[key]) < len(keepers)]
        due += [key for key in lost if key not in due]
        for _ in range(_SEARCHES):
            if not due:
                break
            found = await dht.find_nearest_nodes([_beside(key) for key in due], k_nearest=_BEAM, beam_size=_BEAM)
            nearest = {key: list(found[_beside(key)].values()) for key in due}
            # Nodes that do not answer a search are in its result all the same, and left out of the next one.
            living = {key: [peer for peer in nearest[key] if peer not in dht.blacklist] for key in due}
            fresh = {key: [peer for peer in living[key] if peer not in taken.get(key, ())] for key in due}
            for key, peers in (await self._send(dht, records, fresh, expiry)).items():
                taken[key] = taken.get(key, []) + peers
                self._searched_s[key] = now_s
            due = [key for key in due if len(living[key]) < len(nearest[key]) and len(taken[key]) < REPLICAS]
        self._keepers.update(taken)
        return all(taken[key] for key in ids)

    async def _send(
        self, dht: DHTNode, records: dict[DHTID, bytes], candidates: dict[DHTID, list[PeerID]], expiry: float
    ) -> dict[DHTID, list[PeerID]]:
        """Offer each record to its candidates in turn until REPLICAS took it; who did."""
        waiting = {key: list(peers) for key, peers in candidates.items()}
        taken: dict[DHTID, list[PeerID]] = {key: [] for key in candidates}
        while True:
            by_peer: dict[PeerID, list[DHTID]] = {}
            for key, peers in waiting.items():
                count = max(0, REPLICAS - len(taken[key]))
                for peer in peers[:count]:
                    by_peer.setdefault(peer, []).append(key)
                del peers[:count]
            if not by_peer:
                return taken
            async with asyncio.TaskGroup() as group:
                tasks = {
                    peer: group.create_task(self._store(dht, peer, {key: records[key] for key in keys}, expiry))
                    for peer, keys in by_peer.items()
                }
            for peer, task in tasks.items():
                for key in task.result():
                    taken[key].append(peer)

    async def _store(self, dht: DHTNode, peer: PeerID, records: dict[DHTID, bytes], expiry: float) -> list[DHTID]:
        """The keys whose record the peer took."""
        if peer == dht.peer_id:
            storage = dht.protocol.storage
            return [key for key, record in records.items() if storage.store_subkey(key, self._owner, record, expiry)]
        answers = await dht.protocol.call_store(
            peer, list(records), list(records.values()), [expiry] * len(records), subkeys=[self._owner] * len(records)
        )
        return [key for key, is_taken in zip(records, answers or (), strict=False) if is_taken]


def _beside(key: DHTID) -> DHTID:
    return DHTID(key ^ 1)


def _signed(dht: DHTNode, key: DHTID, owner: str, value: bytes, expiry: float) -> bytes:
    dumps = dht.protocol.serializer.dumps
    record = DHTRecord(key.to_bytes(), dumps(owner), dumps(value), expiry)
    return bytes(dht.protocol.record_validator.sign_value(record))
