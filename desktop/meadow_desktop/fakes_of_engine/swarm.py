"""The swarm that a fake engine tells of: a model that is complete and one that is not, with names of all lengths."""

from __future__ import annotations

from meadow_engine.api.status import Span
from meadow_engine.api.swarm import ChainPart, ModelOverview, SwarmOverview, SwarmServer

OWN_PEER = "12D3KooWFakeEngineOwnHost0000000000000000000000000000"


def fake_swarm(model: str, *, is_sharing: bool) -> SwarmOverview:
    """As `GET /api/swarm` has it; this computer holds layers while it shares."""
    whole = [
        _server("attic", 0, 3, rate=212.4, latency_s=0.0041),
        _server("The computer below the stairs of the house at the corner", 3, 6, rate=98.7, latency_s=0.0213),
        _server("desk-2", 6, 9, rate=187.0, latency_s=0.1804),
    ]
    if is_sharing:
        own = _server("this one", 0, 3, rate=240.0, latency_s=None)
        whole.insert(1, own.model_copy(update={"peer": OWN_PEER, "is_own": True}))
    large = [_server("lab-a100-04", 0, 24, rate=41.0, latency_s=0.012), _server("lab-a100-07", 40, 80)]
    return SwarmOverview(
        models=[_model(model, 9, 512, whole, rate=24.1), _model("meadow/Larger-Model-70B-Instruct", 80, 32768, large)]
    )


def _server(name: str, start: int, end: int, rate: float | None = None, latency_s: float | None = None) -> SwarmServer:
    return SwarmServer(
        peer=f"12D3KooWFake{name[:8]:0<8}".replace(" ", "0"),
        name=name,
        start=start,
        end=end,
        version="0.1.0",
        dtype="bfloat16",
        tokens_per_second=rate,
        latency_s=latency_s,
    )


def _model(
    name: str, num_layers: int, context_length: int, servers: list[SwarmServer], rate: float | None = None
) -> ModelOverview:
    coverage = [sum(server.start <= layer < server.end for server in servers) for layer in range(num_layers)]
    chain: list[ChainPart] = []
    for server in servers:
        if server.start == (chain[-1].end if chain else 0):
            chain.append(ChainPart(peer=server.peer, name=server.name, start=server.start, end=server.end))
    return ModelOverview(
        id=name,
        name=name,
        fingerprint="0f" * 16,
        short_fingerprint="0f0f0f0f",
        num_layers=num_layers,
        context_length=context_length,
        coverage=coverage,
        missing=_gaps(coverage),
        is_complete=all(coverage),
        tokens_per_second=rate,
        chain=chain if all(coverage) else None,
        servers=servers,
    )


def _gaps(coverage: list[int]) -> list[Span]:
    found: list[Span] = []
    for layer, holders in enumerate(coverage):
        if holders:
            continue
        if found and found[-1].end == layer:
            found[-1] = Span(start=found[-1].start, end=layer + 1)
        else:
            found.append(Span(start=layer, end=layer + 1))
    return found
