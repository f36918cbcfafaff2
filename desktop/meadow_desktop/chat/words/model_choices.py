"""The models that a conversation can ask, as a menu shows them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meadow_desktop.language import _
from meadow_desktop.phrases import describe_rate, short_model_name
from meadow_engine.api.swarm import ModelOverview


@dataclass(frozen=True)
class ModelChoice:
    """One entry: its name, and in a few words how it is."""

    id: str
    title: str
    state: str
    is_chosen: bool


@dataclass(frozen=True)
class ModelChoices:
    """The menu, and the button that opens it. `spoken` is for screen readers."""

    title: str
    state: str
    spoken: str
    choices: tuple[ModelChoice, ...]


def present_models(models: Sequence[ModelOverview], chosen: str) -> ModelChoices:
    """The menu for what the engine tells; `chosen` is the id of the conversation's model, "" while nobody knows it.

    A model whose layers are not all held can be chosen: its answers wait. So can one that nobody announces now.
    """
    choices = [
        ModelChoice(model.id, short_model_name(model.name), describe_state(model), model.id == chosen)
        for model in models
    ]
    now = next((choice for choice in choices if choice.is_chosen), None)
    if now is None and chosen:
        now = ModelChoice(chosen, short_model_name(chosen), _("nobody holds it now"), is_chosen=True)
        choices.append(now)
    if now is None:
        return ModelChoices(_("No model yet"), "", _("Model: none is known yet"), tuple(choices))
    spoken = _("Model: {model}, {state}").format(model=now.title, state=now.state)
    return ModelChoices(now.title, now.state, spoken, tuple(choices))


def describe_state(model: ModelOverview) -> str:
    """ "about 24.1 tokens/s", "complete" or "layers missing"."""
    if not model.servers:
        return _("nobody holds it now")
    if not model.is_complete:
        return _("layers missing")
    if model.tokens_per_second is None:
        return _("complete")
    return _("about {rate} tokens/s").format(rate=describe_rate(model.tokens_per_second))
