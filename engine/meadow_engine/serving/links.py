"""Streams of one session to the servers that come after this one in its chain. Event loop only.

While something is under way, the server at the other end is asked for a sign of life from time to time: a network that
drops every packet ends no stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from meadow_client.swarm.node import PeerUnreachableError, Stream
from meadow_client.wire import frames
from meadow_client.wire.messages import VERSION, Address, Join, Ping

# Less than a client waits for an opening, which is answered when this is known.
_LINK_TIMEOUT_S = 3.0
# How long after something was sent the other end is asked whether it is alive, and how long it may take to say so.
_LOOK_S = 0.5
_SILENCE_S = 2.0
# A session's next server may be replaced; more than this at once is no chain.
_MOST_LINKS = 4

Connect = Callable[[str], Awaitable[Stream]]


@dataclass(eq=False)
class _Link:
    """A stream; when it was last used, when the other end was last heard of, and since when it has been asked to."""

    stream: Stream
    sent_s: float = 0.0
    heard_s: float = 0.0
    pinged_s: float | None = None
    look: asyncio.TimerHandle | None = None

    def look_no_more(self) -> None:
        if self.look is not None:
            self.look.cancel()


@dataclass(eq=False)
class Links:
    """`connect` opens a stream to a peer; `on_lost` hears of a server that hung up by itself, or went silent."""

    connect: Connect
    group: asyncio.TaskGroup
    on_lost: Callable[[Address], None]
    _links: dict[Address, _Link] = field(default_factory=dict)
    _connecting: WeakValueDictionary[Address, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    async def reach(self, address: Address) -> Stream | None:
        """The stream to a server's session, opened if it is not there yet; None where that is not possible.

        Whoever asks for it is about to send something.
        """
        if (known := self._links.get(address)) is None:
            # Two streams to one session would mix up the order of steps; nobody else waits for this one.
            connecting = self._connecting.setdefault(address, asyncio.Lock())
            async with connecting:
                return await self._open(address)
        self._look_later(known)
        return known.stream

    async def _open(self, address: Address) -> Stream | None:
        if (known := self._links.get(address)) is not None:
            return known.stream
        if len({*self._links, *self._connecting}) > _MOST_LINKS:
            return None
        try:
            async with asyncio.timeout(_LINK_TIMEOUT_S):
                stream = await self.connect(address.peer)
        except (PeerUnreachableError, OSError, TimeoutError, ValueError):
            return None
        link = self._links[address] = _Link(stream)
        stream.writer.writelines(frames.encode(Join(VERSION, address.session)))
        self.group.create_task(self._watch(address, link))
        return stream

    def keep_only(self, *addresses: Address | None) -> None:
        """Break off all other streams, also where something still waits to be sent."""
        for other in [other for other in self._links if other not in addresses]:
            link = self._links.pop(other)
            link.look_no_more()
            link.stream.abort()

    async def aclose(self) -> None:
        links = list(self._links.values())
        self._links.clear()
        for link in links:
            link.look_no_more()
        await asyncio.gather(*(link.stream.aclose() for link in links))

    async def _watch(self, address: Address, link: _Link) -> None:
        """Notice when the next server hangs up or goes silent; what it says here is a sign of life, whatever it is."""
        self._look_later(link)
        with suppress(OSError):
            while await link.stream.reader.read(1024):
                link.heard_s, link.pinged_s = _now(), None
        link.look_no_more()
        if self._links.get(address) is link:
            del self._links[address]
            self.on_lost(address)
        await link.stream.aclose()

    def _look_later(self, link: _Link) -> None:
        """Something is sent now: see after a moment whether the other end is alive."""
        link.sent_s = _now()
        if link.look is None:
            self._look_after_a_moment(link)

    def _look_after_a_moment(self, link: _Link) -> None:
        due_s = _now() + _LOOK_S
        link.look = asyncio.get_running_loop().call_at(due_s, self._look, link, due_s)

    def _look(self, link: _Link, due_s: float) -> None:
        link.look = None
        if link.heard_s > link.sent_s:
            return
        # A loop that was held up itself has heard nobody meanwhile.
        if link.pinged_s is None or _now() - due_s > _LOOK_S:
            link.pinged_s = _now()
            with suppress(OSError, RuntimeError):  # a stream that is closing: its end is heard
                link.stream.writer.writelines(frames.encode(Ping()))
        elif _now() - link.pinged_s > _SILENCE_S:
            link.stream.abort()
            return
        self._look_after_a_moment(link)


def _now() -> float:
    return asyncio.get_running_loop().time()
