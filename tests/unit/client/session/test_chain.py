"""Whole texts go through the legs in order and gradients come back, whichever servers are lost on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from meadow_client.errors import LayersMissingError, MeadowError, ServerLostError, ServerRefusedError
from meadow_client.routing.chains import Leg
from meadow_client.session.chain import Chain

Asked = tuple[str, str, float]


@dataclass
class FakeHop:
    """Multiplies by two for each layer, forward and backward; fails once it was asked `lives` times."""

    network: Network
    leg: Leg
    lives: int
    failed: MeadowError | None = None
    is_closed: bool = False

    async def forward(self, tensors: dict[str, Any]) -> torch.Tensor:
        return self._ask("forward", tensors, "hidden")

    async def backward(self, tensors: dict[str, Any]) -> torch.Tensor:
        return self._ask("backward", tensors, "grad")

    def _ask(self, kind: str, tensors: dict[str, Any], name: str) -> torch.Tensor:
        if self.failed is not None:
            raise self.failed
        assert not self.is_closed
        self.network.asked.append((self.leg.peer, kind, float(tensors["hidden"][0, 0, 0])))
        self.network.extras.append({key: tensors[key] for key in tensors if key not in ("hidden", "grad")})
        if self.lives == 0:
            self.fail()
            raise self.failed
        self.lives -= 1
        factor = 2.0 ** (self.leg.end - self.leg.start)
        return tensors[name] * factor

    def fail(self) -> None:
        self.failed = ServerLostError(self.leg.peer, self.leg.start, self.leg.end)

    async def aclose(self) -> None:
        self.is_closed = True


@dataclass
class Network:
    """Whom a chain finds when it looks for layers [start, end): chains that the test names, one after the other."""

    others: dict[tuple[int, int], list[list[tuple[str, int, int, int]]]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    extras: list[dict[str, Any]] = field(default_factory=list)
    banned: list[str] = field(default_factory=list)
    hops: dict[str, FakeHop] = field(default_factory=dict)

    def open(self, *servers: tuple[str, int, int, int]) -> list[FakeHop]:
        hops = [FakeHop(self, Leg(peer, start, end), lives) for peer, start, end, lives in servers]
        self.hops |= {hop.leg.peer: hop for hop in hops}
        return hops

    async def find(self, start: int, end: int) -> list[FakeHop]:
        chains = self.others.get((start, end), [])
        if not chains:
            raise LayersMissingError("demo", [(start, end)])
        return self.open(*chains.pop(0))

    def chain(self, *servers: tuple[str, int, int, int], max_retries: int = 5) -> Chain:
        find: Any = self.find
        hops: Any = self.open(*servers)
        return Chain(hops, find, self.banned.append, max_retries)


ONES = torch.ones(1, 2, 4)
MANY = 99


async def test_a_text_goes_through_every_leg_and_back() -> None:
    network, extras = Network(), {"position_ids": torch.arange(2)[None]}
    chain = network.chain(("a", 0, 1, MANY), ("b", 1, 3, MANY))
    assert torch.equal(await chain.forward(ONES, extras), ONES * 8)
    assert torch.equal(await chain.backward(ONES * 3, extras), ONES * 24)
    assert network.asked == [
        ("a", "forward", 1.0),
        ("b", "forward", 2.0),
        ("b", "backward", 2.0),
        ("a", "backward", 1.0),
    ]
    assert network.extras == [extras] * 4


async def test_a_server_lost_on_the_way_is_replaced_for_its_layers_only() -> None:
    network = Network({(1, 3): [[("c", 1, 3, MANY)]]})
    chain = network.chain(("a", 0, 1, MANY), ("b", 1, 3, 0), ("d", 3, 4, MANY))
    assert torch.equal(await chain.forward(ONES, {}), ONES * 16)
    assert [(peer, entered) for peer, _kind, entered in network.asked] == [("a", 1), ("b", 2), ("c", 2), ("d", 8)]
    assert network.banned == ["b"]
    assert network.hops["b"].is_closed
    assert torch.equal(await chain.backward(ONES, {}), ONES * 16)


async def test_several_servers_may_take_the_place_of_one() -> None:
    network = Network({(1, 3): [[("c", 1, 2, MANY), ("d", 2, 3, MANY)]]})
    chain = network.chain(("a", 0, 1, MANY), ("b", 1, 3, 0))
    assert torch.equal(await chain.forward(ONES, {}), ONES * 8)
    assert torch.equal(await chain.backward(ONES, {}), ONES * 8)
    assert network.asked[-3:] == [("d", "backward", 4.0), ("c", "backward", 2.0), ("a", "backward", 1.0)]


async def test_several_servers_that_take_over_on_the_way_back_learn_first_what_enters_them() -> None:
    network = Network({(1, 4): [[("c", 1, 2, MANY), ("d", 2, 3, MANY), ("e", 3, 4, MANY)]]})
    chain = network.chain(("a", 0, 1, MANY), ("b", 1, 4, 1), ("z", 4, 5, MANY))
    await chain.forward(ONES, {})
    network.asked.clear()
    assert torch.equal(await chain.backward(ONES, {}), ONES * 32)
    assert network.asked == [
        ("z", "backward", 16.0),
        ("b", "backward", 2.0),
        ("c", "forward", 2.0),
        ("d", "forward", 4.0),
        ("e", "backward", 8.0),
        ("d", "backward", 4.0),
        ("c", "backward", 2.0),
        ("a", "backward", 1.0),
    ]


async def test_those_who_take_over_may_be_lost_too() -> None:
    network = Network(
        {
            (0, 4): [[("b", 0, 2, 0), ("c", 2, 4, MANY)]],
            (0, 2): [[("d", 0, 1, MANY), ("e", 1, 2, 1)]],
            (1, 2): [[("f", 1, 2, MANY)]],
        }
    )
    chain = network.chain(("a", 0, 4, 1))
    await chain.forward(ONES, {})
    assert torch.equal(await chain.backward(ONES, {}), ONES * 16)
    assert network.banned == ["a", "b", "e"]


async def test_servers_that_left_before_the_way_back_are_asked_nothing_and_not_blamed() -> None:
    network = Network({(0, 2): [[("a again", 0, 2, MANY)]]})
    chain = network.chain(("a", 0, 2, MANY))
    await chain.forward(ONES, {})
    network.hops["a"].fail()
    network.asked.clear()
    assert torch.equal(await chain.backward(ONES, {}), ONES * 4)
    assert network.asked == [("a again", "backward", 1.0)]
    assert network.banned == []


async def test_after_so_many_failures_in_a_row_the_last_one_is_told() -> None:
    network = Network({(0, 1): [[(f"b{index}", 0, 1, 0)] for index in range(9)]})
    with pytest.raises(ServerLostError) as caught:
        await network.chain(("b", 0, 1, 0), max_retries=3).forward(ONES, {})
    assert network.banned == ["b", "b0", "b1", "b2"]
    assert caught.value.peer == "b2"


async def test_answers_between_them_make_failures_bearable() -> None:
    legs = [(index, index + 1) for index in range(6)]
    network = Network({leg: [[(f"spare{leg[0]}", *leg, MANY)]] for leg in legs})
    chain = network.chain(*((f"b{start}", start, end, 0) for start, end in legs), max_retries=1)
    assert torch.equal(await chain.forward(ONES, {}), ONES * 64)


async def test_a_pass_that_found_nobody_can_be_asked_for_again() -> None:
    network = Network()
    chain = network.chain(("a", 0, 1, 1))
    await chain.forward(ONES, {})
    with pytest.raises(LayersMissingError):
        await chain.backward(ONES, {})
    network.others[0, 1] = [[("b", 0, 1, MANY)]]
    assert torch.equal(await chain.backward(ONES, {}), ONES * 2)


async def test_a_refusal_is_told_with_its_code() -> None:
    network = Network()
    chain = network.chain(("a", 0, 1, MANY), max_retries=0)
    network.hops["a"].failed = ServerRefusedError("a", 0, 1, "leaving")
    with pytest.raises(ServerRefusedError, match="leaving"):
        await chain.forward(ONES, {})


async def test_a_chain_closes_all_its_streams() -> None:
    network = Network({(1, 2): [[("c", 1, 2, MANY)]]})
    chain = network.chain(("a", 0, 1, MANY), ("b", 1, 2, 0))
    await chain.forward(ONES, {})
    await chain.aclose()
    assert all(hop.is_closed for hop in network.hops.values())
