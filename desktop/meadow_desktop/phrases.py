"""Words that several screens share: layers, rates, and sentences made of a problem. Pure."""

from __future__ import annotations

from meadow_engine.api.errors import Problem


def describe_layers(start: int, end: int) -> str:
    """The half-open range [start, end) as people count it: [0, 3) is "layers 0–2", [4, 5) is "layer 4"."""
    if end - start <= 1:
        return f"layer {start}"
    return f"layers {start}–{end - 1}"


def as_sentence(text: str) -> str:
    """`text` with a capital first letter and an end mark; empty text stays empty."""
    text = with_end_mark(text)
    return text[:1].upper() + text[1:]


def with_end_mark(text: str) -> str:
    """The same for a text that begins with a name, which keeps its small letter: "idle_s: must be a number."."""
    text = text.strip()
    return text if not text or text[-1] in ".!?…:" else text + "."


def describe_problem(problem: Problem) -> str:
    """Sentence and advice in one line."""
    return " ".join(part for part in (as_sentence(problem.message), as_sentence(problem.advice)) if part)


def short_model_name(model: str) -> str:
    """The last part of a path or of an `owner/name` id: what fits on a screen."""
    return model.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1] or model


def count(number: int, one: str, many: str) -> str:
    """ "1 computer", "3 computers"."""
    return f"{number} {one if number == 1 else many}"
