"""What a DHT node keeps and what it takes from others: signed records, the newest of each owner.

hivemind's own storage and search trust the other nodes in ways that one hostile node can use to hide every server of a
model. `believe_only_signed` closes them on one node:

- A record that came again with an older, still valid expiry made the newer one expire with it (replay).
- A record sent as "cached" with a late expiry stood before all stored ones of its key.
- An answer that names a late expiry for itself ended a search, whatever it holds.
- One record that is not valid, or from a clock a little late, hid all records of its key.
- A node that refused a record counted as one of those that keep it, and its word as everybody's.
- A dictionary's own limit on its size, taken from the network, threw records away.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from hivemind.dht.node import DHTNode
from hivemind.dht.routing import DHTID
from hivemind.dht.storage import DHTLocalStorage, DictionaryDHTValue
from hivemind.dht.validation import DHTRecord
from hivemind.p2p import PeerID
from hivemind.utils import MSGPackSerializer
from hivemind.utils.timed_storage import ValueWithExpiration

_EXT_CODE = 0x50  # hivemind's for dictionaries: others read ours as theirs


class NewestRecords(DictionaryDHTValue):
    """Records of several owners; of each owner only the one that expires last."""

    def store(self, key: Any, value: bytes, expiration_time: float) -> bool:
        """WORKAROUND hivemind 1.1.12: an older record that is refused takes over the newer one's place in the queue of
        those that expire."""
        held = self.data.get(key)
        if held is not None and held.expiration_time >= expiration_time:
            return False
        return bool(super().store(key, value, expiration_time))


# hivemind looks up the exact class of what it sends.
MSGPackSerializer._ext_types[NewestRecords] = _EXT_CODE


class RecordStorage(DHTLocalStorage):
    """All records that one node keeps for the swarm. Outlives the DHT nodes that use it."""

    def store_subkey(self, key: DHTID, subkey: Any, value: bytes, expiration_time: float) -> bool:
        held = self.get(key)
        records = held.value if held is not None else NewestRecords()
        if not records.store(subkey, value, expiration_time):
            return False
        if held is None or records.latest_expiration_time > held.expiration_time:
            self.store(key, records, records.latest_expiration_time)
        return True


class _Nothing(DHTLocalStorage):
    """A cache that stays empty."""

    def store(self, *_: Any, **__: Any) -> bool:
        return False

    def store_subkey(self, *_: Any, **__: Any) -> bool:
        return False


def believe_only_signed(dht: DHTNode, storage: RecordStorage) -> None:
    """Let a node keep its records in `storage`, and drop what is not to be believed from what others send."""
    protocol = dht.protocol
    protocol.storage, protocol.cache = storage, _Nothing()
    find, store = protocol.call_find, protocol.call_store

    def validate_dictionary(key_bytes: bytes, dictionary: DictionaryDHTValue) -> bool:
        with dictionary.freeze():
            records = [
                DHTRecord(key_bytes, protocol.serializer.dumps(subkey), entry.value, entry.expiration_time)
                for subkey, entry in dictionary.items()
            ]
        for record in records:
            if not protocol.record_validator.validate(record):
                del dictionary[protocol.serializer.loads(record.subkey)]
        return True

    async def call_find(peer: PeerID, keys: Collection[DHTID]) -> Any:
        found = await find(peer, keys)
        if found is None:
            return None
        return {key: (_dated_by_its_records(value), nearest) for key, (value, nearest) in found.items()}

    async def call_store(*arguments: Any, **options: Any) -> Any:
        taken = await store(*arguments, **options)
        return taken if taken is not None and any(taken) else None

    protocol.call_store = call_store
    protocol._validate_dictionary = validate_dictionary
    protocol.call_find = call_find


def _dated_by_its_records(found: ValueWithExpiration | None) -> ValueWithExpiration | None:
    """What a peer answered, with no say of its own about expiry or size."""
    if found is None or not isinstance(found.value, DictionaryDHTValue):
        return None
    records = NewestRecords()
    with found.value.freeze():
        for subkey, entry in found.value.items():
            records.store(subkey, entry.value, entry.expiration_time)
    return ValueWithExpiration(records, records.latest_expiration_time) if records else None
