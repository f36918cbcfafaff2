"""A peer that starts anew listens where it did before."""

from __future__ import annotations

import pytest

from meadow_client.swarm.listening import keep_ports

SUFFIX = "/p2p/12D3KooWpeer"


@pytest.mark.parametrize(
    ("listen", "address", "kept"),
    [
        (["/ip4/127.0.0.1/tcp/0"], ["/ip4/127.0.0.1/tcp/4711"], ["/ip4/127.0.0.1/tcp/4711"]),
        (["/ip4/127.0.0.1/tcp/99"], ["/ip4/127.0.0.1/tcp/99"], ["/ip4/127.0.0.1/tcp/99"]),
        (
            ["/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/0"],
            ["/ip4/203.0.113.9/tcp/1", "/ip4/192.168.0.7/tcp/40", "/ip4/127.0.0.1/tcp/40", "/ip6/::1/tcp/60"],
            ["/ip4/0.0.0.0/tcp/40", "/ip6/::/tcp/60"],
        ),
        (
            ["/ip4/0.0.0.0/udp/0/quic-v1", "/ip4/0.0.0.0/tcp/0"],
            ["/ip4/127.0.0.1/tcp/40", "/ip4/127.0.0.1/udp/50/quic-v1"],
            ["/ip4/0.0.0.0/udp/50/quic-v1", "/ip4/0.0.0.0/tcp/40"],
        ),
        (["/ip4/127.0.0.1/tcp/0"], ["/ip4/192.168.0.7/tcp/40"], ["/ip4/127.0.0.1/tcp/0"]),
        (["/ip6/::/tcp/0"], [], ["/ip6/::/tcp/0"]),
        (["/dns4/here.example/tcp/0"], ["/ip4/127.0.0.1/tcp/40"], ["/dns4/here.example/tcp/0"]),
    ],
    ids=["loopback", "fixed", "router", "quic", "elsewhere", "unknown", "name"],
)
def test_ports_that_the_system_chose_are_kept(listen: list[str], address: list[str], kept: list[str]) -> None:
    assert keep_ports(listen, [own + SUFFIX for own in address]) == tuple(kept)


def test_a_client_that_nobody_calls_stays_one() -> None:
    assert keep_ports(None, []) is None
