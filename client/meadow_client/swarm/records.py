"""Which records of the DHT are believed: those their owner signed, for a short time.

Every record of Meadow lives under a subkey that is its owner's peer id. The value is followed by 64 bytes of Ed25519
signature over key, subkey, expiry and value; the public key is taken out of the peer id. Every node runs this
validator, so a record by a stranger, or one that pins itself for years, is neither stored nor returned.

The expiry is the record's number, too: it is signed, every word of an owner expires later than the one before
(`directory.py`), and the later one wins everywhere. So an older record that somebody kept and sends again changes
nothing, and once the newer one has expired the older one has, too.
"""

from __future__ import annotations

import struct

import msgspec
from hivemind.dht.validation import DHTRecord, RecordValidatorBase
from hivemind.utils.timed_storage import get_dht_time

from meadow_client.identity import Identity, verify

# A server that died is forgotten within a minute, whatever it announced.
MAX_LIFETIME_S = 60.0
MAX_RECORD_BYTES = 4096
_SIGNATURE_BYTES = 64


class OwnerSignature(RecordValidatorBase):
    """Signs this peer's own records and checks everybody's."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def validate(self, record: DHTRecord) -> bool:
        owner = _owner(record)
        if owner is None or not _SIGNATURE_BYTES < len(record.value) <= MAX_RECORD_BYTES:
            return False
        if not record.expiration_time <= get_dht_time() + MAX_LIFETIME_S:  # false for a NaN, too
            return False
        value, signature = record.value[:-_SIGNATURE_BYTES], record.value[-_SIGNATURE_BYTES:]
        return _is_readable(value) and verify(owner, _signed_bytes(record, value), signature)

    def sign_value(self, record: DHTRecord) -> bytes:
        if _owner(record) != self._identity.peer:
            return bytes(record.value)
        return bytes(record.value) + self._identity.sign(_signed_bytes(record, record.value))

    def strip_value(self, record: DHTRecord) -> bytes:
        return bytes(record.value[:-_SIGNATURE_BYTES])


def _is_readable(value: bytes) -> bool:
    """Whether it is what hivemind makes of our bytes: a value that its search cannot unpack would end the search."""
    try:
        msgspec.msgpack.decode(value, type=bytes)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def _owner(record: DHTRecord) -> str | None:
    try:
        owner = msgspec.msgpack.decode(record.subkey, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    # hivemind spells subkeys anew when it hands records out; one that was signed in a longer spelling would fail there,
    # and the records of all others with it.
    return owner if msgspec.msgpack.encode(owner) == record.subkey else None


def _signed_bytes(record: DHTRecord, value: bytes) -> bytes:
    expiry = struct.pack(">d", record.expiration_time)
    parts = (b"meadow-record-1", record.key, record.subkey, expiry, value)
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)
