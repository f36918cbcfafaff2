"""Words that several screens share: layers, rates, failures of files, and sentences made of a problem. Pure."""

from __future__ import annotations

import errno

from meadow_desktop.engine_words import told
from meadow_desktop.language import _, in_figures, marked
from meadow_engine.api.errors import Problem

_FAILURES = {
    errno.EACCES: marked("permission denied"),
    errno.EPERM: marked("operation not permitted"),
    errno.ENOENT: marked("no such file or directory"),
    errno.ENOSPC: marked("no space left on device"),
    errno.EROFS: marked("read-only file system"),
    errno.EISDIR: marked("is a directory"),
    errno.ENOTDIR: marked("not a directory"),
    errno.EIO: marked("input/output error"),
}


def describe_layers(start: int, end: int) -> str:
    """The half-open range [start, end) as people count it: [0, 3) is "layers 0–2", [4, 5) is "layer 4"."""
    if end - start <= 1:
        return _("layer {layer}").format(layer=start)
    return _("layers {first}–{last}").format(first=start, last=end - 1)


def describe_rate(per_second: float) -> str:
    """Three figures are enough for a person: 0.84, 24.1, 312."""
    digits = 0 if per_second >= 100 else 1 if per_second >= 1 else 2
    return in_figures(f"{per_second:.{digits}f}")


def describe_failure(error: OSError) -> str:
    """Why the system did not read or write something, for brackets: "permission denied". Rare reasons are English."""
    known = _FAILURES.get(error.errno or 0)
    return _(known) if known else (error.strerror or type(error).__name__).lower()


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
    return " ".join(part for part in (as_sentence(told(problem.message)), as_sentence(told(problem.advice))) if part)


def short_model_name(model: str) -> str:
    """The last part of a path or of an `owner/name` id: what fits on a screen."""
    return model.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1] or model
