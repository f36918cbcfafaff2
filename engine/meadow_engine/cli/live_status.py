"""What `meadow --no-gui` shows while it runs: one line that changes, or a JSON object for every change.

    sharing · layers 0–7 of meadow-demo · 2 conversations · 1,284 tokens · 3 peers

On a terminal the line is written over; into a file or a pipe every change of state is a line of its own. With
`--events`, stdout has {"event": "status", …} with all that `GET /api/status` tells.
"""

from __future__ import annotations

import json
import shutil
import sys
from typing import Protocol

from meadow_client.errors import describe_layers
from meadow_engine.api.status import EngineStatus

_SIGN_OF_LIFE_S = 60.0


class Shown(Protocol):
    """What can be shown."""

    def status(self) -> EngineStatus: ...

    async def changed(self, within_s: float) -> None: ...


async def show_status(engine: Shown, *, is_json: bool) -> None:
    """Show every change until cancelled."""
    is_terminal = sys.stderr.isatty()
    shown = ""
    try:
        while True:
            status = engine.status()
            if is_json:
                text = json.dumps({"event": "status", **status.model_dump(exclude={"uptime_s", "may_begin_s"})})
            else:
                text = status_line(status) if is_terminal else state_words(status)
            if text != shown:
                shown = text
                if is_json:
                    print(text, flush=True)
                else:
                    _write(text, is_terminal=is_terminal)
            await engine.changed(_SIGN_OF_LIFE_S)
    finally:
        if is_terminal and not is_json:
            sys.stderr.write("\n")


def status_line(status: EngineStatus) -> str:
    """Everything in a line."""
    parts = [state_words(status)]
    if status.span is not None:
        parts.append(f"{describe_layers([(status.span.start, status.span.end)])} of {status.model}")
        parts.append(f"{status.sessions} conversation{'' if status.sessions == 1 else 's'}")
    if status.tokens_served:
        parts.append(f"{status.tokens_served:,} tokens")
    parts.append(f"{status.peers} peer{'' if status.peers == 1 else 's'}")
    return " · ".join(parts)


def state_words(status: EngineStatus) -> str:
    """The state, and why where that is not plain."""
    return status.sharing if status.sharing == "sharing" else f"{status.sharing}: {status.sharing_detail}"


def _write(text: str, *, is_terminal: bool) -> None:
    if not is_terminal:
        print(text, file=sys.stderr, flush=True)
        return
    width = max(20, shutil.get_terminal_size().columns - 1)
    cut = text if len(text) <= width else text[: width - 1] + "…"
    sys.stderr.write(f"\r\x1b[K{cut}")
    sys.stderr.flush()
