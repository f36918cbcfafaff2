"""Finds the sentence that explains why an engine ended, in what it wrote to stderr. Pure."""

from __future__ import annotations

import re

from meadow_desktop.language import _, marked
from meadow_engine.api.errors import Problem

# How the engine's command line shows an expected error: "meadow: SENTENCE." and the advice on the next line.
_ERROR = re.compile(r"^(?:meadow|error):\s*(?P<sentence>.+)$", re.IGNORECASE)
_LONGEST = 300
_LOOK_IN_LOG = marked("The file engine.log in Meadow's log folder has the details.")


def find_last_words(stderr: str) -> Problem | None:
    """The last expected error and its advice, or else the last line; None when nothing was said.

    A traceback ends with the exception's own line, which is the best that can be shown of it.
    """
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    if not lines:
        return None
    for place in range(len(lines) - 1, max(-1, len(lines) - 4), -1):
        error = _ERROR.match(lines[place])
        if error is not None:
            advice = " ".join(lines[place + 1 :])
            return _problem(error["sentence"], advice or _(_LOOK_IN_LOG))
    return _problem(lines[-1], _(_LOOK_IN_LOG))


def _problem(message: str, advice: str) -> Problem:
    return Problem(code="engine-ended", message=message[:_LONGEST], advice=advice[:_LONGEST])
