"""What the directory says of a swarm: every model, who holds which layers, how fast the best chain would be. Pure.

A model is a fingerprint and a number of layers; names are what strangers say. So a name belongs to the first model that
has it, those that this computer knows before all others, and further ones of the same name are told apart by their
fingerprints.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from meadow_client.routing.chains import DEFAULT_TOKEN_S, Leg, Offer, coverage, gaps, plan_chain
from meadow_engine.api.status import Span
from meadow_engine.api.swarm import ChainPart, ModelOverview, SwarmServer

if TYPE_CHECKING:
    from meadow_client.swarm.directory import Server

_SHORT = 8

_NO_TRIPS: Mapping[str, float] = {}


class Known(Protocol):
    """What this computer knows of a model from its files; a `ModelDescription` is one."""

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    @property
    def num_layers(self) -> int: ...

    @property
    def context_length(self) -> int: ...


class _Facts(NamedTuple):
    name: str
    fingerprint: str
    num_layers: int
    context_length: int


def overview(
    servers: Sequence[Server],
    known: Sequence[Known] = (),
    own_peers: Collection[str] = (),
    trips: Mapping[str, float] = _NO_TRIPS,
) -> list[ModelOverview]:
    """All models: the `known` ones in their order, also without servers, then what else servers announce, by name.

    `own_peers` are this computer's; `trips` says how many seconds a message takes to a peer and back.
    """
    facts = {_key(model.fingerprint, model.num_layers): _facts(model) for model in known}
    known_keys = list(facts)
    holders: dict[tuple[str, int], list[Server]] = {key: [] for key in facts}
    for server in servers:
        said = server.announced
        key = _key(said.model, said.num_layers)
        facts.setdefault(key, _Facts(said.model_name, said.model, said.num_layers, said.context_length))
        holders.setdefault(key, []).append(server)
    others = sorted(facts.keys() - set(known_keys), key=lambda key: _order(facts[key], holders[key]))
    found: dict[str, ModelOverview] = {}
    for key in [*known_keys, *others]:
        model = _overview_of(facts[key], holders[key], own_peers, trips)
        found.setdefault(_unused_id(model, found), model)
    return [model.model_copy(update={"id": name}) for name, model in found.items()]


def find_model(models: Sequence[ModelOverview], wanted: str) -> list[ModelOverview]:
    """Those that a person means: by id, fingerprint, name, or the last part of a name such as Qwen/Qwen3-8B."""
    names = (wanted.casefold(), last_part(wanted).casefold())
    return [model for model in models if wanted in (model.id, model.fingerprint) or model.name.casefold() in names]


def last_part(name: str) -> str:
    """What a folder or a repository such as Qwen/Qwen3-8B is called in the swarm."""
    return name.rstrip("/").rpartition("/")[2]


def _key(fingerprint: str, num_layers: int) -> tuple[str, int]:
    return fingerprint, num_layers


def _facts(model: Known) -> _Facts:
    return _Facts(model.name, model.fingerprint, model.num_layers, model.context_length)


def _order(facts: _Facts, servers: Sequence[Server]) -> tuple[str, int, str, int]:
    """By name; among models of the same name, the one that most computers hold comes first."""
    return facts.name.casefold(), -len(servers), facts.fingerprint, facts.num_layers


def _unused_id(model: ModelOverview, used: Collection[str]) -> str:
    shorter, longer = f"{model.name}@{model.short_fingerprint}", f"{model.name}@{model.fingerprint}"
    for name in (model.name, shorter, longer):
        if name and name not in used:
            return name
    return f"{longer}/{model.num_layers}"


def _overview_of(
    facts: _Facts, servers: Sequence[Server], own_peers: Collection[str], trips: Mapping[str, float]
) -> ModelOverview:
    ordered = sorted(servers, key=lambda server: (server.announced.start, server.announced.end, server.peer))
    offers = [_offer(server, trips) for server in ordered]
    counts = coverage(offers, facts.num_layers)
    chain = plan_chain(offers, 0, facts.num_layers)
    names = {server.peer: server.announced.name for server in ordered}
    return ModelOverview(
        id=facts.name,
        name=facts.name,
        fingerprint=facts.fingerprint,
        short_fingerprint=facts.fingerprint[:_SHORT],
        num_layers=facts.num_layers,
        context_length=facts.context_length,
        coverage=counts,
        missing=[Span(start=start, end=end) for start, end in gaps(counts)],
        is_complete=all(counts),
        tokens_per_second=1 / _chain_s(chain, offers) if chain else None,
        chain=[ChainPart(peer=leg.peer, name=names[leg.peer], start=leg.start, end=leg.end) for leg in chain]
        if chain
        else None,
        servers=[_server(server, own_peers, trips) for server in ordered],
    )


def _offer(server: Server, trips: Mapping[str, float]) -> Offer:
    said = server.announced
    offer = Offer(server.peer, said.start, said.end, said.token_s)
    return Offer(server.peer, said.start, said.end, said.token_s, trips.get(server.peer, offer.trip_s))


def _server(server: Server, own_peers: Collection[str], trips: Mapping[str, float]) -> SwarmServer:
    said = server.announced
    return SwarmServer(
        peer=server.peer,
        name=said.name,
        start=said.start,
        end=said.end,
        version=said.version,
        dtype=said.dtype,
        tokens_per_second=1 / said.token_s if said.token_s > 0 else None,
        latency_s=trips.get(server.peer),
        is_own=server.peer in own_peers,
    )


def _chain_s(chain: Sequence[Leg], offers: Sequence[Offer]) -> float:
    """Seconds for one token: a trip to each server, and its share of the time for its layers."""
    by_peer = {offer.peer: offer for offer in offers}
    total = 0.0
    for leg in chain:
        offer = by_peer[leg.peer]
        total += offer.trip_s + (offer.token_s or DEFAULT_TOKEN_S) * (leg.end - leg.start) / (offer.end - offer.start)
    return total
