"""Which models a swarm holds, from what its servers announce."""

from __future__ import annotations

from meadow_client.models.description import ModelDescription
from meadow_client.routing.chains import Offer, coverage
from meadow_client.swarm.directory import Server
from meadow_engine.api.status import ModelStatus


def models_of(servers: list[Server], own: ModelDescription | None = None) -> list[ModelStatus]:
    """Coverage of every model that servers announce; `own` comes first and is there without servers, too."""
    by_model: dict[str, list[Server]] = {own.fingerprint: []} if own else {}
    for server in servers:
        by_model.setdefault(server.announced.model, []).append(server)
    found = []
    for fingerprint, holders in by_model.items():
        if own is not None and fingerprint == own.fingerprint:
            name, num_layers, context_length = own.name, own.num_layers, own.context_length
        else:
            announced = holders[0].announced
            name, num_layers, context_length = (
                announced.model_name,
                announced.num_layers,
                announced.context_length,
            )
        offers = [Offer(server.peer, server.announced.start, server.announced.end) for server in holders]
        counts = coverage(offers, num_layers)
        found.append(
            ModelStatus(
                id=name,
                num_layers=num_layers,
                coverage=counts,
                servers=len(holders),
                context_length=context_length,
                is_complete=all(counts),
            )
        )
    return found
