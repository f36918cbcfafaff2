"""A chain of two servers: "first" holds layers 0 to 3, "second" 3 to 6."""

from __future__ import annotations

from secrets import token_hex

import torch

from fakes.span_servers import Served
from meadow_client.routing.chains import Leg
from meadow_client.wire.messages import Address

LEGS = (Leg("first", 0, 3), Leg("second", 3, 6))
SECOND, THIRD, NOBODY = (Address(name, token_hex(16)) for name in ("second", "third", "nobody"))
Two = tuple[Served, Served]


def close(ours: torch.Tensor, theirs: torch.Tensor, tolerance: float = 1e-3) -> None:
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)
