"""Addresses that a peer listens on: whether they are free, public, and which ports the system gave it. Pure but for
`check_free`, which tries a port."""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Sequence

from meadow_client.errors import PortTakenError

EVERYWHERE = ("/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/0")
LOOPBACK = ("/ip4/127.0.0.1/tcp/0",)

_LISTEN = re.compile(
    r"^/ip(?P<version>[46])/(?P<host>[0-9a-fA-F.:]+)/(?P<kind>tcp|udp)/(?P<port>[0-9]+)(?P<rest>(?:/.*)?)$"
)
_ANY_HOST = ("0.0.0.0", "::")


def is_public(listen: Sequence[str] | None) -> bool:
    """Whether other computers may call; not so on loopback alone."""
    return any(not address.startswith(("/ip4/127.", "/ip6/::1/")) for address in listen or ())


def check_free(address: str) -> None:
    """Try the port ourselves first: p2pd falls silent about a port that is taken.

    Raises:
        PortTakenError: another program listens there, or this one may not.
    """
    match = _LISTEN.match(address)
    if match is None or match["port"] == "0":
        return
    family = socket.AF_INET if match["version"] == "4" else socket.AF_INET6
    kind = socket.SOCK_STREAM if match["kind"] == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((match["host"], int(match["port"])))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
                raise PortTakenError(address) from error
            raise


def keep_ports(listen: Sequence[str] | None, address: Sequence[str]) -> tuple[str, ...] | None:
    """`listen` with every port 0 replaced by the one that `address` shows the system chose.

    `address` are the addresses of the running peer. A router may show it outside under other ports, so the ones of
    this computer itself count first.
    """
    if listen is None:
        return None
    shown = [match for own in sorted(address, key=_is_elsewhere) if (match := _LISTEN.match(own))]
    return tuple(_keep_port(asked, shown) for asked in listen)


def _keep_port(asked: str, shown: Sequence[re.Match[str]]) -> str:
    wanted = _LISTEN.match(asked)
    if wanted is None or wanted["port"] != "0":
        return asked
    for match in shown:
        is_same_kind = (match["version"], match["kind"]) == (wanted["version"], wanted["kind"])
        is_same_rest = match["rest"].partition("/p2p/")[0] == wanted["rest"]
        if is_same_kind and is_same_rest and (wanted["host"] in _ANY_HOST or wanted["host"] == match["host"]):
            return f"/ip{wanted['version']}/{wanted['host']}/{wanted['kind']}/{match['port']}{wanted['rest']}"
    return asked


def _is_elsewhere(address: str) -> bool:
    return not address.startswith(("/ip4/127.", "/ip6/::1/"))
