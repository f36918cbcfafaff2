"""Who is silent is asked for a sign of life; who gives none is given up, and nobody who only takes long."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from fakes.virtual_time import in_virtual_time
from meadow_client.session.watch import LOOK_S, Watch


@dataclass
class Server:
    """Answers pings while it `is_well`."""

    is_well: bool = True
    heard_s: float = 0.0
    pinged_s: float | None = None
    pings: int = 0
    given_up: list[tuple[float, str]] = field(default_factory=list)

    def ping(self) -> None:
        self.pings += 1
        self.pinged_s = now()
        if self.is_well:
            asyncio.get_running_loop().call_later(0.05, self.hear)

    def hear(self) -> None:
        self.heard_s, self.pinged_s = now(), None

    def give_up(self, why: str) -> None:
        self.given_up.append((now(), why))


def now() -> float:
    return asyncio.get_running_loop().time()


async def watch(*servers: Server, seconds: float, request_timeout_s: float = 100.0) -> float:
    """Watch these for so long; returns when that began."""
    watch, began_s = Watch(servers, servers[-1], request_timeout_s, 1.0), now()
    watch.start()
    await asyncio.sleep(seconds)
    watch.stop()
    return began_s


@in_virtual_time
async def test_a_server_that_stands_still_is_given_up_after_little_more_than_a_second() -> None:
    well, still = Server(), Server(is_well=False)
    began_s = await watch(well, still, seconds=2.0)
    when_s, why = still.given_up[0]
    assert 1.0 < when_s - began_s <= 1.0 + 2 * LOOK_S
    assert why == "is silent"
    assert well.given_up == []


@in_virtual_time
async def test_a_server_that_takes_long_is_waited_for_as_long_as_it_lives() -> None:
    slow = Server()
    await watch(slow, seconds=90.0)
    assert slow.given_up == []
    assert slow.pings > 90


@in_virtual_time
async def test_a_server_that_lives_but_never_answers_is_given_up_in_the_end() -> None:
    first, last = Server(), Server()
    began_s = await watch(first, last, seconds=40.4, request_timeout_s=40.0)
    (when_s, why) = last.given_up[0]
    assert 40.0 < when_s - began_s <= 40.0 + LOOK_S
    assert why == "did not answer within 40 s"
    assert first.given_up == []


@in_virtual_time
async def test_progress_gives_more_time() -> None:
    server = Server()
    watch = Watch([server], server, 40.0, 1.0)
    watch.start()
    await asyncio.sleep(30)
    watch.be_patient(longer_s=20.0)
    await asyncio.sleep(55)
    assert server.given_up == []
    await asyncio.sleep(10)
    watch.stop()
    assert server.given_up


@in_virtual_time
async def test_nobody_is_asked_when_nothing_is_owed() -> None:
    server = Server()
    await watch(server, seconds=1.0)
    asked = server.pings
    await asyncio.sleep(10)
    assert server.pings == asked > 0


async def test_a_client_that_was_held_up_itself_asks_before_it_blames() -> None:
    server = Server()
    watch = Watch([server], server, 100.0, 0.2)
    watch.start()
    await asyncio.sleep(0.12)
    assert server.pinged_s is not None
    time.sleep(0.5)  # noqa: ASYNC251  the loop stands still
    await asyncio.sleep(0.12)
    watch.stop()
    assert server.given_up == []
