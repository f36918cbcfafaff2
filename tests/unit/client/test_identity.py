"""A peer is its key pair: the file keeps it, the peer id tells its public half, signatures prove it."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

import pytest
from hivemind.p2p import PeerID
from hivemind.proto import crypto_pb2

from meadow_client.identity import (
    IdentityBrokenError,
    load_or_create_identity,
    new_identity,
    public_key_of,
    verify,
)

RSA_PEER = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"


def test_a_new_identity_has_an_ed25519_peer_id() -> None:
    assert new_identity().peer.startswith("12D3KooW")


def test_an_identity_file_keeps_the_identity(tmp_path: Path) -> None:
    first = load_or_create_identity(tmp_path / "state" / "identity")
    again = load_or_create_identity(tmp_path / "state" / "identity")
    assert again.peer == first.peer
    assert again.to_file_bytes() == first.to_file_bytes()


def test_an_identity_file_is_for_its_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        load_or_create_identity(tmp_path / "identity")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "identity").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"hello", b"\x08\x01\x12\x40" + bytes(63), b"\x08\x00\x12\x40" + bytes(64)])
def test_a_file_that_holds_no_identity_is_named_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "identity"
    path.write_bytes(content)
    with pytest.raises(IdentityBrokenError, match="identity") as caught:
        load_or_create_identity(path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == content


def test_libp2p_reads_our_file_and_finds_the_same_peer() -> None:
    identity = new_identity()
    file = crypto_pb2.PrivateKey.FromString(identity.to_file_bytes())
    assert file.key_type == crypto_pb2.KeyType.Ed25519
    assert file.data[32:] == public_key_of(identity.peer)


def test_hivemind_writes_the_peer_id_as_we_do() -> None:
    identity = new_identity()
    assert PeerID.from_base58(identity.peer).to_base58() == identity.peer
    assert PeerID.from_base58(identity.peer).to_bytes()[-32:] == public_key_of(identity.peer)


def test_a_signature_convinces_of_its_message_and_owner_only() -> None:
    owner, other = new_identity(), new_identity()
    signature = owner.sign(b"message")
    assert verify(owner.peer, b"message", signature)
    assert not verify(owner.peer, b"massage", signature)
    assert not verify(other.peer, b"message", signature)
    assert not verify(owner.peer, b"message", other.sign(b"message"))


@pytest.mark.parametrize("length", [0, 1, 63, 65])
def test_a_signature_of_another_length_convinces_nobody(length: int) -> None:
    owner = new_identity()
    assert not verify(owner.peer, b"message", (owner.sign(b"message") + b"x")[:length] if length != 65 else bytes(65))


def test_a_signature_with_any_bit_turned_convinces_nobody() -> None:
    owner = new_identity()
    signature = owner.sign(b"message")
    for bit in range(0, 512, 7):
        turned = bytearray(signature)
        turned[bit // 8] ^= 1 << bit % 8
        assert not verify(owner.peer, b"message", bytes(turned))


@pytest.mark.parametrize(
    "peer",
    [
        "",
        "12D3KooW",
        RSA_PEER,
        "0" * 52,
        "l" * 52,
        "1" * 52,
        "z" * 52,
        "12D3KooWé" + "A" * 44,
        base64.b32encode(bytes(32)).decode(),
        "1" * 100_000,
    ],
    ids=lambda peer: peer[:16],
)
def test_a_peer_id_without_an_ed25519_key_has_none_and_proves_nothing(peer: str) -> None:
    assert public_key_of(peer) is None
    assert not verify(peer, b"message", bytes(64))


def test_a_public_key_that_is_no_point_of_the_curve_proves_nothing() -> None:
    identity = new_identity()
    for last in "23456789":
        assert not verify(identity.peer[:-1] + last, b"message", bytes(64))
