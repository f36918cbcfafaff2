"""A client finds servers for all layers, says while some are missing, and gives up when it was told to."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from fakes.clock import FakeClock
from meadow_client.errors import LayersMissingError, ServerLostError, ServerRefusedError
from meadow_client.routing.chains import Leg
from meadow_client.session import swarm_client
from meadow_client.session.hop import Hop
from meadow_client.session.swarm_client import ClientOptions, Queueing, SessionRange, SwarmClient, Waiting
from meadow_client.swarm.directory import Announcement, Server
from meadow_client.wire.checks import Terms
from meadow_client.wire.messages import Address, Open, Queued


def server(peer: str, start: int, end: int, token_s: float = 0.01) -> Server:
    return Server(peer, Announcement("m", "demo", 6, 512, start, end, f"{peer}'s", "0", "float32", token_s))


@dataclass
class FakeDirectory:
    """Gives one list of servers after the other; the last one stays. What was read before is given again."""

    known: list[list[Server]]

    async def servers(self, model: str, known_s: float = 0.0) -> list[Server]:
        assert model == "m"
        if known_s > 0:
            return self.known[0]
        return self.known.pop(0) if len(self.known) > 1 else self.known[0]


@dataclass
class FakeNode:
    directory: FakeDirectory


@dataclass
class FakeHop:
    leg: Leg
    opening: Open
    is_closed: bool = False
    terms = Terms("session", 1, 64, 512, "float32", 8)
    is_linked = False
    failed = None

    @property
    def address(self) -> Address:
        return Address(self.leg.peer, self.opening.session or "")

    def listen(self, listener: Any) -> None:
        self.listener = listener

    async def aclose(self) -> None:
        self.is_closed = True


@dataclass
class Hops:
    """Stands for `Hop.open`: peers in `failing` fail, the others open."""

    failing: dict[str, Exception] = field(default_factory=dict)
    opened: list[FakeHop] = field(default_factory=list)
    asked: list[Open] = field(default_factory=list)

    async def open(self, _node: Any, leg: Leg, opening: Open, *_patience_s: float) -> FakeHop:
        await asyncio.sleep(0)
        self.asked.append(opening)
        if leg.peer in self.failing:
            raise self.failing[leg.peer]
        self.opened.append(FakeHop(leg, opening))
        return self.opened[-1]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    clock.rule(monkeypatch, swarm_client)
    return clock


@pytest.fixture
def hops(monkeypatch: pytest.MonkeyPatch) -> Hops:
    hops = Hops()
    monkeypatch.setattr(Hop, "open", hops.open)
    return hops


def client_of(*known: list[Server], **options: Any) -> SwarmClient:
    node: Any = FakeNode(FakeDirectory(list(known)))
    return SwarmClient(node, asyncio.get_running_loop(), "m", "demo", 6, ClientOptions(**options))


def peers_of(chain: Any) -> list[str]:
    return [member.leg.peer for member in chain.members]


async def open_chain(client: SwarmClient, told: list[Waiting] | None = None, after: Address | None = None) -> Any:
    on_waiting = told.append if told is not None else None
    opened = await client.open_hops(0, 6, SessionRange(0, 6, 64), 1, after, on_waiting)
    for hop, _member in opened:
        await hop.aclose()
    return SimpleNamespace(hops=[hop for hop, _member in opened], members=[member for _hop, member in opened])


async def test_a_chain_names_its_members(clock: FakeClock, hops: Hops) -> None:
    chain = await open_chain(client_of([server("b", 3, 6), server("a", 0, 3)]))
    assert [(m.leg.peer, m.leg.start, m.leg.end, m.name) for m in chain.members] == [
        ("a", 0, 3, "a's"),
        ("b", 3, 6, "b's"),
    ]


async def test_missing_layers_are_waited_for_and_told_once(clock: FakeClock, hops: Hops) -> None:
    half, whole = [server("a", 0, 3)], [server("a", 0, 3), server("b", 3, 6)]
    told: list[Waiting] = []
    chain = await open_chain(client_of(half, half, half, whole, connect_timeout_s=30), told)
    assert peers_of(chain) == ["a", "b"]
    assert [waiting.missing for waiting in told] == [[(3, 6)]]
    assert str(told[0]) == ("No computer in the swarm holds layers 3–5 of demo now; waiting up to 30 s for one")


async def test_other_missing_layers_are_told_again(clock: FakeClock, hops: Hops) -> None:
    whole = [server("a", 0, 6)]
    told: list[Waiting] = []
    await open_chain(client_of([], [server("a", 0, 3)], [server("a", 0, 3)], whole), told)
    assert [waiting.missing for waiting in told] == [[(0, 6)], [(3, 6)]]


async def test_layers_that_stay_missing_are_an_error_after_the_wait(clock: FakeClock, hops: Hops) -> None:
    with pytest.raises(LayersMissingError, match="after waiting 7 s") as caught:
        await open_chain(client_of([server("a", 2, 6)], connect_timeout_s=7))
    assert caught.value.missing == [(0, 2)]
    assert sum(clock.slept) == pytest.approx(7)


async def test_without_patience_missing_layers_are_an_error_at_once(clock: FakeClock, hops: Hops) -> None:
    with pytest.raises(LayersMissingError):
        await open_chain(client_of([], connect_timeout_s=0))
    assert clock.slept == []


async def test_a_server_that_cannot_be_reached_is_replaced_by_another(clock: FakeClock, hops: Hops) -> None:
    hops.failing["fast"] = ServerLostError("fast", 0, 6)
    chain = await open_chain(client_of([server("fast", 0, 6, 0.001), server("slow", 0, 6, 1.0)]))
    assert peers_of(chain) == ["slow"]


async def test_a_failed_server_is_tried_again_after_a_while(clock: FakeClock, hops: Hops) -> None:
    client = client_of([server("fast", 0, 6, 0.001), server("slow", 0, 6, 1.0)])
    client.ban("fast")
    assert peers_of(await open_chain(client)) == ["slow"]
    clock.advance(601)
    assert peers_of(await open_chain(client)) == ["fast"]


async def test_streams_that_did_open_are_closed_when_another_one_did_not(clock: FakeClock, hops: Hops) -> None:
    hops.failing["b"] = ServerRefusedError("b", 3, 6, "server-full")
    with pytest.raises(LayersMissingError):
        await open_chain(client_of([server("a", 0, 3), server("b", 3, 6)], connect_timeout_s=5))
    assert {hop.leg.peer for hop in hops.opened} == {"a"}
    assert all(hop.is_closed for hop in hops.opened)


async def test_the_last_attempts_error_is_raised(clock: FakeClock, hops: Hops) -> None:
    hops.failing = {"a": ServerLostError("a", 0, 6), "b": ServerRefusedError("b", 0, 6, "server-full")}
    servers = [server("a", 0, 6, 0.001), server("b", 0, 6, 1.0)]
    with pytest.raises(ServerRefusedError, match="server-full"):
        await open_chain(client_of(servers, max_retries=2))


async def test_a_silent_server_counts_as_lost(clock: FakeClock, hops: Hops) -> None:
    hops.failing["a"] = TimeoutError()
    with pytest.raises(ServerLostError, match="cannot be reached"):
        await open_chain(client_of([server("a", 0, 6)], max_retries=1))


async def test_only_allowed_servers_are_used(clock: FakeClock, hops: Hops) -> None:
    servers = [server("fast", 0, 6, 0.001), server("slow", 0, 6, 1.0)]
    assert peers_of(await open_chain(client_of(servers, allowed_servers=["slow"]))) == ["slow"]
    with pytest.raises(LayersMissingError):
        await open_chain(client_of(servers, allowed_servers=[], connect_timeout_s=0))


async def test_blocked_servers_are_not_used(clock: FakeClock, hops: Hops) -> None:
    servers = [server("fast", 0, 6, 0.001), server("slow", 0, 6, 1.0)]
    assert peers_of(await open_chain(client_of(servers, blocked_servers={"fast"}))) == ["slow"]


async def test_streams_that_did_open_are_closed_when_the_opening_is_cancelled(
    clock: FakeClock, hops: Hops, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, opened = asyncio.Event(), asyncio.Event()
    usual = hops.open

    async def open_or_wait(node: Any, leg: Leg, *others: Any) -> FakeHop:
        if leg.peer == "b":
            stuck.set()
            await asyncio.Event().wait()
        hop = await usual(node, leg, *others)
        opened.set()
        return hop

    monkeypatch.setattr(Hop, "open", open_or_wait)
    async with asyncio.TaskGroup() as group:
        opening = group.create_task(open_chain(client_of([server("a", 0, 3), server("b", 3, 6)])))
        await stuck.wait()
        await opened.wait()
        await asyncio.sleep(0)
        opening.cancel()
    assert all(hop.is_closed for hop in hops.opened)


THREE = [server("a", 0, 2), server("b", 2, 4), server("c", 4, 6)]


async def test_every_server_of_a_session_has_a_secret_name_for_it_and_is_told_the_next_ones(
    clock: FakeClock, hops: Hops
) -> None:
    await open_chain(client_of(THREE))
    first, second, third = sorted(hops.asked, key=lambda opening: opening.start)
    assert (first.next, second.next, third.next) == (address("b", second), address("c", third), None)
    assert len({opening.session for opening in hops.asked}) == 3
    await open_chain(client_of(THREE))
    assert len({opening.session for opening in hops.asked}) == 6


def address(peer: str, opening: Open) -> Address:
    assert opening.session is not None
    return Address(peer, opening.session)


async def test_servers_in_the_middle_of_a_chain_are_told_who_comes_behind_them(clock: FakeClock, hops: Hops) -> None:
    behind = Address("c", "0f" * 16)
    opened = await client_of(THREE).open_hops(0, 4, SessionRange(0, 6, 64), 1, behind)
    first, second = sorted(hops.asked, key=lambda opening: opening.start)
    assert (first.next, second.next) == (address("b", second), behind)
    assert [(member.leg.start, member.leg.end) for _hop, member in opened] == [(0, 2), (2, 4)]


@pytest.mark.parametrize("retain", [True, False])
async def test_all_but_the_last_server_are_asked_to_keep_what_they_send(
    clock: FakeClock, hops: Hops, retain: bool
) -> None:
    await open_chain(client_of(THREE, retain=retain))
    assert sorted((opening.start, opening.retain) for opening in hops.asked) == [(0, retain), (2, retain), (4, False)]


async def test_a_new_attempt_has_a_new_name_as_the_last_one_may_not_have_ended_yet(
    clock: FakeClock, hops: Hops
) -> None:
    hops.failing["bad"] = ServerRefusedError("bad", 2, 6, "server-full")
    await open_chain(client_of([server("a", 0, 2), server("bad", 2, 6, 0.001), server("good", 2, 6, 1.0)]))
    tried = [opening.session for opening in hops.asked if opening.end == 2]
    assert len(tried) == len(set(tried)) == 2


async def test_all_servers_that_fail_together_are_left_out_of_the_next_chain(clock: FakeClock, hops: Hops) -> None:
    hops.failing["bad-1"] = ServerLostError("bad-1", 0, 2)
    hops.failing["bad-2"] = ServerLostError("bad-2", 2, 6)
    servers = [server("bad-1", 0, 2), server("bad-2", 2, 6), server("good-1", 0, 2, 1.0), server("good-2", 2, 6, 1.0)]
    chain = await open_chain(client_of(servers))
    assert [hop.leg.peer for hop in chain.hops] == ["good-1", "good-2"]
    assert len(hops.asked) == 4  # two attempts of two servers each


async def test_servers_that_may_not_be_linked_are_told_of_no_next_one(clock: FakeClock, hops: Hops) -> None:
    await open_chain(client_of(THREE, link_servers=False))
    assert [opening.next for opening in hops.asked] == [None, None, None]


async def test_stateless_streams_have_no_name_and_no_next(clock: FakeClock, hops: Hops) -> None:
    await (await client_of(THREE).open_chain(0, 6, 2, 10)).aclose()
    assert [(o.kind, o.session, o.next, o.batch, o.max_length) for o in hops.asked] == [
        ("stateless", None, None, 2, 10)
    ] * 3
    assert all(hop.is_closed for hop in hops.opened)


async def test_a_place_in_a_servers_line_is_told(clock: FakeClock, hops: Hops) -> None:
    told: list[Waiting] = []
    client = client_of([server("a", 0, 3), server("b", 3, 6)])
    chain = await open_chain(client)
    pipeline = client.pipeline(chain.hops, chain.members, 1, on_waiting=told.append)
    pipeline.on_queued(chain.hops[1], Queued(3, 40.0))
    assert told == [Queueing("demo", [], 40.0, "b's", 3)]
    assert str(told[0]) == "b's is full; this conversation is number 3 in its line, waiting up to 40 s"
