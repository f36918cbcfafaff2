"""Addresses of peers, as people pass them on: multiaddresses and `meadow://` invitations.

An invitation is `meadow://join?peer=MULTIADDR&peer=MULTIADDR`, percent-encoded: one line that can be mailed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from urllib.parse import parse_qs, urlencode, urlsplit

from meadow_client.errors import BadAddressError
from meadow_client.identity import public_key_of

_MULTIADDRESS = re.compile(
    r"^/(?:ip4/(?P<ip4>[0-9.]+)|ip6/(?P<ip6>[0-9a-fA-F:.%]+)|dns[46]?/[^/\s]+)"
    r"/(?:tcp|udp)/(?P<port>[0-9]{1,5})(?:/[a-z0-9-]+(?:/[^/\s]+)?)*?/p2p/(?P<peer>[1-9A-HJ-NP-Za-km-z]+)$"
)


def write_invitation(addresses: Sequence[str]) -> str:
    """One `meadow://` line for a list of multiaddresses."""
    return "meadow://join?" + urlencode([("peer", address) for address in addresses], safe="/:")


def read_addresses(texts: Iterable[str]) -> list[str]:
    """Multiaddresses out of what a person gave: multiaddresses or invitations, in their order, without repeats.

    Raises:
        BadAddressError: a text is neither.
    """
    found: list[str] = []
    for text in texts:
        given = text.strip()
        addresses = _read_invitation(given) if given.startswith("meadow:") else [given]
        for address in addresses:
            _check(address, given)
            if address not in found:
                found.append(address)
    return found


def peer_of(address: str) -> str:
    """The peer id at the end of a multiaddress that was checked before."""
    return address.rsplit("/p2p/", 1)[1]


def _read_invitation(text: str) -> list[str]:
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise BadAddressError(f"{_shown(text)} is not a Meadow invitation") from error
    peers = parse_qs(parts.query).get("peer", [])
    if parts.scheme != "meadow" or parts.netloc != "join" or not peers:
        raise BadAddressError(f"{_shown(text)} is not a Meadow invitation")
    return peers


def _check(address: str, given: str) -> None:
    match = _MULTIADDRESS.match(address)
    if match is None or int(match["port"]) > 65535 or public_key_of(match["peer"]) is None:
        raise BadAddressError(f"{_shown(given)} is not the address of a peer")
    numbers = match["ip4"] or match["ip6"]
    if numbers:
        try:
            ip_address(numbers.partition("%")[0])
        except ValueError as error:
            raise BadAddressError(f"{_shown(given)} is not the address of a peer") from error


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "…")
