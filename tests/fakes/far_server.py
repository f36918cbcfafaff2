"""One server at the far end of a stream, as a hop's client meets it: the test says what it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import torch

from fakes.streams import PipeWriter, flat, hear, stream_pair
from meadow_client.routing.chains import Leg
from meadow_client.session.hop import Hop
from meadow_client.swarm.node import Stream
from meadow_client.wire import frames
from meadow_client.wire.messages import VERSION, Open, Opened, Result, Timing

PEER = "12D3KooWservant"
LEG = Leg(PEER, 2, 5)
SESSION = "0123456789abcdef" * 2
OPENING = Open(VERSION, "session", "fingerprint", 2, 5, 2, 64, SESSION)
STATELESS = Open(VERSION, "stateless", "fingerprint", 2, 5, 2, 64)
AGREED = Opened(4, "bfloat16", 128)


@dataclass
class FakeNode:
    """Opens a stream whose other end says what the test gives it."""

    says: bytes = b""
    ends: bool = False
    refuses: Exception | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def open(self, peer: str, protocol: str) -> Stream:
        self.asked.append((peer, protocol))
        if self.refuses is not None:
            raise self.refuses
        ours, self.far = stream_pair(there=peer)
        self.writer: PipeWriter = ours.writer  # type: ignore[assignment]
        self.say(self.says, ends=self.ends)
        return ours

    def say(self, data: bytes, *, ends: bool = False) -> None:
        self.far.writer.write(data)
        if ends:
            self.far.writer.close()

    async def sent(self) -> tuple[Any, dict[str, torch.Tensor]]:
        return await hear(self.far, frames.request_decoder)


def result(tensor: torch.Tensor, name: Any = "hidden", **fields: Any) -> bytes:
    return flat(Result((), (Timing(0.125, 0.5),), **fields), **{name: tensor})


async def open_hop(node: FakeNode, patience_s: float = 60.0, opening: Open = OPENING) -> Hop:
    return await Hop.open(node, LEG, opening, patience_s, 60.0)  # type: ignore[arg-type]


async def opened_hop(opening: Open = OPENING, agreed: Opened = AGREED) -> tuple[FakeNode, Hop]:
    node = FakeNode(flat(agreed))
    hop = await open_hop(node, opening=opening)
    assert (await node.sent())[0] == opening
    return node, hop


STRANGE_ANSWERS = {
    "an agreement": flat(AGREED),
    "strange bytes": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "no text": b"\x00\x00\x00\x0a" + bytes(8) + b"\x81\xa4type\xa4\xff\xff\xff\xff",
    "a huge body": b"\x00\x00\x00\x0a" + b"\xff" * 8,
    "nothing": msgspec.msgpack.encode(None) * 12,
    "another tensor": result(torch.zeros(1, 1, 4).bfloat16(), name="grad"),
}
