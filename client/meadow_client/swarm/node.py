"""One peer of a swarm: a p2pd child process, a DHT node, and raw streams to other peers.

Runs on the asyncio loop that started it; nothing here is called from other threads.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import re
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hivemind.dht.node import DHTNode
from hivemind.p2p import P2P, PeerID
from hivemind.p2p.p2p_daemon import P2PDaemonError
from hivemind.p2p.p2p_daemon_bindings.datastructures import StreamInfo
from hivemind.p2p.p2p_daemon_bindings.utils import ControlFailure, DispatchFailure

from meadow_client.errors import MeadowError, PortTakenError, SwarmUnreachableError
from meadow_client.identity import Identity
from meadow_client.swarm.directory import Directory
from meadow_client.swarm.records import OwnerSignature, keep_only_what_is_believed

EVERYWHERE = ("/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/0")
LOOPBACK = ("/ip4/127.0.0.1/tcp/0",)

_LISTEN = re.compile(r"^/ip(?P<version>[46])/(?P<host>[0-9a-fA-F.:]+)/(?P<kind>tcp|udp)/(?P<port>[0-9]+)(?:/|$)")
_JOIN_TIMEOUT_S = 10.0

_GOODBYE_S = 3.0
_create_subprocess = asyncio.subprocess.create_subprocess_exec

log = logging.getLogger(__name__)


class NodeFailedError(MeadowError):
    code = "node-failed"
    advice = "Look at the log for the reason; reinstalling hivemind helps when p2pd itself does not start."


@dataclass(frozen=True)
class Stream:
    """One raw stream to or from a peer."""

    peer: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def aclose(self) -> None:
        """Close and forget; never raises for a stream that is already broken."""
        self.writer.close()
        with suppress(OSError, ConnectionError):
            await self.writer.wait_closed()


class PeerUnreachableError(MeadowError):
    """A peer of the directory cannot be reached now."""

    code = "peer-unreachable"


StreamHandler = Callable[[Stream], Awaitable[None]]
_Accept = Callable[[str, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextmanager
def _out_of_reach_of_ctrl_c() -> Iterator[None]:
    """Start p2pd in a session of its own, so that Ctrl-C in a terminal does not end it before we said goodbye.

    WORKAROUND hivemind 1.1.12: it starts p2pd in our process group and has no option for another.
    """
    asyncio.subprocess.create_subprocess_exec = partial(_create_subprocess, start_new_session=True)
    try:
        yield
    finally:
        asyncio.subprocess.create_subprocess_exec = _create_subprocess


class SwarmNode:
    """A running peer. Create one with `SwarmNode.running(...)`."""

    def __init__(self, p2p: P2P, dht: DHTNode, identity: Identity, address: list[str]) -> None:
        self._p2p = p2p
        self._dht = dht
        self._handlers: set[asyncio.Task] = set()
        self._accepting: dict[str, _Accept] = {}
        self._ended: set[asyncio.Task] = set()
        self.identity = identity
        self.address = address
        self.directory = Directory(dht, identity.peer)

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
        for address in listen or ():
            _check_free(address)
        with tempfile.TemporaryDirectory(prefix="meadow-") as folder:
            identity_file = Path(folder) / "identity"
            identity_file.touch(mode=0o600)
            identity_file.write_bytes(identity.to_file_bytes())
            try:
                with _out_of_reach_of_ctrl_c():
                    p2p = await P2P.create(
                        initial_peers=list(initial_peers),
                        host_maddrs=list(listen) if listen is not None else None,
                        no_listen=listen is None,
                        identity_path=str(identity_file),
                        check_if_identity_free=False,
                        dht_mode="server" if listen is not None else "client",
                        nat_port_map=_is_public(listen),
                        auto_nat=_is_public(listen),
                    )
            except P2PDaemonError as error:
                raise _explain(error, initial_peers) from error
        try:
            dht = await DHTNode.create(
                p2p=p2p,
                initial_peers=list(initial_peers),
                record_validator=OwnerSignature(identity),
                client_mode=listen is None,
                cache_locally=False,
                cache_nearest=0,
                cache_on_store=False,
                wait_timeout=_JOIN_TIMEOUT_S,
                bootstrap_timeout=1.0,
                ensure_bootstrap_success=True,
                strict=False,
            )
        except RuntimeError as error:
            await p2p.shutdown()
            raise SwarmUnreachableError(initial_peers) from error
        except BaseException:
            await p2p.shutdown()
            raise
        keep_only_what_is_believed(dht)
        visible = [str(address) for address in await p2p.get_visible_maddrs()] if listen is not None else []
        suffix = f"/p2p/{identity.peer}"
        return cls(p2p, dht, identity, [a if a.endswith(suffix) else a + suffix for a in visible])

    async def stop(self) -> None:
        """End the streams that are served, the DHT node and p2pd."""
        await self._end_handlers()
        for ending in (self._dht.shutdown(), self._p2p.shutdown()):
            with suppress(TimeoutError, P2PDaemonError, OSError):
                await asyncio.wait_for(ending, _GOODBYE_S)
        # WORKAROUND hivemind 1.1.12: its connection to p2pd is never closed; let the loop see that p2pd hung up.
        await asyncio.sleep(0.02)

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

        async def accept_remote(info: StreamInfo, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await accept(info.peer_id.to_base58(), reader, writer)

        await self._p2p.add_binary_stream_handler(protocol, accept_remote)

    async def stop_serving(self, protocol: str) -> None:
        """Take no more streams for `protocol` and end those that are open."""
        self._accepting.pop(protocol, None)
        with suppress(TimeoutError, P2PDaemonError, OSError, asyncio.IncompleteReadError):
            await asyncio.wait_for(self._p2p.remove_binary_stream_handler(protocol), _GOODBYE_S)
        await self._end_handlers()

    async def _end_handlers(self) -> None:
        self._ended.update(self._handlers)
        for task in list(self._handlers):
            task.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    async def open(self, peer: str, protocol: str) -> Stream:
        """Open a stream to a peer.

        Raises:
            PeerUnreachableError: it cannot be found or does not speak the protocol.
        """
        if peer == self.peer:
            return await self._open_to_self(protocol)
        try:
            _info, reader, writer = await self._p2p.call_binary_stream_handler(PeerID.from_base58(peer), protocol)
        except (ControlFailure, DispatchFailure, OSError, asyncio.IncompleteReadError) as error:
            raise PeerUnreachableError(f"The peer {peer[-8:]} cannot be reached") from error
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

    async def count_peers(self) -> int:
        """How many peers this node is connected to."""
        try:
            return len(await self._p2p.list_peers())
        except (P2PDaemonError, OSError, asyncio.IncompleteReadError) as error:
            raise NodeFailedError("The network part of Meadow (p2pd) has ended") from error


def _is_public(listen: Sequence[str] | None) -> bool:
    return any(not address.startswith(("/ip4/127.", "/ip6/::1/")) for address in listen or ())


def _check_free(address: str) -> None:
    """Try the port ourselves first: p2pd falls silent about a port that is taken."""
    match = _LISTEN.match(address)
    if match is None or match["port"] == "0":
        return
    family = socket.AF_INET if match["version"] == "4" else socket.AF_INET6
    kind = socket.SOCK_STREAM if match["kind"] == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((match["host"], int(match["port"])))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
                raise PortTakenError(address) from error
            raise


def _explain(error: P2PDaemonError, initial_peers: Sequence[str]) -> MeadowError:
    text = str(error)
    if initial_peers and ("bootstrap" in text.lower() or "dial" in text.lower() or "connect" in text.lower()):
        return SwarmUnreachableError(initial_peers)
    return NodeFailedError("The network part of Meadow (p2pd) did not start")
