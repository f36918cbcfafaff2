"""A computer makes, joins and leaves swarms; each of them knows it under another name, and nothing is done silently."""

from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from meadow_client.errors import BadAddressError, PortTakenError, SwarmUnreachableError, UsageError
from meadow_client.identity import load_or_create_identity, new_identity
from meadow_client.invitation import peer_of, read_addresses, write_invitation
from meadow_engine.api.places import Places, find_places
from meadow_engine.api.swarms import SwarmEntry, SwarmsOverview
from meadow_engine.kept_settings import KeptSettings
from meadow_engine.kept_swarms import (
    NoSuchSwarmError,
    SwarmNameTakenError,
    SwarmsBrokenError,
    SwarmToUse,
    listen_again,
    read_kept,
    saying_how_to_leave,
    swarm_to_use,
)
from meadow_engine.swarms import DefaultSwarmStaysError, NoAddressError, RunningIn, SwarmFixedError, Swarms

SELF, FRIEND, OTHER = (new_identity().peer for _ in range(3))
AT_FRIEND = f"/ip4/192.0.2.7/tcp/31337/p2p/{FRIEND}"
AT_OTHER = f"/ip4/192.0.2.8/tcp/31337/p2p/{OTHER}"
LISTEN = ("/ip4/0.0.0.0/tcp/4001",)


@dataclass
class Computer:
    """Real files; an engine that says where it is, and a network where `silent` peers do not answer."""

    places: Places
    flags: dict[str, object] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    called: list[list[str]] = field(default_factory=list)

    def settings(self) -> KeptSettings:
        return KeptSettings(self.places.settings_file, self.flags)

    def start(self) -> SwarmToUse:
        """What an engine that starts now would use."""
        kept = self.settings()
        return swarm_to_use(self.places, kept.settings, kept.overview())

    def swarms(self, *, is_running: bool = True, fixed_by: str = "") -> Swarms:
        """As the engine that has just started, or a command without one, has them."""
        start, peer = (self.start(), SELF) if is_running else (None, "")
        if start is not None and start.key:
            peer = load_or_create_identity(start.identity_file).peer
        address = [f"/ip4/{host}/tcp/4001/p2p/{peer}" for host in ("127.0.0.1", "192.0.2.1")]
        running = None if start is None else RunningIn(start.key, peer, lambda: address, lambda: LISTEN, lambda: 3)
        return Swarms(self.places, lambda: self.settings().settings.initial_peers, running, fixed_by, reach=self._reach)

    async def _reach(self, addresses: Sequence[str]) -> None:
        self.called.append(list(addresses))
        if {peer_of(address) for address in addresses} <= self.silent:
            raise SwarmUnreachableError(addresses)


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    return Computer(find_places(tmp_path))


def used(known: SwarmsOverview) -> SwarmEntry:
    [found] = [swarm for swarm in known.swarms if swarm.is_in_use]
    return found


def names(known: SwarmsOverview) -> list[str]:
    return [swarm.name for swarm in known.swarms]


async def test_at_first_there_is_the_default_swarm(computer: Computer) -> None:
    known = await computer.swarms().overview()
    assert (names(known), used(known).is_default, used(known).computers) == (["default"], True, 3)
    assert not known.needs_restart
    assert not computer.places.swarms_file.exists()


async def test_a_new_swarm_is_used_after_the_next_start_and_its_link_leads_there(computer: Computer) -> None:
    known = await computer.swarms().new("friends")
    made = used(known)
    assert (made.name, made.is_own, made.computers, known.needs_restart) == ("friends", True, None, True)
    start = computer.start()
    peer = load_or_create_identity(start.identity_file).peer
    assert read_addresses([made.invitation]) == [f"/ip4/192.0.2.1/tcp/4001/p2p/{peer}"]
    assert (start.peers, start.listen) == ([], LISTEN)
    again = await computer.swarms().overview()
    assert (used(again).invitation, used(again).computers, again.needs_restart) == (made.invitation, 3, False)


async def test_in_every_swarm_this_computer_is_another_peer(computer: Computer) -> None:
    """Who remembers it from one swarm cannot call it in the next, which would bring both together."""
    files = [computer.start()]
    await computer.swarms().new("one")
    files.append(computer.start())
    await computer.swarms().join(AT_FRIEND, "two")
    files.append(computer.start())
    assert len({start.identity_file for start in files} | {start.host_identity_file for start in files}) == 6
    assert files[0].identity_file == computer.places.identity_file


async def test_an_address_of_this_computer_alone_is_told_when_there_is_no_other(computer: Computer) -> None:
    address = [f"/ip4/127.0.0.1/tcp/4001/p2p/{SELF}"]
    running = RunningIn("", SELF, lambda: address, lambda: LISTEN, lambda: 0)
    known = await Swarms(computer.places, list, running).new(None)
    assert read_addresses([used(known).invitation])[0].startswith("/ip4/127.0.0.1/tcp/4001/p2p/")


async def test_without_an_engine_nobody_knows_where_a_new_swarm_is(computer: Computer) -> None:
    with pytest.raises(NoAddressError) as caught:
        await computer.swarms(is_running=False).new("friends")
    assert "meadow --no-gui" in caught.value.advice
    assert not computer.places.swarms_file.exists()


@pytest.mark.parametrize("is_running", [True, False])
async def test_who_joins_calls_the_computers_of_the_invitation(computer: Computer, is_running: bool) -> None:
    link = write_invitation([AT_FRIEND, AT_OTHER])
    known = await computer.swarms(is_running=is_running).join(link, "theirs")
    assert (used(known).name, used(known).is_own, known.needs_restart) == ("theirs", False, is_running)
    assert used(known).invitation == link
    assert (computer.called, computer.start().peers) == ([[AT_FRIEND, AT_OTHER]], [AT_FRIEND, AT_OTHER])


async def test_others_may_join_at_whoever_has_joined(computer: Computer) -> None:
    await computer.swarms().join(AT_FRIEND, None)
    shown = used(await computer.swarms().overview()).invitation
    assert [address.split("/")[2] for address in read_addresses([shown])] == ["192.0.2.7", "192.0.2.1"]


async def test_a_silent_swarm_is_not_joined(computer: Computer) -> None:
    computer.silent = {FRIEND}
    with pytest.raises(SwarmUnreachableError):
        await computer.swarms().join(AT_FRIEND, None)
    assert computer.start().key == ""


@pytest.mark.parametrize("link", ["", "hello", "meadow://join", "https://example.org", "meadow://join?peer=x"])
async def test_what_is_no_invitation_changes_nothing(computer: Computer, link: str) -> None:
    with pytest.raises(BadAddressError) as caught:
        await computer.swarms().join(link, None)
    assert "meadow://" in caught.value.advice
    assert not computer.places.swarms_file.exists()


async def test_ones_own_invitation_is_for_others(computer: Computer) -> None:
    with pytest.raises(UsageError, match="leads to this computer itself"):
        await computer.swarms().join(f"/ip4/192.0.2.1/tcp/4001/p2p/{SELF}", None)


async def test_joining_again_switches_back_and_calls_nobody(computer: Computer) -> None:
    own = used(await computer.swarms().new("mine")).invitation
    await computer.swarms().join(AT_FRIEND, "theirs")
    computer.silent = {FRIEND}
    computer.called.clear()
    assert used(await computer.swarms().join(own, None)).name == "mine"
    known = await computer.swarms().join(AT_FRIEND, "friends")
    assert (used(known).name, names(known), computer.called) == ("friends", ["default", "mine", "friends"], [])


async def test_names_are_given_once(computer: Computer) -> None:
    swarms = computer.swarms()
    await swarms.new("friends")
    for name in ("friends", "default", " friends "):
        with pytest.raises(SwarmNameTakenError):
            await swarms.new(name)
        with pytest.raises(SwarmNameTakenError):
            await swarms.join(AT_FRIEND, name)
    assert names(await swarms.new(None)) == ["default", "friends", "swarm-1"]
    assert names(await swarms.join(AT_FRIEND, None)) == ["default", "friends", "swarm-1", "swarm-2"]


async def test_who_leaves_the_swarm_in_use_is_back_in_the_default_one(computer: Computer) -> None:
    await computer.swarms().join(AT_FRIEND, "theirs")
    in_it = computer.swarms()
    folder = computer.start().identity_file.parent
    load_or_create_identity(computer.start().identity_file)
    known = await in_it.leave("theirs")
    assert (names(known), used(known).name, known.needs_restart) == (["default"], "default", True)
    assert (computer.start().key, folder.exists()) == ("", False)


async def test_who_keeps_swarms_goes_from_one_to_the_other(computer: Computer) -> None:
    await computer.swarms().new("mine")
    await computer.swarms().join(AT_FRIEND, "theirs")
    for name in ("mine", "default", "theirs"):
        known = await computer.swarms().use(name)
        assert (names(known), used(known).name) == (["default", "mine", "theirs"], name)
    with pytest.raises(NoSuchSwarmError):
        await computer.swarms().use("other")


async def test_leaving_another_swarm_changes_nothing_for_the_one_in_use(computer: Computer) -> None:
    await computer.swarms().new("mine")
    await computer.swarms().join(AT_FRIEND, "theirs")
    known = await computer.swarms().leave("mine")
    assert (names(known), used(known).name, known.needs_restart) == (["default", "theirs"], "theirs", False)


async def test_what_cannot_be_left_is_said(computer: Computer) -> None:
    with pytest.raises(DefaultSwarmStaysError):
        await computer.swarms().leave("default")
    with pytest.raises(NoSuchSwarmError, match="No swarm called mine is kept here"):
        await computer.swarms().leave("mine")


async def test_the_default_swarm_is_the_one_of_the_settings(computer: Computer) -> None:
    computer.settings().change({"initial_peers": [AT_FRIEND]})
    known = await computer.swarms(is_running=False).overview()
    assert read_addresses([used(known).invitation]) == [AT_FRIEND]
    assert computer.start().peers == [AT_FRIEND]


async def test_a_flag_wins_over_what_is_kept(computer: Computer) -> None:
    await computer.swarms().join(AT_FRIEND, "theirs")
    computer.flags = {"initial_peers": [AT_OTHER]}
    assert (computer.start().key, computer.start().peers) == ("", [AT_OTHER])
    swarms = computer.swarms(fixed_by="--initial-peers")
    known = await swarms.overview()
    assert (used(known).name, known.needs_restart) == ("default", False)
    for change in (swarms.new(None), swarms.join(AT_OTHER, None), swarms.leave("theirs")):
        with pytest.raises(SwarmFixedError, match="fixed by --initial-peers"):
            await change


@pytest.mark.parametrize("content", ["", "{", "[]", '{"in_use": 1}', '{"in_use": "gone", "swarms": []}'])
async def test_a_damaged_file_is_not_taken_for_the_default_swarm(computer: Computer, content: str) -> None:
    """Else a private computer would be among strangers without having been asked."""
    computer.places.data.mkdir(parents=True)
    computer.places.swarms_file.write_text(content)
    with pytest.raises(SwarmsBrokenError) as caught:
        computer.start()
    assert "delete it to go back to the default swarm" in caught.value.advice
    with pytest.raises(SwarmsBrokenError):
        await computer.swarms(is_running=False).join(AT_FRIEND, None)
    assert computer.places.swarms_file.read_text() == content


async def test_the_file_is_for_its_owner_only_and_readable(computer: Computer) -> None:
    await computer.swarms().join(AT_FRIEND, "theirs")
    assert stat.S_IMODE(computer.places.swarms_file.stat().st_mode) == 0o600
    [swarm] = json.loads(computer.places.swarms_file.read_text())["swarms"]
    assert (swarm["name"], swarm["addresses"]) == ("theirs", [AT_FRIEND])
    assert read_kept(computer.places).used is not None


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/0"], ["/ip4/0.0.0.0/tcp/4001", "/ip6/::/tcp/0"]),
        (["/ip4/0.0.0.0/tcp/4711"], ["/ip4/0.0.0.0/tcp/4711"]),
        (["/ip4/0.0.0.0/udp/0/quic-v1"], ["/ip4/0.0.0.0/udp/0/quic-v1"]),
    ],
)
def test_where_any_port_will_do_it_is_the_one_that_the_link_names(wanted: list[str], found: list[str]) -> None:
    assert listen_again(wanted, LISTEN, check=lambda _address: None) == found


def test_a_port_that_is_taken_by_now_gives_way_to_any_other() -> None:
    def check(address: str) -> None:
        raise PortTakenError(address)

    assert listen_again(["/ip4/0.0.0.0/tcp/0"], LISTEN, check) == ["/ip4/0.0.0.0/tcp/0"]


async def test_who_cannot_start_because_the_others_are_away_hears_how_to_leave(computer: Computer) -> None:
    await computer.swarms().join(AT_FRIEND, "theirs")
    with pytest.raises(SwarmUnreachableError) as caught:
        async with saying_how_to_leave(computer.start()):
            raise SwarmUnreachableError([AT_FRIEND])
    assert caught.value.advice.endswith('`meadow swarm leave "theirs"` goes back to the default swarm.')
