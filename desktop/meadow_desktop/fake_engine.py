"""A stand-in for the engine: the same HTTP API, canned answers, slow enough to watch. For people and for tests.

    meadow-desktop --fake-engine sharing              the window against it, in one process
    python -m meadow_desktop.fake_engine --state sharing --base-dir DIR [--tethered]
                                                      a process of its own, to be killed and started again

States: off, starting, sharing, stopping, failed are what sharing looks like; in all of these it answers chats. In
`waiting` layers are missing for a while, in `lost` a server dies in mid-answer, in `refused` no chat begins, in
`silent` an answer never comes.
Threads: one for each connection, daemonic; the shared state is behind one condition.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import ValidationError

from meadow_engine.api.answers import AnswerOrigin, ChainLink, Waiting
from meadow_engine.api.commands import SetSharing
from meadow_engine.api.errors import Problem
from meadow_engine.api.events import KEEPALIVE_S, STATUS_EVENT
from meadow_engine.api.places import Places, RunningEngine, find_places, write_private
from meadow_engine.api.status import EngineStatus, ModelStatus, SharingState, Span

MISHAPS = ("waiting", "lost", "refused", "silent")
STATES = (*get_args(SharingState), *MISHAPS)
MODEL = "meadow-demo"

_DETAILS: dict[SharingState, str] = {
    "off": "You have not agreed to share this computer yet",
    "starting": "Reading layers 0–2",
    "sharing": "",
    "stopping": "Handing conversations to other computers",
    "failed": "The graphics memory was full before all layers were read",
}

CANNED = (
    """A **swarm** is a group of computers that hold one model together. Each keeps a *span* of layers:

1. your words become hidden states,
2. the states travel from computer to computer,
3. the last one gives the next token.

In Python a chain looks like this:

```python
def run_chain(hidden, servers):
    \"\"\"Send hidden states through every server in turn.\"\"\"
    for server in servers:
        hidden = server.forward(hidden)  # [B, T, D]
    return hidden
```

| part | where it runs |
|---|---|
| embedding | on your computer |
| layers 0–2 | `volunteer-a` |
| layers 3–5 | `volunteer-b` |

> Nobody holds the whole model, and everybody can use it.
""",
    """Gladly, in other words: think of a *bucket brigade*.

```bash
meadow serve meadow-demo --layers 0:3 &
meadow chat meadow-demo --prompt "What is a swarm?"
```

Every computer takes the bucket, does its part and passes it on.
""",
)


class FakeEngine:
    """Serves on a free port of 127.0.0.1 from `start` to `stop`."""

    def __init__(self, places: Places, state: str, piece_s: float = 0.06) -> None:
        self.places = places
        self.mishap = state if state in MISHAPS else ""
        self.sharing: SharingState = "sharing" if self.mishap else cast(SharingState, state)
        self.piece_s = piece_s
        self.token = secrets.token_urlsafe(32)
        self.answers_begun = 0
        self.answers_cut = 0
        self.requests: list[dict[str, Any]] = []
        self.changed = threading.Condition()
        self._began_at = time.monotonic()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Its address without a path."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        """Listen, and write engine.json."""
        self._thread.start()
        engine = RunningEngine(pid=os.getpid(), url=self.url, token=self.token, version="fake")
        write_private(self.places.engine_file, engine.model_dump_json())

    def stop(self) -> None:
        """Stop listening and remove engine.json."""
        self.places.engine_file.unlink(missing_ok=True)
        self._server.shutdown()
        self._server.server_close()

    def set_sharing(self, enabled: bool) -> None:
        """What the switch does; failing stays failing."""
        with self.changed:
            if self.sharing != "failed" or not enabled:
                self.sharing = "sharing" if enabled else "off"
            self.changed.notify_all()

    def status(self) -> EngineStatus:
        """The status as the API gives it."""
        is_sharing = self.sharing == "sharing"
        return EngineStatus(
            version="fake",
            pid=os.getpid(),
            peer="12D3KooWFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake",
            name="volunteer-a",
            address=["/ip4/127.0.0.1/tcp/31337"],
            uptime_s=round(time.monotonic() - self._began_at, 1),
            device="cpu",
            sharing=self.sharing,
            sharing_detail=_DETAILS[self.sharing],
            model=MODEL,
            span=Span(start=0, end=3) if is_sharing else None,
            sessions=1 if is_sharing else 0,
            tokens_served=1284 if is_sharing else 0,
            peers=2,
            base_url=f"{self.url}/v1",
        )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, engine: FakeEngine) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.engine = engine


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _engine(self) -> FakeEngine:
        return cast(_Server, self.server).engine

    def do_GET(self) -> None:
        if not self._is_admitted():
            return
        if self.path == "/api/status":
            self._send(200, self._engine.status().model_dump())
        elif self.path == "/api/models":
            model = ModelStatus(
                id=MODEL, num_layers=9, coverage=[1] * 9, servers=3, context_length=512, is_complete=True
            )
            self._send(200, [model.model_dump()])
        elif self.path == "/v1/models":
            self._send(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        elif self.path == "/api/events":
            self._stream(self._status_events())
        else:
            self._refuse(404, "not-found", "There is no such page")

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length)
        if not self._is_admitted():
            return
        if self.path == "/api/sharing":
            try:
                wish = SetSharing.model_validate_json(body)
            except ValidationError:
                self._refuse(422, "bad-request", "The body is not a wish about sharing")
                return
            self._engine.set_sharing(wish.enabled)
            self._send(200, self._engine.status().model_dump())
        elif self.path == "/v1/chat/completions":
            self._answer(json.loads(body))
        else:
            self._refuse(404, "not-found", "There is no such page")

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet: requests are nobody's business."""

    def _is_admitted(self) -> bool:
        if self.headers.get("Origin") is not None:
            self._refuse(403, "origin-refused", "Web pages may not speak to the engine")
            return False
        if self.headers.get("Authorization") != f"Bearer {self._engine.token}":
            self._refuse(401, "token-wrong", "The token is wrong")
            return False
        return True

    def _answer(self, request: dict[str, Any]) -> None:
        engine = self._engine
        engine.requests.append(request)
        if engine.mishap == "refused":
            error = {
                "message": "No computer in the swarm holds layers 3–5 of meadow-demo",
                "type": "server_error",
                "code": "layers-missing",
                "advice": "Try again when more computers are on.",
            }
            self._send(503, {"error": error})
            return
        self._stream(self._answer_events())

    def _status_events(self) -> Iterator[str]:
        last: EngineStatus | None = None
        while True:
            status = self._engine.status()
            if last is None or status.sharing != last.sharing or status.uptime_s - last.uptime_s > KEEPALIVE_S:
                last = status
                yield f"event: {STATUS_EVENT}\ndata: {status.model_dump_json()}\n\n"
            # Never held across a yield: nobody says when, or on which thread, a generator that is left goes on.
            with self._engine.changed:
                if self._engine.status().sharing == last.sharing:
                    self._engine.changed.wait(0.5)

    def _answer_events(self) -> Iterator[str]:
        engine = self._engine
        engine.answers_begun += 1
        text = CANNED[(engine.answers_begun - 1) % len(CANNED)]
        if engine.mishap == "silent":
            time.sleep(3600)
        if engine.mishap == "waiting":
            sentence = "No computer holds layers 3–5 of meadow-demo yet; waiting up to 60 s"
            for _ in range(8):
                yield _chunk({}, meadow=Waiting(waiting=sentence).model_dump())
                time.sleep(0.4)
        began = time.monotonic()
        words = text.split(" ")
        for place, word in enumerate(words):
            if engine.mishap == "lost" and place > len(words) // 3:
                error = {
                    "message": "The computer volunteer-b with layers 3–5 stopped answering",
                    "code": "server-lost",
                    "advice": "Ask again: the swarm finds another way.",
                }
                yield f"data: {json.dumps({'error': error})}\n\n"
                return
            yield _chunk({"content": word if place == 0 else " " + word})
            time.sleep(engine.piece_s)
        rate = len(words) / (time.monotonic() - began + 1e-9)
        yield _chunk({}, finish_reason="stop", meadow=_origin(rate).model_dump())
        yield "data: [DONE]\n\n"

    def _stream(self, events: Iterator[str]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for event in events:
                data = event.encode()
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True
            if "completions" in self.path:
                self._engine.answers_cut += 1

    def _refuse(self, status: int, code: str, message: str) -> None:
        self._send(status, Problem(code=code, message=message).model_dump())

    def _send(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _chunk(delta: dict[str, str], finish_reason: str | None = None, **members: Any) -> str:
    chunk = {
        "id": "chatcmpl-fake",
        "object": "chat.completion.chunk",
        "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
        **members,
    }
    return f"data: {json.dumps(chunk)}\n\n"


def _origin(rate: float) -> AnswerOrigin:
    chain = [
        ChainLink(peer=f"12D3KooWFake{name.upper()}", name=f"volunteer-{name}", start=start, end=start + 3)
        for name, start in (("a", 0), ("b", 3), ("c", 6))
    ]
    return AnswerOrigin(chain=chain, tokens_per_second=rate, first_token_s=0.2)


def main(arguments: list[str] | None = None) -> int:
    """Run until stdin closes (with --tethered) or for ever. Flags of the real engine are understood."""
    parser = argparse.ArgumentParser(prog="meadow_desktop.fake_engine", description="A stand-in for the engine.")
    parser.add_argument("--state", choices=STATES, default="sharing")
    parser.add_argument("--base-dir", type=Path)
    parser.add_argument("--piece-s", type=float, default=0.06, help="seconds between two pieces of an answer")
    parser.add_argument("--tethered", action="store_true", help="end when stdin closes")
    parser.add_argument("--no-gui", action="store_true")
    parser.add_argument("--fail", metavar="SENTENCE", help="end at once with this error")
    options = parser.parse_args(arguments)
    if options.fail:
        sys.stderr.write(f"Error: {options.fail}\n")
        return 1
    base_dir = options.base_dir or Path(tempfile.mkdtemp(prefix="meadow-fake-"))
    engine = FakeEngine(find_places(base_dir), options.state, options.piece_s)
    engine.start()
    sys.stdout.write(json.dumps({"event": "ready", "command": "fake", "url": engine.url + "/v1"}) + "\n")
    sys.stdout.flush()
    if options.tethered:
        sys.stdin.buffer.read()
        engine.stop()
    else:
        threading.Event().wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
