"""A server notices when the next one of a chain cannot be reached any more, also where no connection ends."""

from __future__ import annotations

import asyncio

from fakes.streams import stream_pair
from fakes.virtual_time import in_virtual_time
from meadow_client.swarm.node import Stream
from meadow_client.wire import frames
from meadow_client.wire.messages import VERSION, Address, Join, Message, Ping, Pong
from meadow_engine.serving.links import Links

NEXT = Address("next", "0" * 32)


class Far:
    """The next server; answers pings as long as it `is_alive`."""

    def __init__(self) -> None:
        self.is_alive = True
        self.heard: list[Message] = []

    async def connect(self, peer: str) -> Stream:
        if peer == "nobody":
            await asyncio.Event().wait()
        ours, self.stream = stream_pair()
        return ours

    async def answer(self) -> None:
        while True:
            try:
                message, _ = await frames.read(self.stream.reader, frames.request_decoder, lambda _message: None, 0)
            except asyncio.IncompleteReadError:
                return
            self.heard.append(message)
            if self.is_alive and isinstance(message, Ping):
                self.stream.writer.writelines(frames.encode(Pong()))


async def use(links: Links, seconds: float) -> None:
    """Send something ten times a second."""
    for _step in range(int(seconds * 10)):
        await links.reach(NEXT)
        await asyncio.sleep(0.1)


@in_virtual_time
async def test_a_next_server_that_is_alive_stays_however_long_it_is_used() -> None:
    far, lost = Far(), list[Address]()
    async with asyncio.TaskGroup() as group:
        links = Links(far.connect, group, lost.append)
        await links.reach(NEXT)
        answering = group.create_task(far.answer())
        await use(links, 30)
        await asyncio.sleep(300)
        assert lost == []
        assert far.heard[0] == Join(VERSION, NEXT.session)
        assert 10 < len(far.heard) < 100
        answering.cancel()
        await links.aclose()


@in_virtual_time
async def test_a_next_server_that_is_silent_is_lost_within_some_seconds() -> None:
    far, lost = Far(), list[Address]()
    async with asyncio.TaskGroup() as group:
        links = Links(far.connect, group, lost.append)
        await links.reach(NEXT)
        answering = group.create_task(far.answer())
        await use(links, 3)
        far.is_alive = False
        await use(links, 2)
        assert lost == []
        await asyncio.sleep(2)
        assert lost == [NEXT]
        answering.cancel()
        await links.aclose()


@in_virtual_time
async def test_nobody_is_asked_while_nothing_is_sent() -> None:
    far, lost = Far(), list[Address]()
    async with asyncio.TaskGroup() as group:
        links = Links(far.connect, group, lost.append)
        await links.reach(NEXT)
        answering = group.create_task(far.answer())
        await asyncio.sleep(2)
        count = len(far.heard)
        far.is_alive = False
        await asyncio.sleep(3600)
        assert (len(far.heard), lost) == (count, [])
        answering.cancel()
        await links.aclose()


@in_virtual_time
async def test_who_does_not_answer_a_call_holds_up_nobody_else() -> None:
    """A server is asked for one that is gone while it is already to feed another."""
    far, loop = Far(), asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        links = Links(far.connect, group, lambda _address: None)
        began_s = loop.time()
        calling = [group.create_task(links.reach(Address("nobody", "1" * 32))) for _ in range(2)]
        await asyncio.sleep(0.1)
        assert await links.reach(NEXT) is not None
        assert loop.time() - began_s < 0.2
        assert await asyncio.gather(*calling) == [None, None]
        await links.aclose()


@in_virtual_time
async def test_a_client_that_names_one_server_after_the_other_does_not_get_streams_to_all() -> None:
    far, many = Far(), [Address("next", f"{number:032x}") for number in range(20)]
    async with asyncio.TaskGroup() as group:
        links = Links(far.connect, group, lambda _address: None)
        reached = await asyncio.gather(*(links.reach(address) for address in many))
        reached += [await links.reach(address) for address in many]
        assert len({stream for stream in reached if stream is not None}) <= 4
        links.keep_only(None)
        assert await links.reach(many[-1]) is not None
        await links.aclose()
