"""What the swarm looks like in words: models, who holds which layers, and this computer's place. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from meadow_desktop.language import _, in_figures, ngettext
from meadow_desktop.phrases import describe_layers, describe_rate, short_model_name
from meadow_engine.api.status import EngineStatus
from meadow_engine.api.swarm import ModelOverview, SwarmOverview, SwarmServer

Holding = Literal["nobody", "one", "several"]


@dataclass(frozen=True)
class LayerView:
    """One layer in the bar: how many hold it, and whether this computer is among them."""

    holding: Holding
    is_own: bool
    words: str


@dataclass(frozen=True)
class ServerView:
    """One line of the table. `sort_key` is in the order of layers."""

    peer: str
    name: str
    layers: str
    rate: str
    latency: str
    detail: str
    is_own: bool
    is_in_chain: bool


@dataclass(frozen=True)
class ModelView:
    """One model: its name, how it is, and its servers."""

    id: str
    title: str
    summary: str
    trouble: str
    layers: tuple[LayerView, ...]
    layers_words: str
    layers_detail: str
    servers: tuple[ServerView, ...]


@dataclass(frozen=True)
class SwarmView:
    """The whole page. `own` is this computer's part in it; `empty` says why there is nothing to see."""

    own: str
    models: tuple[ModelView, ...]
    empty: str = ""


def present_swarm(overview: SwarmOverview | None, status: EngineStatus | None) -> SwarmView:
    """The page for what the engine says; None: it has not said it yet, or there is no engine."""
    if status is None:
        return SwarmView("", (), _("There is no engine to ask. Meadow shows the swarm as soon as one runs."))
    own = describe_own_part(status)
    if overview is None:
        return SwarmView(own, (), _("Looking around…"))
    models = tuple(present_model(model) for model in overview.models)
    empty = "" if models else _("No model is announced in this swarm yet. Share this computer to be the first.")
    return SwarmView(own, models, empty)


def present_model(model: ModelOverview) -> ModelView:
    """One model in words."""
    return ModelView(
        id=model.id,
        title=short_model_name(model.name),
        summary=_summary(model),
        trouble=_trouble(model),
        layers=tuple(_present_layer(layer, model) for layer in range(model.num_layers)),
        layers_words=_describe_coverage(model),
        layers_detail=_describe_runs(model),
        servers=tuple(_present_server(server, model) for server in model.servers),
    )


def describe_own_part(status: EngineStatus) -> str:
    """What this computer does for the swarm now."""
    if status.sharing != "sharing" or status.span is None:
        return _("This computer holds no layers now.")
    layers = describe_layers(status.span.start, status.span.end)
    held = _("This computer holds {layers} of {model}.").format(layers=layers, model=short_model_name(status.model))
    helped = ngettext(
        "It helps {n} conversation now; {tokens} tokens computed for others since Meadow started.",
        "It helps {n} conversations now; {tokens} tokens computed for others since Meadow started.",
        status.sessions,
    ).format(n=status.sessions, tokens=in_figures(f"{status.tokens_served:,}"))
    return f"{held} {helped}"


def describe_for_report(overview: SwarmOverview, status: EngineStatus) -> str:
    """The page as text for a bug report: no addresses, and of peer ids only the ends."""
    lines = [f"Meadow {status.version}, sharing: {status.sharing}, other computers: {status.peers}"]
    for model in overview.models:
        rate = "-" if model.tokens_per_second is None else f"{model.tokens_per_second:.1f} tokens/s"
        state = "complete" if model.is_complete else "incomplete"
        lines += ["", f"{model.id} ({model.short_fingerprint}): {model.num_layers} layers, {state}, {rate}"]
        lines.append("coverage: " + " ".join(map(str, model.coverage)))
        for server in model.servers:
            latency = "-" if server.latency_s is None else f"{server.latency_s * 1000:.0f} ms"
            speed = "-" if server.tokens_per_second is None else f"{server.tokens_per_second:.1f} tokens/s"
            own = " (this computer)" if server.is_own else ""
            where = f"[{server.start}, {server.end})"
            lines.append(f"  …{server.peer[-6:]} {where} {speed} {latency} {server.dtype} {server.version}{own}")
    return "\n".join(lines) + "\n"


def _summary(model: ModelOverview) -> str:
    layers = ngettext("{n} layer", "{n} layers", model.num_layers).format(n=model.num_layers)
    servers = ngettext("{n} computer", "{n} computers", len(model.servers)).format(n=len(model.servers))
    parts = [layers, servers, _("remembers {n} tokens").format(n=in_figures(f"{model.context_length:,}"))]
    if model.tokens_per_second is not None:
        parts.append(_("about {rate} tokens/s").format(rate=describe_rate(model.tokens_per_second)))
    return " · ".join(parts)


def _trouble(model: ModelOverview) -> str:
    if model.is_complete:
        return ""
    if not model.servers:
        return _("Nobody holds this model now.")
    layers = ", ".join(describe_layers(span.start, span.end) for span in model.missing)
    return _("Nobody holds {layers}. Answers wait until somebody does.").format(layers=layers)


def _present_layer(layer: int, model: ModelOverview) -> LayerView:
    holders = model.coverage[layer]
    words = _("Layer {layer}: {held}").format(layer=layer, held=_describe_holders(holders))
    holding: Holding = "nobody" if not holders else "one" if holders == 1 else "several"
    return LayerView(holding, _is_own(layer, model), words)


def _is_own(layer: int, model: ModelOverview) -> bool:
    return any(server.is_own and server.start <= layer < server.end for server in model.servers)


def _describe_holders(holders: int) -> str:
    if not holders:
        return _("held by nobody")
    return ngettext("held by {n} computer", "held by {n} computers", holders).format(n=holders)


def _describe_coverage(model: ModelOverview) -> str:
    """The bar for people who do not see it."""
    if not model.is_complete:
        return _trouble(model)
    least = min(model.coverage, default=0)
    return ngettext(
        "Every layer is held by at least {n} computer.", "Every layer is held by at least {n} computers.", least
    ).format(n=least)


def _describe_runs(model: ModelOverview) -> str:
    """ "layers 0–2: held by 2 computers, this one among them; layers 3–5: held by 1 computer"."""
    runs: list[tuple[int, int, int, bool]] = []  # first layer, end, how many hold them, whether this computer does
    for layer, holders in enumerate(model.coverage):
        is_own = _is_own(layer, model)
        if runs and runs[-1][2:] == (holders, is_own):
            runs[-1] = (runs[-1][0], layer + 1, holders, is_own)
        else:
            runs.append((layer, layer + 1, holders, is_own))
    words = []
    for start, end, holders, is_own in runs:
        held = _describe_holders(holders)
        if is_own:
            held = _("{held}, this one among them").format(held=held)
        words.append(_("{layers}: {held}").format(layers=describe_layers(start, end), held=held))
    return "; ".join(words)


def _present_server(server: SwarmServer, model: ModelOverview) -> ServerView:
    name = server.name or _("unnamed")
    return ServerView(
        peer=server.peer,
        name=_("{name} (this computer)").format(name=name) if server.is_own else name,
        layers=describe_layers(server.start, server.end),
        rate="–" if server.tokens_per_second is None else describe_rate(server.tokens_per_second),
        latency="–" if server.latency_s is None else f"{server.latency_s * 1000:.0f} ms",
        detail=f"{server.dtype} · {server.version}",
        is_own=server.is_own,
        is_in_chain=any(part.peer == server.peer for part in model.chain or []),
    )
