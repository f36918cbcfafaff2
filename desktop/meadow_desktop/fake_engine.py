"""A stand-in for the engine: the same HTTP API, canned answers, slow enough to watch. For people and for tests.

    meadow-desktop --fake-engine sharing              the window against it, in one process
    python -m meadow_desktop.fake_engine --state sharing --base-dir DIR [--tethered]
                                                      a process of its own, to be killed and started again

States: those of `EngineStatus.sharing` are what sharing looks like (`fake_sharing.py`); in all of these it answers
chats. In `missing` layers are missing for a while, in `lost` a server dies in mid-answer, in `refused` no chat begins,
in `silent` an answer never comes.
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
from typing import Any, cast

from pydantic import ValidationError

from meadow_desktop.fake_answers import MISHAPS, MODEL, answer
from meadow_desktop.fake_sharing import SHARING_STATES, FakeSharing
from meadow_engine.api.commands import ChangeSettings, Pause, SetSharing, ShareAnyway
from meadow_engine.api.errors import Problem
from meadow_engine.api.events import KEEPALIVE_S, STATUS_EVENT
from meadow_engine.api.places import Places, RunningEngine, find_places, write_private
from meadow_engine.api.settings import Settings
from meadow_engine.api.settings_overview import SettingsOverview, Source, state_of_settings
from meadow_engine.api.status import EngineStatus, ModelStatus, SharingState, Span

STATES = (*SHARING_STATES, *MISHAPS)

COMMANDS = ("/api/sharing", "/api/pause", "/api/resume", "/api/drain", "/api/share-anyway")


class FakeEngine:
    """Serves on a free port of 127.0.0.1 from `start` to `stop`."""

    def __init__(self, places: Places, state: str, piece_s: float = 0.06) -> None:
        self.places = places
        self.mishap = state if state in MISHAPS else ""
        self.sharing = FakeSharing("sharing" if self.mishap else cast(SharingState, state), time.monotonic)
        self.piece_s = piece_s
        self.token = secrets.token_urlsafe(32)
        self.answers_begun = 0
        self.answers_cut = 0
        self.requests: list[dict[str, Any]] = []
        self.changed = threading.Condition()
        self._began_at = time.monotonic()
        self._changed_settings: dict[str, Any] = {}
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

    def obey(self, path: str, body: bytes) -> bool:
        """Do what `POST path` asks for; False for a reason that cannot be left out.

        Raises:
            ValidationError: the body is not what belongs to the path.
        """
        with self.changed:
            is_done = self._obey(path, body)
            self.changed.notify_all()
        return is_done

    def set_sharing(self, enabled: bool) -> None:
        """What the switch does."""
        with self.changed:
            self.sharing.allow(enabled)
            self.changed.notify_all()

    def settings(self) -> SettingsOverview:
        """The settings page: defaults, but for what was changed here."""
        settings = Settings.model_validate({**self._changed_settings, "share": self.sharing.is_allowed})
        sources: dict[str, Source] = {name: "file" for name in self._changed_settings}
        return SettingsOverview(
            file=str(self.places.settings_file),
            can_change=True,
            problems=[],
            settings=state_of_settings(settings, sources),
        )

    def change_settings(self, values: dict[str, Any]) -> SettingsOverview:
        """Remember settings; only `share` changes anything.

        Raises:
            ValidationError: a name or a value that the real engine would not take either.
        """
        kept = {name: value for name, value in {**self._changed_settings, **values}.items() if value is not None}
        settings = Settings.model_validate(kept)
        self._changed_settings = kept
        if "share" in values:
            self.set_sharing(settings.share)
        return self.settings()

    def status(self) -> EngineStatus:
        """The status as the API gives it."""
        with self.changed:
            return self._status()

    def picture(self) -> tuple[object, ...]:
        """What of the status is news when it changes."""
        with self.changed:
            return self.sharing.state, self.sharing.is_allowed, [reason.code for reason in self.sharing.reasons]

    def _status(self) -> EngineStatus:
        is_sharing = self.sharing.state == "sharing"
        return EngineStatus(
            version="fake",
            pid=os.getpid(),
            peer="12D3KooWFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake",
            name="volunteer-a",
            address=["/ip4/127.0.0.1/tcp/31337"],
            uptime_s=round(time.monotonic() - self._began_at, 1),
            device="cpu",
            is_sharing_allowed=self.sharing.is_allowed,
            sharing=self.sharing.state,
            sharing_detail=self.sharing.detail,
            reasons=self.sharing.reasons,
            may_begin_s=self.sharing.may_begin_s,
            model=MODEL,
            span=Span(start=0, end=3) if is_sharing else None,
            sessions=1 if is_sharing else 0,
            tokens_served=1284 if is_sharing else 0,
            peers=2,
            base_url=f"{self.url}/v1",
        )

    def _obey(self, path: str, body: bytes) -> bool:
        match path:
            case "/api/sharing":
                self.sharing.allow(SetSharing.model_validate_json(body).enabled)
            case "/api/pause":
                self.sharing.pause(Pause.model_validate_json(body).length)
            case "/api/resume":
                self.sharing.resume()
            case "/api/drain":
                self.sharing.finish()
            case "/api/share-anyway":
                return self.sharing.share_anyway(ShareAnyway.model_validate_json(body).code)
        return True


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
        elif self.path == "/api/settings":
            self._send(200, self._engine.settings().model_dump())
        elif self.path == "/api/events":
            self._stream(self._status_events())
        else:
            self._refuse(404, "not-found", "There is no such page")

    def do_POST(self) -> None:
        body = self._body()
        if not self._is_admitted():
            return
        if self.path in COMMANDS:
            self._obey(body)
        elif self.path == "/v1/chat/completions":
            self._answer(json.loads(body))
        else:
            self._refuse(404, "not-found", "There is no such page")

    def do_PATCH(self) -> None:
        body = self._body()
        if not self._is_admitted():
            return
        if self.path != "/api/settings":
            self._refuse(404, "not-found", "There is no such page")
            return
        try:
            overview = self._engine.change_settings(ChangeSettings.model_validate_json(body).values)
        except ValidationError as error:
            self._refuse(400, "invalid-request", f"These settings cannot be taken: {error.errors()[0]['msg']}.")
            return
        self._send(200, overview.model_dump())

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet: requests are nobody's business."""

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def _obey(self, body: bytes) -> None:
        try:
            is_done = self._engine.obey(self.path, body)
        except ValidationError:
            self._refuse(400, "invalid-request", "The body is not what belongs to this command.")
            return
        if is_done:
            self._send(200, self._engine.status().model_dump())
        else:
            self._refuse(400, "usage", "This is no reason that can be left out.")

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
        engine.answers_begun += 1
        self._stream(answer(engine.mishap, engine.answers_begun, engine.piece_s))

    def _status_events(self) -> Iterator[str]:
        engine = self._engine
        shown, shown_at = None, 0.0
        while True:
            status, picture = engine.status(), engine.picture()
            if picture != shown or time.monotonic() - shown_at > KEEPALIVE_S:
                shown, shown_at = picture, time.monotonic()
                yield f"event: {STATUS_EVENT}\ndata: {status.model_dump_json()}\n\n"
            # Never held across a yield: nobody says when, or on which thread, a generator that is left goes on.
            with engine.changed:
                if engine.picture() == shown:
                    engine.changed.wait(0.5)

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
