"""Whole texts go through the legs in order, and gradients come back in the opposite order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from meadow_client.errors import ServerLostError
from meadow_client.session.chain import Chain


@dataclass
class FakeHop:
    """Multiplies by `factor`, forward and backward."""

    factor: float
    seen: list[dict[str, Any]] = field(default_factory=list)
    fails_with: Exception | None = None
    is_closed: bool = False

    async def forward(self, tensors: dict[str, Any]) -> torch.Tensor:
        self.seen.append(tensors)
        if self.fails_with is not None:
            raise self.fails_with
        return tensors["hidden"] * self.factor

    async def backward(self, tensors: dict[str, Any]) -> torch.Tensor:
        self.seen.append(tensors)
        return tensors["grad"] * self.factor

    async def aclose(self) -> None:
        self.is_closed = True


def chain_of(*hops: FakeHop) -> Chain:
    return Chain(hops)  # type: ignore[arg-type]


async def test_a_text_goes_through_every_leg_and_what_entered_each_is_kept() -> None:
    hops = FakeHop(2.0), FakeHop(5.0)
    hidden, positions = torch.ones(1, 2, 4), torch.arange(2)[None]
    output, entered = await chain_of(*hops).forward({"hidden": hidden, "position_ids": positions})
    assert torch.equal(output, hidden * 10)
    assert [float(tensor[0, 0, 0]) for tensor in entered] == [1.0, 2.0]
    assert all(torch.equal(hop.seen[0]["position_ids"], positions) for hop in hops)


async def test_a_gradient_goes_back_with_what_entered_each_leg() -> None:
    hops = FakeHop(2.0), FakeHop(5.0)
    chain = chain_of(*hops)
    hidden, grad = torch.ones(1, 2, 4), torch.full((1, 2, 4), 3.0)
    _output, entered = await chain.forward({"hidden": hidden})
    back = await chain.backward(grad, entered, {"hidden": hidden})
    assert torch.equal(back, grad * 10)
    assert float(hops[1].seen[1]["grad"][0, 0, 0]) == 3.0
    assert float(hops[1].seen[1]["hidden"][0, 0, 0]) == 2.0
    assert float(hops[0].seen[1]["grad"][0, 0, 0]) == 15.0


async def test_a_leg_that_fails_is_told() -> None:
    hops = FakeHop(2.0), FakeHop(5.0, fails_with=ServerLostError("b", 3, 6)), FakeHop(1.0)
    with pytest.raises(ServerLostError):
        await chain_of(*hops).forward({"hidden": torch.ones(1, 1, 4)})
    assert hops[2].seen == []


async def test_a_chain_closes_all_its_streams() -> None:
    hops = FakeHop(2.0), FakeHop(5.0)
    await chain_of(*hops).aclose()
    assert all(hop.is_closed for hop in hops)
