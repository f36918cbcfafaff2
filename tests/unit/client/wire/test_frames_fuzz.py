"""Whatever bytes a stranger sends, a reader either understands them or says that they are no frame."""

from __future__ import annotations

import asyncio
import random

import pytest

from meadow_client.errors import BrokenFrameError
from meadow_client.wire import checks, frames
from meadow_client.wire.messages import (
    Address,
    Filled,
    HandOver,
    Join,
    Leaving,
    Notice,
    Open,
    Pages,
    Ping,
    Pong,
    Queued,
    Reach,
    Reached,
    Release,
    Reply,
    Request,
    Resend,
    Result,
    Step,
    TensorHeader,
    Timing,
)

TERMS = checks.Terms("session", 2, 64, 8, "float32", 32)
LIMIT = TERMS.max_body_bytes
NEXT = Address("next", "0f" * 16)
FRAMES = [
    *(
        b"".join(bytes(part) for part in frames.encode(message))
        for message in (
            Ping(),
            Pong(),
            Notice("next-lost", 3),
            Resend(60, 2, (NEXT, NEXT), 256),
            Reach(NEXT),
            Reached(NEXT, is_linked=True),
            HandOver(NEXT, 5, 2),
            Release(),
            Leaving(20.0),
            Filled(30),
        )
    ),
    b"".join(
        bytes(part) for part in frames.encode(Open(1, "session", "fingerprint", 0, 4, 2, 64, "0f" * 16, NEXT, True))
    ),
    b"".join(bytes(part) for part in frames.encode(Join(1, "0f" * 16))),
    b"".join(bytes(part) for part in frames.encode(Queued(1, 60.0))),
    b"".join(
        bytes(part)
        for part in frames.encode(
            Pages(
                1,
                4,
                3,
                8,
                (TensorHeader("keys", "float32", (2, 2, 3, 4)), TensorHeader("values", "float32", (2, 2, 3, 2))),
                3,
                1,
            ),
            [bytes(192), bytes(96)],
        )
    ),
    b"".join(
        bytes(part)
        for part in frames.encode(
            Step(5, (TensorHeader("hidden", "float32", (2, 1, 8)), TensorHeader("attention_mask", "bool", (2, 6)))),
            [bytes(64), bytes(12)],
        )
    ),
    b"".join(
        bytes(part)
        for part in frames.encode(
            Result((TensorHeader("hidden", "float32", (2, 1, 8)),), (Timing(0.1, 0.2, 0.3),), 5, 1), [bytes(64)]
        )
    ),
    b"".join(
        bytes(part)
        for part in frames.encode(
            Step(
                5,
                (TensorHeader("hidden", "int8", (2, 1, 8)), TensorHeader("scale", "float32", (2, 1))),
                (NEXT, Address("third", "1e" * 16)),
                5,
                True,
                "int8",
                (Timing(0.1, 0.2, 0.3),),
                3,
                2,
            ),
            [bytes(16), bytes(8)],
        )
    ),
]


class BoundedReader:
    """Fails the test when more is asked for than a frame may be long."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = 12 + frames.MAX_HEADER_BYTES + LIMIT

    async def readexactly(self, n: int, /) -> bytes:
        self._left -= n
        assert self._left >= 0
        if n > len(self._data):
            raise asyncio.IncompleteReadError(self._data, n)
        part, self._data = self._data[:n], self._data[n:]
        return part


def mutate(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(changed))
        match rng.randrange(5):
            case 0:
                changed[place] = rng.randrange(256)
            case 1:
                changed[place] ^= 1 << rng.randrange(8)
            case 2:
                changed[place:place] = rng.randbytes(rng.randint(1, 8))
            case 3:
                del changed[place : place + rng.randint(1, 8)]
            case _:
                changed[place : place + 4] = rng.choice(
                    [b"\xff" * 4, b"\x00" * 4, b"\xc1\xc1\xc1\xc1", b"\xdf\xff\xff\xff"]
                )
        if not changed:
            return b""
    return bytes(changed)


async def read_any(data: bytes) -> None:
    def check(message: Request) -> None:
        checks.check_request(message, TERMS)

    def check_reply(message: Reply) -> None:
        checks.check_session_reply(message, TERMS)

    for decoder, checker in ((frames.request_decoder, check), (frames.reply_decoder, check_reply)):
        try:
            await frames.read(BoundedReader(data), decoder, checker, LIMIT)  # type: ignore[arg-type]
        except (BrokenFrameError, asyncio.IncompleteReadError):
            continue


@pytest.mark.parametrize("seed", range(4))
async def test_changed_frames_are_understood_or_refused(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(5000):
        await read_any(mutate(rng, rng.choice(FRAMES)))


async def test_random_bytes_are_refused() -> None:
    rng = random.Random(99)
    for _ in range(5000):
        await read_any(rng.randbytes(rng.randint(0, 200)))


async def test_random_headers_of_the_right_length_are_refused() -> None:
    rng = random.Random(7)
    for _ in range(5000):
        header = rng.randbytes(rng.randint(0, 60))
        prefix = len(header).to_bytes(4, "big") + (0).to_bytes(8, "big")
        with pytest.raises(BrokenFrameError):
            await frames.read(BoundedReader(prefix + header), frames.request_decoder, lambda _message: None, LIMIT)
