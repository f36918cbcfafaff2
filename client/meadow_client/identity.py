"""Who a peer is: an Ed25519 key pair, kept in a file that p2pd reads too.

The file is libp2p's `PrivateKey` protobuf: key type 1 (Ed25519), then 64 bytes: seed and public key. The peer id is
the identity multihash of the `PublicKey` protobuf, so anybody can take the public key out of a peer id.
Source: https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from meadow_client.errors import MeadowError

_PRIVATE_PREFIX = bytes([0x08, 0x01, 0x12, 64])  # key_type = Ed25519, data = 64 bytes
_PUBLIC_PREFIX = bytes([0x00, 36, 0x08, 0x01, 0x12, 32])  # identity multihash of 36 bytes, then the protobuf
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


class IdentityBrokenError(MeadowError):
    code = "identity-broken"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is not an identity file of Meadow",
            "Move it away; a new identity is made at the next start.",
        )


@dataclass(frozen=True)
class Identity:
    """A key pair. `peer` is the libp2p peer id in base58, such as 12D3KooW…"""

    private: Ed25519PrivateKey
    peer: str

    def sign(self, message: bytes) -> bytes:
        """64 bytes of signature over `message`."""
        return self.private.sign(message)

    def to_file_bytes(self) -> bytes:
        public = self.private.public_key().public_bytes_raw()
        return _PRIVATE_PREFIX + self.private.private_bytes_raw() + public


def new_identity() -> Identity:
    return _from_private(Ed25519PrivateKey.generate())


def load_or_create_identity(path: Path) -> Identity:
    """Read the identity file, or make one readable by this user only (mode 0600).

    Raises:
        IdentityBrokenError: the file is there but holds something else.
        OSError: it cannot be read or written.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        identity = new_identity()
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(identity.to_file_bytes())
        except OSError:  # a full disk; half an identity would keep every later start from making a whole one
            path.unlink(missing_ok=True)
            raise
        return identity
    prefix, body = data[: len(_PRIVATE_PREFIX)], data[len(_PRIVATE_PREFIX) :]
    if prefix != _PRIVATE_PREFIX or len(body) != 64:
        raise IdentityBrokenError(path)
    return _from_private(Ed25519PrivateKey.from_private_bytes(body[:32]))


def verify(peer: str, message: bytes, signature: bytes) -> bool:
    """Whether the owner of this peer id signed `message`. False for peer ids that are not Ed25519."""
    public = public_key_of(peer)
    if public is None:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def public_key_of(peer: str) -> bytes | None:
    """The 32 bytes of the public key inside a peer id, or None when it holds none."""
    if not 40 <= len(peer) <= 64:
        return None
    data = _base58_decode(peer)
    if data is None or len(data) != 38 or data[:6] != _PUBLIC_PREFIX:
        return None
    return data[6:]


def _from_private(private: Ed25519PrivateKey) -> Identity:
    return Identity(private, _base58_encode(_PUBLIC_PREFIX + private.public_key().public_bytes_raw()))


def _base58_encode(data: bytes) -> str:
    number = int.from_bytes(data, "big")
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = _BASE58[digit] + digits
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + digits


def _base58_decode(text: str) -> bytes | None:
    number = 0
    for character in text:
        digit = _BASE58.find(character)
        if digit < 0:
            return None
        number = number * 58 + digit
    body = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return b"\0" * (len(text) - len(text.lstrip("1"))) + body
