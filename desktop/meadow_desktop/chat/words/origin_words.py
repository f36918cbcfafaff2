"""Who computed an answer, and who left while it was written, in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from meadow_desktop.language import _, in_figures
from meadow_desktop.phrases import describe_layers
from meadow_engine.api.answers import AnswerOrigin, Replacement


@dataclass(frozen=True)
class ChainPart:
    """One computer of the chain, in the order of its layers. `is_replacement`: it took over in mid-answer."""

    name: str
    layers: str
    peer: str
    is_replacement: bool = False


def chain_parts(origin: AnswerOrigin | None) -> tuple[ChainPart, ...]:
    """The computers that held the layers when the answer ended."""
    if origin is None:
        return ()
    took_over = {name for recovery in origin.recoveries for name in recovery.instead}
    return tuple(
        ChainPart(link.name, describe_layers(link.start, link.end), link.peer, link.name in took_over)
        for link in origin.chain
    )


def describe_recoveries(origin: AnswerOrigin | None) -> tuple[str, ...]:
    """ "desk-2 left; attic took over in 0.3 s", for each time that somebody left."""
    return tuple(_describe_recovery(each) for each in origin.recoveries) if origin is not None else ()


def _describe_recovery(recovery: Replacement) -> str:
    lost, instead = ", ".join(recovery.lost), ", ".join(recovery.instead)
    digits = 0 if recovery.seconds >= 10 else 1
    seconds = in_figures(f"{max(recovery.seconds, 0.1):.{digits}f}")
    if not lost:
        return _("The answer went on after {seconds} s").format(seconds=seconds)
    if not instead:
        return _("{lost} left; the others took over in {seconds} s").format(lost=lost, seconds=seconds)
    if recovery.is_planned:
        sentence = _("{lost} had to leave and handed over to {instead} in {seconds} s")
    else:
        sentence = _("{lost} left; {instead} took over in {seconds} s")
    return sentence.format(lost=lost, instead=instead, seconds=seconds)
