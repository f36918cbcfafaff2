"""Host a span: load it, serve it, announce it, and withdraw it again.

The composition of `runtime`, `serving`, `placement` and the directory. Runs on the event loop; weights are read on
the compute thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from meadow_client.errors import LayersOutOfRangeError, UsageError
from meadow_client.models.description import ModelDescription
from meadow_client.routing.chains import Offer, coverage
from meadow_client.swarm.directory import RENEW_S, Announcement
from meadow_client.swarm.node import Stream, SwarmNode
from meadow_client.wire.messages import PROTOCOL
from meadow_engine.placement.choose import choose_span
from meadow_engine.runtime.batcher import Batcher
from meadow_engine.runtime.caches import PAGE_TOKENS
from meadow_engine.runtime.cores import share_cores
from meadow_engine.runtime.device import ComputeThread, choose_device, free_bytes
from meadow_engine.runtime.duty_cycle import DutyCycle
from meadow_engine.runtime.pool import PagePool, PoolLimits
from meadow_engine.runtime.span import LoadOptions, OutOfMemoryError, Span, layer_bytes
from meadow_engine.serving.help import OnHelp, nobody_hears
from meadow_engine.serving.span_server import ServingCounts, ServingLimits, SpanServer
from meadow_engine.serving.traffic import Traffic
from meadow_engine.serving.upload import Upload
from meadow_engine.serving.usage import Usage

if TYPE_CHECKING:
    import torch

# Of the memory that is free: how much weights may take, and how much of what is left sessions may.
_WEIGHTS_SHARE = 0.7
_CACHES_SHARE = 0.6
# Of the host's free memory: how much the caches of idle sessions may take that were moved there.
_HOST_SHARE = 0.2
# Of the host's free memory: how much may be kept of what was sent on, in case that the next server is lost.
_RETAINED_SHARE = 0.1
_WITHDRAW_S = 3.0
LEAVE_S = 30.0
_RETRY_S = 3.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HostOptions:
    """What to host and how. `layers` None lets the placement decide.

    `memory_bytes` bounds what weights and caches take of the device's memory together; None: whatever is free.
    `compute_share` is the part of the time in which the device may compute, `upload_bytes_s` the most that is sent in a
    second; 0: no limit. What `own_peer` gets and sends is not for others: it is neither limited nor counted, and its
    steps go before those of others. `on_help` hears what is computed for others.
    """

    layers: tuple[int, int] | None = None
    load: LoadOptions = field(default_factory=LoadOptions)
    public_name: str = "meadow"
    memory_bytes: int | None = None
    compute_share: float = 1.0
    upload_bytes_s: float = 0.0
    own_peer: str = ""
    on_help: OnHelp = nobody_hears


@dataclass
class Hosted:
    """A span that is served now. At its end, conversations are handed over within `leave_within_s` seconds."""

    span: Span
    announcement: Announcement
    counts: ServingCounts
    usage: Callable[[], Usage]
    traffic: Traffic
    duty: DutyCycle
    leave_within_s: float = LEAVE_S

    def limit(self, compute_share: float, upload_bytes_s: float) -> None:
        """From now on these limits count; see `HostOptions`."""
        self.duty.share = compute_share
        self.traffic.upload.bytes_per_s = upload_bytes_s


@asynccontextmanager
async def hosting(
    node: SwarmNode, description: ModelDescription, device: torch.device, options: HostOptions
) -> AsyncIterator[Hosted]:
    """Serve a span of the model as long as the block runs; its memory is free again afterwards.

    Raises:
        LayersOutOfRangeError: the model has no such layers.
        ModelUnusableError, OutOfMemoryError: the weights cannot be loaded.
    """
    layers = options.layers or await _choose_layers(node, description, device, options)
    start, end = check_layers(layers, description.num_layers)
    lent_bytes = _lent_bytes(device, options)
    compute = ComputeThread(device, share_cores(device))
    try:
        loaded = await compute.run(Span.load, description, start, end, device, options.load)
        span = loaded.value
        token_s = (await compute.run(span.time_step)).value
        log.info("Layers %d:%d are loaded in %.1f s", start, end, loaded.compute_s)
        pool = PagePool(_pool_limits(span, lent_bytes - span.weight_bytes))

        traffic = Traffic(Upload(options.upload_bytes_s), options.own_peer)

        async def connect(peer: str) -> Stream:
            return traffic.over(await node.open(peer, PROTOCOL))

        async def serve(stream: Stream) -> None:
            await server.serve(limited := traffic.over(stream))
            await limited.aclose()

        retained_bytes = int(free_bytes(choose_device("cpu")) * _RETAINED_SHARE)
        limits = ServingLimits(retained_bytes=retained_bytes, first_peer=options.own_peer)
        server = SpanServer(description.fingerprint, span, Batcher(compute), pool, connect, limits, options.on_help)
        await node.serve(PROTOCOL, serve)
        # Routing shall know how long a token takes here, rests included.
        announcement = _announcement(description, span, options.public_name, token_s / options.compute_share)
        hosted = Hosted(span, announcement, server.counts, server.usage, traffic, compute.duty)
        hosted.limit(options.compute_share, options.upload_bytes_s)
        try:
            async with asyncio.TaskGroup() as group:
                await node.directory.announce(announcement)
                renewing = group.create_task(_renew(node, announcement))
                try:
                    yield hosted
                finally:
                    renewing.cancel()
        finally:
            compute.duty.hurry()
            await asyncio.gather(_withdraw(node, announcement), server.leave(hosted.leave_within_s))
            await node.stop_serving(PROTOCOL)
    finally:
        compute.close()


async def _withdraw(node: SwarmNode, announcement: Announcement) -> None:
    with suppress(TimeoutError, OSError):
        await asyncio.wait_for(node.directory.withdraw(announcement), _WITHDRAW_S)


def _lent_bytes(device: torch.device, options: HostOptions) -> int:
    free = free_bytes(device)
    return free if options.memory_bytes is None else min(free, options.memory_bytes)


def _pool_limits(span: Span, left_bytes: int) -> PoolLimits:
    page_bytes = max(1, span.bytes_per_token) * PAGE_TOKENS
    room_bytes = max(0, min(left_bytes, free_bytes(span.device)))
    return PoolLimits(
        pages=max(1, int(room_bytes * _CACHES_SHARE) // page_bytes),
        host_pages=int(free_bytes(choose_device("cpu")) * _HOST_SHARE) // page_bytes,
    )


def parse_layers(text: str) -> tuple[int, int] | None:
    """`A:B` as a half-open range; None for an empty text.

    Raises:
        UsageError: the text has another form.
    """
    if not text:
        return None
    start, separator, end = text.partition(":")
    if not separator or not start.isdecimal() or not end.isdecimal():
        raise UsageError(f"{text!r} is not a range of layers", "Give it as A:B, such as 0:4 for the first four layers.")
    return int(start), int(end)


def check_layers(layers: tuple[int, int], num_layers: int) -> tuple[int, int]:
    start, end = layers
    if not 0 <= start < end <= num_layers:
        raise LayersOutOfRangeError(start, end, num_layers)
    return start, end


async def _choose_layers(
    node: SwarmNode, description: ModelDescription, device: torch.device, options: HostOptions
) -> tuple[int, int]:
    size = await asyncio.to_thread(layer_bytes, description, options.load)
    capacity = int(_lent_bytes(device, options) * _WEIGHTS_SHARE) // size
    if capacity < 1:
        raise OutOfMemoryError(f"Not even one layer of {description.name} fits in the free memory of {device}")
    servers = await node.directory.servers(description.fingerprint)
    offers = [Offer(server.peer, server.announced.start, server.announced.end) for server in servers]
    return choose_span(coverage(offers, description.num_layers), capacity)


def _announcement(description: ModelDescription, span: Span, name: str, token_s: float) -> Announcement:
    return Announcement(
        model=description.fingerprint,
        model_name=description.name,
        num_layers=description.num_layers,
        context_length=description.context_length,
        start=span.start,
        end=span.end,
        name=name,
        version=installed_version(),
        dtype=str(span.dtype).removeprefix("torch."),
        token_s=token_s,
    )


def installed_version() -> str:
    try:
        return version("meadow")
    except PackageNotFoundError:
        return "0"


async def _renew(node: SwarmNode, announcement: Announcement) -> None:
    """Announce it every RENEW_S; the node itself does so when it was away."""
    pause_s = RENEW_S
    while True:
        await asyncio.sleep(pause_s)
        is_taken = await node.directory.announce(announcement)
        pause_s = RENEW_S if is_taken else _RETRY_S
        if not is_taken:
            log.warning("No other computer took our announcement; trying again in %.0f s", pause_s)
