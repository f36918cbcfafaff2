"""What people pass on to each other is read back as it was meant, or refused with a sentence."""

from __future__ import annotations

import pytest

from meadow_client.errors import BadAddressError
from meadow_client.invitation import peer_of, read_addresses, write_invitation

PEER = "12D3KooWSToTTXvx24a8uuLxXSvDKSsc9qCmXF6uh58XdvUGQGum"
OTHER = "12D3KooWRxwDUbSXtv5WCwGKrXKX29rhpFNNQeF6L3iMxm5Ttuu4"
GOOD = [
    f"/ip4/192.0.2.7/tcp/31337/p2p/{PEER}",
    f"/ip6/2001:db8::7/tcp/31337/p2p/{PEER}",
    f"/dns4/example.org/tcp/443/p2p/{PEER}",
    f"/ip4/192.0.2.7/udp/31337/quic-v1/p2p/{PEER}",
    f"/ip4/192.0.2.7/tcp/31337/p2p/{OTHER}/p2p-circuit/p2p/{PEER}",
]


def test_an_invitation_gives_back_its_addresses() -> None:
    assert read_addresses([write_invitation(GOOD)]) == GOOD


def test_an_invitation_is_one_line_without_spaces() -> None:
    assert write_invitation(GOOD).split() == [write_invitation(GOOD)]


@pytest.mark.parametrize("address", GOOD)
def test_an_address_is_taken_as_it_is(address: str) -> None:
    assert read_addresses([address]) == [address]


def test_spaces_around_an_address_do_not_matter() -> None:
    assert read_addresses([f"  {GOOD[0]}\n"]) == [GOOD[0]]


def test_addresses_keep_their_order_and_are_not_repeated() -> None:
    assert read_addresses([GOOD[1], write_invitation([GOOD[0], GOOD[1]]), GOOD[0]]) == [GOOD[1], GOOD[0]]


def test_nothing_gives_nothing() -> None:
    assert read_addresses([]) == []


def test_the_peer_is_the_last_one_of_an_address() -> None:
    assert [peer_of(address) for address in GOOD] == [PEER] * len(GOOD)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "192.0.2.7:31337",
        "/ip4/192.0.2.7/tcp/31337",
        "/ip4/192.0.2.7/tcp/31337/p2p/",
        "/ip4/192.0.2.7/tcp/31337/p2p/hello",
        "/ip4/192.0.2.7/tcp/31337/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
        f"/ip4/192.0.2.7/tcp/65536/p2p/{PEER}",
        f"/ip4/192.0.2.7/tcp/p2p/{PEER}",
        f"/ip4/hello/tcp/1/p2p/{PEER}",
        f"/ip4/192.0.2.7/tcp/1/p2p/{PEER}/tcp/2",
        f"/ip4/192.0.2.7/tcp/1/p2p/{PEER[:-1]}",
        f"/ip4/192.0.2.7/tcp/1/p2p/{PEER} /ip4/192.0.2.7/tcp/1/p2p/{PEER}",
        "meadow://join",
        "meadow://join?",
        "meadow://join?peer=",
        "meadow://join?peer=hello",
        "meadow://join?peer=%FF%FE",
        "meadow:join?peer=hello",
        f"meadow://leave?peer=/ip4/192.0.2.7/tcp/1/p2p/{PEER}",
        f"https://join?peer=/ip4/192.0.2.7/tcp/1/p2p/{PEER}",
        write_invitation([GOOD[0], "hello"]),
        "x" * 100_000,
    ],
    ids=lambda text: text[:40],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadAddressError):
        read_addresses([GOOD[0], text])


def test_a_refusal_shows_a_long_text_only_in_part() -> None:
    with pytest.raises(BadAddressError) as caught:
        read_addresses(["x" * 100_000])
    assert len(str(caught.value)) < 200


def test_an_invitation_with_a_broken_bracket_is_refused() -> None:
    with pytest.raises(BadAddressError):
        read_addresses(["meadow://[join?peer=hello"])


@pytest.mark.parametrize("host", ["999.0.0.1", "1.2.3", "...", "1.2.3.4.5"])
def test_a_host_that_cannot_be_is_refused(host: str) -> None:
    with pytest.raises(BadAddressError):
        read_addresses([f"/ip4/{host}/tcp/1/p2p/{PEER}"])
