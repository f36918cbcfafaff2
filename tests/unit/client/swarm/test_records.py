"""A record is believed when its owner signed it, for a short time."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest
from hivemind.dht.validation import DHTRecord
from hivemind.utils.timed_storage import get_dht_time

from meadow_client.identity import new_identity
from meadow_client.swarm.records import MAX_LIFETIME_S, MAX_RECORD_BYTES, OwnerSignature

OWNER, OTHER = new_identity(), new_identity()
VALUE = msgspec.msgpack.encode(b"value")


def unsigned(subkey: object = OWNER.peer, value: bytes = VALUE, life_s: float = 60.0) -> DHTRecord:
    return DHTRecord(b"key", msgspec.msgpack.encode(subkey), value, get_dht_time() + life_s)


def signed(record: DHTRecord, signer: OwnerSignature | None = None) -> DHTRecord:
    return dataclasses.replace(record, value=(signer or OwnerSignature(OWNER)).sign_value(record))


def is_believed(record: DHTRecord) -> bool:
    verdicts = {OwnerSignature(identity).validate(record) for identity in (OWNER, OTHER)}
    assert len(verdicts) == 1, "every node must come to the same verdict"
    return verdicts.pop()


def test_a_record_that_its_owner_signed_is_believed() -> None:
    assert is_believed(signed(unsigned()))


def test_the_value_comes_back_without_its_signature() -> None:
    assert OwnerSignature(OTHER).strip_value(signed(unsigned())) == VALUE


def test_a_peer_does_not_sign_what_is_not_its_own() -> None:
    record = unsigned(subkey=OTHER.peer)
    assert OwnerSignature(OWNER).sign_value(record) == VALUE
    assert not is_believed(signed(record))


def test_a_record_with_a_strangers_signature_is_not_believed() -> None:
    stranger = OwnerSignature(OTHER)
    by_stranger = signed(unsigned(subkey=OTHER.peer), stranger)
    assert not is_believed(dataclasses.replace(by_stranger, subkey=msgspec.msgpack.encode(OWNER.peer)))


@pytest.mark.parametrize(
    "change",
    [
        {"key": b"another key"},
        {"subkey": msgspec.msgpack.encode(OTHER.peer)},
        {"expiration_time": get_dht_time() + 61},
        {"expiration_time": get_dht_time() - 10},
    ],
    ids=["key", "subkey", "later", "earlier"],
)
def test_a_record_changed_after_signing_is_not_believed(change: dict[str, object]) -> None:
    assert not is_believed(dataclasses.replace(signed(unsigned()), **change))


def test_a_value_changed_in_any_byte_is_not_believed() -> None:
    record = signed(unsigned())
    for place in range(len(record.value)):
        value = bytearray(record.value)
        value[place] ^= 1
        assert not is_believed(dataclasses.replace(record, value=bytes(value)))


def test_a_record_that_would_stay_for_long_is_not_believed() -> None:
    assert is_believed(signed(unsigned(life_s=MAX_LIFETIME_S - 1)))
    assert not is_believed(signed(unsigned(life_s=MAX_LIFETIME_S + 60)))
    assert not is_believed(signed(unsigned(life_s=float("inf"))))


def test_a_record_whose_expiry_is_no_number_is_not_believed() -> None:
    record = signed(unsigned(life_s=float("nan")))
    assert not is_believed(record)


@pytest.mark.parametrize("value", [b"", VALUE, bytes(64), bytes(65)])
def test_a_record_without_a_signature_is_not_believed(value: bytes) -> None:
    assert not is_believed(unsigned(value=value))


def test_a_record_larger_than_any_of_ours_is_not_believed() -> None:
    assert is_believed(signed(unsigned(value=msgspec.msgpack.encode(bytes(MAX_RECORD_BYTES - 67)))))
    assert not is_believed(signed(unsigned(value=msgspec.msgpack.encode(bytes(MAX_RECORD_BYTES - 66)))))


@pytest.mark.parametrize("subkey", [7, None, ["peer"], b"peer", "", "me", "Qm" + "x" * 44])
def test_a_record_under_something_that_is_no_peer_is_not_believed(subkey: object) -> None:
    assert not is_believed(signed(unsigned(subkey=subkey)))


@pytest.mark.parametrize("subkey", [b"", b"\xa2\xff\xff", b"\xd9\xff", b"\xc1"])
def test_a_record_under_bytes_that_are_no_subkey_is_not_believed(subkey: bytes) -> None:
    assert not is_believed(DHTRecord(b"key", subkey, bytes(80), get_dht_time() + 60))


def test_a_peer_id_spelled_in_a_longer_form_is_not_believed() -> None:
    subkey = b"\xda" + len(OWNER.peer).to_bytes(2, "big") + OWNER.peer.encode()
    assert msgspec.msgpack.decode(subkey, type=str) == OWNER.peer
    record = DHTRecord(b"key", subkey, VALUE, get_dht_time() + 60)
    assert not is_believed(signed(record))
