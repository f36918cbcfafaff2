"""One peer that stays in its swarm: it finds others, opens streams to them and takes theirs.

Runs on the asyncio loop that started it; nothing here is called from other threads.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from hivemind.p2p.p2p_daemon_bindings.datastructures import StreamInfo
from hivemind.p2p.p2p_daemon_bindings.utils import ControlFailure, DispatchFailure

from meadow_client.errors import MeadowError
from meadow_client.identity import Identity
from meadow_client.sleep_watch import SleepWatch
from meadow_client.swarm.directory import Directory
from meadow_client.swarm.link import P2PD_FAILURES, AcceptRemote, Link, NodeFailedError
from meadow_client.swarm.listening import EVERYWHERE, LOOPBACK, keep_ports
from meadow_client.swarm.membership import Membership, RestartDelays, contacts_of
from meadow_client.swarm.storage import RecordStorage

__all__ = [
    "EVERYWHERE",
    "LOOPBACK",
    "NodeDownError",
    "NodeFailedError",
    "PeerUnreachableError",
    "Reader",
    "Stream",
    "StreamHandler",
    "SwarmNode",
    "Writer",
]

_CLOSE_S = 1.0

log = logging.getLogger(__name__)


class Reader(Protocol):
    """The part of asyncio.StreamReader that a stream needs."""

    async def readexactly(self, n: int, /) -> bytes: ...

    async def read(self, n: int = ..., /) -> bytes: ...


class Writer(Protocol):
    """The part of asyncio.StreamWriter that a stream needs; every `writelines` is one whole frame."""

    @property
    def transport(self) -> asyncio.WriteTransport: ...

    def writelines(self, data: Sequence[bytes | bytearray | memoryview], /) -> None: ...

    async def drain(self) -> None: ...

    def close(self) -> None: ...

    async def wait_closed(self) -> None: ...


@dataclass(frozen=True)
class Stream:
    """One raw stream to or from a peer."""

    peer: str
    reader: Reader
    writer: Writer

    async def aclose(self) -> None:
        """Close and forget; never raises for a stream that is already broken, nor waits for one that is stuck."""
        self.writer.close()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self.writer.wait_closed()
        except TimeoutError:
            self.abort()
        except OSError:
            return

    def abort(self) -> None:
        """Close at once, whatever was still to be sent."""
        self.writer.transport.abort()


class PeerUnreachableError(MeadowError):
    """A peer of the directory cannot be reached now."""

    code = "peer-unreachable"


class NodeDownError(PeerUnreachableError):
    """Nobody can be reached, because this computer's own p2pd died; it is being started again. No peer is to blame."""

    code = "node-down"
    advice = "Try again in a moment."

    def __init__(self) -> None:
        super().__init__("The network part of Meadow (p2pd) is being started again")


StreamHandler = Callable[[Stream], Awaitable[None]]
_Accept = Callable[[str, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class SwarmNode:
    """A running peer. Create one with `SwarmNode.running(...)`.

    When p2pd dies, a new one takes its place, with the same identity and ports: `peer`, `address`, `directory` and what
    is served stay as they are for their holders, open streams end. One task keeps it so until `stop`.
    """

    def __init__(
        self,
        identity: Identity,
        initial_peers: Sequence[str],
        listen: Sequence[str] | None,
        storage: RecordStorage,
        link: Link,
        address: list[str],
    ) -> None:
        self._listen = listen
        self._storage = storage
        self._link: Link | None = link
        self._membership = Membership(contacts_of(identity.peer, initial_peers))
        self._sleeps = SleepWatch()
        self._is_needed = asyncio.Event()
        self._handlers: set[asyncio.Task] = set()
        self._accepting: dict[str, _Accept] = {}
        self._ended: set[asyncio.Task] = set()
        self.identity = identity
        self.address = address
        self.directory = Directory(identity.peer)
        self.directory.use(link.dht)
        self.on_look: Callable[[int], None] = lambda _peers: None
        """Hears at every look around how many peers this node is connected to."""
        self._keeping = asyncio.get_running_loop().create_task(self._keep_up(link), name="meadow-node")

    @property
    def peer(self) -> str:
        return self.identity.peer

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        identity: Identity,
        initial_peers: Sequence[str] = (),
        listen: Sequence[str] | None = EVERYWHERE,
    ) -> AsyncIterator[SwarmNode]:
        """A peer that runs as long as the block; `listen=None` makes a client that nobody calls.

        Raises:
            PortTakenError: an address of `listen` is in use.
            SwarmUnreachableError: none of `initial_peers` answers.
            NodeFailedError: p2pd does not start.
        """
        node = await cls.start(identity, initial_peers, listen)
        try:
            yield node
        finally:
            await node.stop()

    @classmethod
    async def start(
        cls,
        identity: Identity,
        initial_peers: Sequence[str] = (),
        listen: Sequence[str] | None = EVERYWHERE,
    ) -> SwarmNode:
        """Like `running`, for callers that end it themselves with `stop`."""
        logging.getLogger("hivemind").setLevel(logging.ERROR)
        storage = RecordStorage()
        link = await Link.start(identity, storage, listen, initial_peers)
        try:
            address = await link.addresses() if listen is not None else []
        except BaseException:
            await link.stop()
            raise
        return cls(identity, initial_peers, keep_ports(listen, address), storage, link, address)

    def rest(self, is_resting: bool) -> None:
        """Look around seldom, as long as nobody needs this node to be quick; afterwards as usual, and at once."""
        if self._membership.is_resting and not is_resting:
            self._is_needed.set()
        self._membership.is_resting = is_resting

    async def stop(self) -> None:
        """End the streams that are served, the DHT node and p2pd."""
        self._keeping.cancel()
        await asyncio.gather(self._keeping, return_exceptions=True)
        await self._end_handlers()
        self.directory.use(None)
        link, self._link = self._link, None
        if link is not None:
            await link.stop()

    async def _keep_up(self, link: Link) -> None:
        """Stay in the swarm, and replace p2pd whenever it dies; the node's one task."""
        delays = RestartDelays()
        while True:
            began = time.monotonic()
            async with asyncio.TaskGroup() as group:
                staying = group.create_task(self._stay_in_swarm(link))
                await link.ended()
                staying.cancel()
            self._link = None
            self.on_look(0)
            self.directory.use(None)
            log.warning("The network part of Meadow (p2pd) ended; starting it again")
            await link.clear_away()
            link = await self._replace(delays, time.monotonic() - began)

    async def _replace(self, delays: RestartDelays, lived_s: float) -> Link:
        """A new p2pd, tried until one runs and serves what this node serves."""
        while True:
            await asyncio.sleep(delays.after(lived_s))
            lived_s = 0.0
            try:
                link = await Link.start(self.identity, self._storage, self._listen)
            except MeadowError as error:
                log.warning("p2pd did not start again (%s)", error.code)
                continue
            except Exception:
                log.exception("p2pd did not start again")
                continue
            try:
                served = await self._serve_on(link, set())
                self._membership.started_afresh()
                await link.call(self._membership.everybody())
                self._link = link
                await self._serve_on(link, served)
            except (MeadowError, *P2PD_FAILURES) as error:
                log.warning("p2pd did not last (%s)", type(error).__name__)
            except BaseException:
                self._link = None
                await link.stop()
                raise
            self.directory.use(link.dht)
            return link

    async def _serve_on(self, link: Link, served: set[str]) -> set[str]:
        missing = self._accepting.keys() - served
        for protocol in missing:
            await link.serve(protocol, self._accept_remote(protocol))
        return served | missing

    async def _stay_in_swarm(self, link: Link) -> None:
        """Announce again what was announced before, and call again who was lost, until cancelled."""
        await _attempt(self.directory.announce_again())
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._membership.pause_s):
                    await self._is_needed.wait()
            self._is_needed.clear()
            has_slept = self._sleeps.slept_s() > 0  # long enough for records to expire, perhaps
            if await _attempt(self._look_around(link)) or has_slept:
                await _attempt(self.directory.announce_again())

    async def _look_around(self, link: Link) -> bool:
        """Whether somebody was found again."""
        connected, neighbours = await link.connected(), link.neighbours()
        now_s = time.monotonic()
        self._membership.see(now_s, connected, neighbours)
        self.on_look(len(connected))
        if await link.call(self._membership.calls_due(now_s, connected, neighbours)):
            return True
        if self._membership.wants_fresh_start(now_s):
            log.info("Nobody can be reached; trying with a new p2pd")
            link.restart()
        return False

    async def serve(self, protocol: str, handler: StreamHandler) -> None:
        """Give every stream that a peer opens for `protocol` to `handler`, each in a task of its own."""

        async def accept(peer: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                self._handlers.add(task)
            stream = Stream(peer, reader, writer)
            try:
                await handler(stream)
            except Exception:
                log.exception("A stream handler failed")
            except asyncio.CancelledError:
                # asyncio's server would report a cancelled connection as an error of its own.
                if task not in self._ended:
                    raise
            finally:
                if task is not None:
                    self._handlers.discard(task)
                    self._ended.discard(task)
                await stream.aclose()

        self._accepting[protocol] = accept
        if self._link is not None:
            try:
                await self._link.serve(protocol, self._accept_remote(protocol))
            except (NodeFailedError, *P2PD_FAILURES) as error:
                # The next p2pd serves it.
                log.info("p2pd ended before it served %s (%s)", protocol, type(error).__name__)

    def _accept_remote(self, protocol: str) -> AcceptRemote:
        async def accept_remote(info: StreamInfo, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accept = self._accepting.get(protocol)
            if accept is None:
                writer.close()
            else:
                await accept(info.peer_id.to_base58(), reader, writer)

        return accept_remote

    async def stop_serving(self, protocol: str) -> None:
        """Take no more streams for `protocol` and end those that are open."""
        if self._accepting.pop(protocol, None) is not None and self._link is not None:
            await self._link.stop_serving(protocol)
        await self._end_handlers()

    async def _end_handlers(self) -> None:
        self._ended.update(self._handlers)
        for task in list(self._handlers):
            task.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    async def open(self, peer: str, protocol: str) -> Stream:
        """Open a stream to a peer.

        Raises:
            NodeDownError: this computer's own p2pd is being started again; every peer is as good as before.
            PeerUnreachableError: it cannot be found or does not speak the protocol.
        """
        if peer == self.peer:
            return await self._open_to_self(protocol)
        link = self._link
        if link is None:
            raise NodeDownError
        try:
            reader, writer = await link.open(peer, protocol)
        except (ControlFailure, DispatchFailure) as error:
            raise PeerUnreachableError(f"The peer {peer[-8:]} cannot be reached") from error
        except P2PD_FAILURES as error:
            raise NodeDownError from error
        return Stream(peer, reader, writer)

    async def _open_to_self(self, protocol: str) -> Stream:
        """libp2p dials everybody but itself, so a stream to this very peer is a pair of sockets."""
        accept = self._accepting.get(protocol)
        if accept is None:
            raise PeerUnreachableError("This computer serves nothing now")
        here, there = socket.socketpair()
        for end in (here, there):
            end.setblocking(False)
        accept_own = partial(accept, self.peer)
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader(), accept_own), there
        )
        reader, writer = await asyncio.open_connection(sock=here)
        return Stream(self.peer, reader, writer)

    async def ping(self, peer: str) -> bool:
        """Whether this peer answers; nobody does while p2pd is started again."""
        return self._link is not None and await self._link.ping(peer)

    async def count_peers(self) -> int:
        """How many peers this node is connected to; none while p2pd is started again."""
        if self._link is None:
            return 0
        try:
            return len(await self._link.p2p.list_peers())
        except P2PD_FAILURES:
            return 0


async def _attempt(work: Awaitable[bool]) -> bool:
    """What came of it; False when p2pd ended meanwhile, which `_keep_up` sees, too."""
    try:
        return await work
    except P2PD_FAILURES:
        return False
    except Exception:
        log.exception("Staying in the swarm failed")
        return False
