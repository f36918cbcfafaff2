"""What the directory says of a swarm: every model, who holds which layers, how fast the best chain would be. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meadow_client.routing.chains import DEFAULT_TOKEN_S, Leg, Offer, coverage, gaps, plan_chain

if TYPE_CHECKING:
    from meadow_client.swarm.directory import Server


@dataclass(frozen=True)
class Holder:
    """One server. `tokens_per_second` is for its own layers alone; None before it was measured."""

    peer: str
    name: str
    start: int
    end: int
    version: str
    dtype: str
    tokens_per_second: float | None


@dataclass(frozen=True)
class ModelOverview:
    """One model. `chain` is the best one now and `tokens_per_second` what it should give; None where layers lack."""

    name: str
    fingerprint: str
    num_layers: int
    context_length: int
    coverage: list[int]
    missing: list[tuple[int, int]]
    holders: list[Holder]
    chain: list[Leg] | None
    tokens_per_second: float | None

    @property
    def is_complete(self) -> bool:
        return not self.missing


def overview(servers: Sequence[Server]) -> list[ModelOverview]:
    """All models that servers announce, by name; a model's servers are in the order of their layers."""
    by_model: dict[tuple[str, int], list[Server]] = {}
    for server in servers:
        by_model.setdefault((server.announced.model, server.announced.num_layers), []).append(server)
    found = [_overview_of(holders) for holders in by_model.values()]
    return sorted(found, key=lambda model: (model.name.casefold(), model.fingerprint))


def find_model(models: Sequence[ModelOverview], wanted: str) -> list[ModelOverview]:
    """Those that a person means: by fingerprint, by name, or by the last part of a name such as Qwen/Qwen3-8B."""
    last = wanted.rstrip("/").rpartition("/")[2].casefold()
    return [
        model for model in models if wanted == model.fingerprint or model.name.casefold() in (wanted.casefold(), last)
    ]


def _overview_of(servers: Sequence[Server]) -> ModelOverview:
    ordered = sorted(servers, key=lambda server: (server.announced.start, server.announced.end, server.peer))
    announced = ordered[0].announced
    offers = [
        Offer(server.peer, server.announced.start, server.announced.end, server.announced.token_s) for server in ordered
    ]
    counts = coverage(offers, announced.num_layers)
    chain = plan_chain(offers, 0, announced.num_layers)
    return ModelOverview(
        name=announced.model_name,
        fingerprint=announced.model,
        num_layers=announced.num_layers,
        context_length=announced.context_length,
        coverage=counts,
        missing=gaps(counts),
        holders=[_holder(server) for server in ordered],
        chain=chain,
        tokens_per_second=1 / _chain_s(chain, offers) if chain else None,
    )


def _holder(server: Server) -> Holder:
    said = server.announced
    rate = 1 / said.token_s if said.token_s > 0 else None
    return Holder(server.peer, said.name, said.start, said.end, said.version, said.dtype, rate)


def _chain_s(chain: Sequence[Leg], offers: Sequence[Offer]) -> float:
    """Seconds for one token: a trip to each server, and its share of the time for its layers."""
    by_peer = {offer.peer: offer for offer in offers}
    total = 0.0
    for leg in chain:
        offer = by_peer[leg.peer]
        total += offer.trip_s + (offer.token_s or DEFAULT_TOKEN_S) * (leg.end - leg.start) / (offer.end - offer.start)
    return total
