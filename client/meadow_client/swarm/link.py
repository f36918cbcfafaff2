"""One p2pd child process and the DHT node on it: what a peer's connection to the swarm is made of.

A link lives as long as its p2pd. When p2pd dies `ended` returns, everything that waits for it fails at once, and a new
link is needed; `node.py` sees to that. Runs on the event loop that started it.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from hivemind.dht.node import DHTNode
from hivemind.dht.protocol import DHTProtocol
from hivemind.dht.routing import DHTID
from hivemind.p2p import P2P, PeerID
from hivemind.p2p.p2p_daemon import P2PDaemonError
from hivemind.p2p.p2p_daemon_bindings.datastructures import StreamInfo
from hivemind.p2p.p2p_daemon_bindings.utils import ControlFailure, DispatchFailure
from hivemind.proto import dht_pb2
from hivemind.utils.multiaddr import Multiaddr

from meadow_client.errors import MeadowError, SwarmUnreachableError
from meadow_client.identity import Identity
from meadow_client.swarm.listening import check_free, is_public
from meadow_client.swarm.membership import Contact
from meadow_client.swarm.records import OwnerSignature
from meadow_client.swarm.requests_to_p2pd import close_connections, closing_on_failure, watch_connections
from meadow_client.swarm.storage import RecordStorage, believe_only_signed

_JOIN_TIMEOUT_S = 10.0
_ANSWER_TIMEOUT_S = 3.0
# So many DHT nodes are asked at a time: many of them may be gone, and each of those costs a whole timeout.
_ASKED_AT_ONCE = 16
_STRAGGLERS_S = 0.5
_GOODBYE_S = 3.0
_create_subprocess = asyncio.subprocess.create_subprocess_exec
_T = TypeVar("_T")

P2PD_FAILURES = (P2PDaemonError, ControlFailure, DispatchFailure, OSError, asyncio.IncompleteReadError)
"""What talking to p2pd raises when it has ended, or cannot do what is asked."""

AcceptRemote = Callable[[StreamInfo, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

log = logging.getLogger(__name__)


class NodeFailedError(MeadowError):
    code = "node-failed"
    advice = "Look at the log for the reason; reinstalling hivemind helps when p2pd itself does not start."


class Link:
    """A running p2pd and a DHT node. Create one with `Link.start`."""

    def __init__(self, p2p: P2P, dht: DHTNode) -> None:
        self.p2p = p2p
        self.dht = dht

    @classmethod
    async def start(
        cls,
        identity: Identity,
        storage: RecordStorage,
        listen: Sequence[str] | None,
        initial_peers: Sequence[str] = (),
    ) -> Link:
        """Start p2pd; with `initial_peers` one of them has to answer.

        Raises:
            PortTakenError: an address of `listen` is in use.
            SwarmUnreachableError: none of `initial_peers` answers.
            NodeFailedError: p2pd does not start, or ended while it did.
        """
        for address in listen or ():
            check_free(address)
        watch_connections()
        try:
            p2p = await _start_p2pd(identity, listen, initial_peers)
        except P2PD_FAILURES as error:
            raise _explain(error, initial_peers) from error
        try:
            dht = await _while_it_runs(p2p, _start_dht(p2p, identity, listen, initial_peers))
        except RuntimeError as error:
            await p2p.shutdown()
            raise SwarmUnreachableError(initial_peers) from error
        except BaseException:
            await p2p.shutdown()
            raise
        believe_only_signed(dht, storage)
        dht.protocol.wait_timeout = _ANSWER_TIMEOUT_S
        return cls(p2p, dht)

    async def ended(self) -> None:
        """Return when p2pd has died, within milliseconds."""
        await self.p2p._child.wait()

    def restart(self) -> None:
        """End p2pd, so that a new one takes its place."""
        with suppress(ProcessLookupError):
            self.p2p._child.terminate()

    async def stop(self) -> None:
        """End the DHT node and p2pd."""
        for ending in (_while_it_runs(self.p2p, self.dht.shutdown()), self.p2p.shutdown()):
            with suppress(TimeoutError, NodeFailedError, *P2PD_FAILURES):
                await asyncio.wait_for(ending, _GOODBYE_S)
        await _hear_out(self.p2p)
        await close_connections(self.p2p)

    async def clear_away(self) -> None:
        """Let go of what is left of a p2pd that died.

        WORKAROUND hivemind 1.1.12: calls that wait for p2pd's answer would wait for ever.
        """
        self.dht.is_alive = False
        for call in list(self.p2p._client.control._pending_calls.values()):
            if not call.done():
                call.set_exception(P2PDaemonError("p2pd has ended"))
        _remove(self.p2p._daemon_listen_maddr["unix"])
        await self.p2p.shutdown()
        await _hear_out(self.p2p)
        await close_connections(self.p2p)

    async def addresses(self) -> list[str]:
        """Where this peer listens, each with /p2p/PEER."""
        suffix = f"/p2p/{self.p2p.peer_id.to_base58()}"
        visible = [str(address) for address in await self.p2p.get_visible_maddrs()]
        return [address if address.endswith(suffix) else address + suffix for address in visible]

    async def serve(self, protocol: str, accept: AcceptRemote) -> None:
        await _while_it_runs(self.p2p, self.p2p.add_binary_stream_handler(protocol, accept))

    async def stop_serving(self, protocol: str) -> None:
        with suppress(*P2PD_FAILURES, TimeoutError):
            await asyncio.wait_for(self.p2p.remove_binary_stream_handler(protocol), _GOODBYE_S)

    async def open(self, peer: str, protocol: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        with closing_on_failure():
            _info, reader, writer = await self.p2p.call_binary_stream_handler(PeerID.from_base58(peer), protocol)
        return reader, writer

    async def connected(self) -> dict[str, str]:
        """The peers this one is connected to, and at which address."""
        with closing_on_failure():
            found = await self.p2p.list_peers()
        return {info.peer_id.to_base58(): str(info.addrs[0]) for info in found if info.addrs}

    def neighbours(self) -> list[str]:
        """The DHT nodes in this node's routing table."""
        return [peer.to_base58() for peer in self.dht.protocol.routing_table.peer_id_to_uid]

    async def call(self, contacts: Sequence[Contact]) -> bool:
        """Dial peers and make those that answer neighbours of the DHT node; whether there was one.

        Returns half a second after the first answer: one that is silent holds up nobody.
        """
        if not contacts:
            return False
        async with asyncio.TaskGroup() as group:
            waiting = {group.create_task(self._call(contact)) for contact in contacts}
            is_answered = False
            while waiting:
                patience_s = _STRAGGLERS_S if is_answered else None
                done, waiting = await asyncio.wait(waiting, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    break
                is_answered = is_answered or any(task.result() for task in done)
            for task in waiting:
                task.cancel()
        if is_answered:
            self.dht.blacklist.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                    await self.dht.find_nearest_nodes([self.dht.node_id])
        return is_answered

    async def ping(self, peer: str) -> bool:
        """Whether this peer's node answers."""
        with suppress(*P2PD_FAILURES, ValueError):
            return await self.dht.protocol.call_ping(PeerID.from_base58(peer)) is not None
        return False

    async def _call(self, contact: Contact) -> bool:
        peer = PeerID.from_base58(contact.peer)
        with suppress(*P2PD_FAILURES, ValueError):
            with closing_on_failure():
                await self.p2p._client.connect(peer, [Multiaddr(address) for address in contact.addresses])
            return await self.dht.protocol.call_ping(peer) is not None
        return False


async def _start_p2pd(identity: Identity, listen: Sequence[str] | None, initial_peers: Sequence[str]) -> P2P:
    with tempfile.TemporaryDirectory(prefix="meadow-") as folder, _out_of_reach_of_ctrl_c():
        identity_file = Path(folder) / "identity"
        identity_file.touch(mode=0o600)
        identity_file.write_bytes(identity.to_file_bytes())
        creating = P2P.create(
            initial_peers=list(initial_peers),
            host_maddrs=list(listen) if listen is not None else None,
            no_listen=listen is None,
            identity_path=str(identity_file),
            check_if_identity_free=False,
            dht_mode="server" if listen is not None else "client",
            nat_port_map=is_public(listen),
            auto_nat=is_public(listen),
        )
        starting = asyncio.get_running_loop().create_task(creating)
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            # WORKAROUND hivemind 1.1.12: it forgets its child when it is cancelled.
            with suppress(*P2PD_FAILURES):
                await (await starting).shutdown()
            raise


async def _start_dht(
    p2p: P2P, identity: Identity, listen: Sequence[str] | None, initial_peers: Sequence[str]
) -> DHTNode:
    # WORKAROUND hivemind 1.1.12: it takes pings before it has set this. An empty one means: do not count on me yet.
    DHTProtocol.node_info = dht_pb2.NodeInfo()
    return await DHTNode.create(
        p2p=p2p,
        # The same after every start, so that neighbours know it again.
        node_id=DHTID.generate(source=identity.peer),
        initial_peers=list(initial_peers),
        record_validator=OwnerSignature(identity),
        client_mode=listen is None,
        cache_locally=False,
        cache_nearest=0,
        cache_on_store=False,
        cache_refresh_before_expiry=0,
        num_workers=_ASKED_AT_ONCE,
        wait_timeout=_JOIN_TIMEOUT_S,
        bootstrap_timeout=1.0,
        ensure_bootstrap_success=True,
        strict=False,
    )


async def _while_it_runs(p2p: P2P, work: Coroutine[Any, Any, _T]) -> _T:
    """The result of talking to p2pd, which would be waited for for ever once p2pd has died.

    Raises:
        NodeFailedError: p2pd died meanwhile.
    """
    async with asyncio.TaskGroup() as group:
        working = group.create_task(_outcome(work))
        dying = group.create_task(p2p._child.wait())
        await asyncio.wait((working, dying), return_when=asyncio.FIRST_COMPLETED)
        is_done = working.done()
        dying.cancel()
        working.cancel()
    if not is_done:
        raise NodeFailedError("The network part of Meadow (p2pd) ended while it started")
    result, error = working.result()
    if error is not None:
        raise error
    return result  # type: ignore[return-value]


async def _outcome(work: Coroutine[Any, Any, _T]) -> tuple[_T | None, Exception | None]:
    try:
        return await work, None
    except Exception as error:  # noqa: BLE001 - raised again by the one who waits, and not as a group
        return None, error


async def _hear_out(p2p: P2P) -> None:
    """Take notice of how the tasks of a p2pd that has ended did; asyncio would report them as errors."""
    control = p2p._client.control
    await asyncio.gather(*filter(None, (control._read_task, control._write_task)), return_exceptions=True)


def _remove(socket_file: str) -> None:
    """WORKAROUND hivemind 1.1.12: it leaves the socket of a p2pd that died."""
    with suppress(FileNotFoundError):
        Path(socket_file).unlink()


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


def _explain(error: BaseException, initial_peers: Sequence[str]) -> MeadowError:
    text = str(error)
    if initial_peers and ("bootstrap" in text.lower() or "dial" in text.lower() or "connect" in text.lower()):
        return SwarmUnreachableError(initial_peers)
    return NodeFailedError("The network part of Meadow (p2pd) did not start")
