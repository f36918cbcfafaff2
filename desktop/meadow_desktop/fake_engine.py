"""A stand-in for the engine: the same HTTP API, canned answers, slow enough to watch. For people and for tests.

    meadow-desktop --fake-engine sharing              the window against it, in one process
    python -m meadow_desktop.fake_engine --state sharing --base-dir DIR [--tethered]
                                                      a process of its own, to be killed and started again

What it pretends is in `fakes_of_engine/`, by subject, each with its rows of the table of routes.
States: those of `EngineStatus.sharing` are what sharing looks like (`fakes_of_engine/sharing.py`); in all of these it
answers chats. In `missing` layers are missing for a while, in `lost` a server dies in mid-answer, in `refused` no chat
begins, in `silent` an answer never comes, in `stalled` it stops in the middle, in `long` it has 20,000 words in 400
pieces.
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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from meadow_desktop.fakes_of_engine.answers import MISHAPS, MODEL, answer
from meadow_desktop.fakes_of_engine.asked import Asked, OtherAnswer, Routes, Stream, refusal
from meadow_desktop.fakes_of_engine.contributions import contribution_routes
from meadow_desktop.fakes_of_engine.disk import FakeDisk
from meadow_desktop.fakes_of_engine.downloads import FakeDownloads
from meadow_desktop.fakes_of_engine.first_start import computer_routes
from meadow_desktop.fakes_of_engine.kept_swarms import FakeSwarms
from meadow_desktop.fakes_of_engine.server import FakeServer
from meadow_desktop.fakes_of_engine.settings import FakeSettings
from meadow_desktop.fakes_of_engine.sharing import FakeSharing
from meadow_desktop.fakes_of_engine.states import STATES
from meadow_desktop.fakes_of_engine.swarm import fake_swarm
from meadow_engine.api.commands import ChangeSettings, Restarting
from meadow_engine.api.events import KEEPALIVE_S, STATUS_EVENT
from meadow_engine.api.places import Places, RunningEngine, find_places, write_private
from meadow_engine.api.settings_overview import SettingsOverview
from meadow_engine.api.status import EngineStatus, ModelStatus, SharingState, Span

_RECORDED = ("/api/swarms", "/api/downloads", "/api/restart")
_UNTIL_RESTART_S = 0.05  # the answer goes out first


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
        self.longest_request: int | None = None  # messages, instead of tokens
        self.commands: list[tuple[str, dict[str, Any]]] = []  # what was asked for below `_RECORDED`
        self.swarms = FakeSwarms()
        self.restarts = 0
        self.refuses_restart = False
        self.downloads = FakeDownloads()
        self.changed = threading.Condition()
        self._began_at = time.monotonic()
        self.kept_settings = FakeSettings(places)
        self.disk = FakeDisk(places, MODEL)
        self._server = FakeServer(self.token, self._routes())
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
        """What the switch does."""
        with self.changed:
            self.sharing.allow(enabled)
            self.changed.notify_all()

    def restart(self) -> None:
        """As an engine that starts again: those who follow its state are cut off, and find it anew."""
        with self.changed:
            self.swarms.restart()
            self.kept_settings.restart()
            self.restarts += 1
            self.changed.notify_all()

    def settings(self) -> SettingsOverview:
        """The settings page: defaults, but for what was changed here."""
        return self.kept_settings.overview(is_sharing_allowed=self.sharing.is_allowed)

    def settings_value(self, name: str) -> object:
        """What a setting is now."""
        return next(state.value for state in self.settings().settings if state.name == name)

    def change_settings(self, values: dict[str, Any]) -> SettingsOverview:
        """Remember settings; only `share` changes anything.

        Raises:
            ValidationError: a name or a value that the real engine would not take either.
            FakeRefusalError: a flag or a variable fixes it.
        """
        settings = self.kept_settings.change(values)
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

    def _routes(self) -> Routes:
        model = ModelStatus(id=MODEL, num_layers=9, coverage=[1] * 9, servers=3, context_length=512, is_complete=True)
        sharing = {row: self._changing(route) for row, route in self.sharing.routes().items()}
        routes: Routes = {
            ("GET", "/api/status"): lambda asked: self.status(),
            ("GET", "/api/events"): lambda asked: Stream(self._status_events()),
            ("GET", "/api/models"): lambda asked: [model],
            ("GET", "/v1/models"): lambda asked: {"object": "list", "data": [{"id": MODEL, "object": "model"}]},
            ("POST", "/v1/chat/completions"): self._answer,
            ("GET", "/api/swarm"): lambda asked: fake_swarm(MODEL, is_sharing=self.sharing.state == "sharing"),
            ("GET", "/api/settings"): lambda asked: self.settings(),
            ("PATCH", "/api/settings"): self._patch_settings,
            ("POST", "/api/restart"): self._restart_soon,
            **sharing,
            **self.disk.routes(),
            **self.downloads.routes(),
            **self.swarms.routes(),
            **contribution_routes(MODEL),
            **computer_routes(),
        }
        return {row: self._recording(route) if row[0] == "POST" else route for row, route in routes.items()}

    def _recording(self, route: Callable[[Asked], object]) -> Callable[[Asked], object]:
        def record(asked: Asked) -> object:
            if asked.path.startswith(_RECORDED):
                self.commands.append((asked.path, json.loads(asked.body)))
            return route(asked)

        return record

    def _changing(self, route: Callable[[Asked], object]) -> Callable[[Asked], EngineStatus]:
        """A command about sharing: those who follow the state hear of it, and the answer is the state."""

        def change(asked: Asked) -> EngineStatus:
            with self.changed:
                route(asked)
                self.changed.notify_all()
            return self.status()

        return change

    def _patch_settings(self, asked: Asked) -> SettingsOverview:
        try:
            return self.change_settings(ChangeSettings.model_validate_json(asked.body).values)
        except ValidationError as error:
            first = error.errors()[0]
            place = f"{first['loc'][0]}: " if first["loc"] else ""
            reason = first["msg"].removeprefix("Value error, ")
            raise refusal("settings-refused", f"{place}{reason}.") from error

    def _restart_soon(self, asked: Asked) -> BaseModel:
        if self.refuses_restart:
            raise refusal("failed", "Meadow failed on this computer.", 500)
        threading.Timer(_UNTIL_RESTART_S, self.restart).start()
        return Restarting()

    def _answer(self, asked: Asked) -> Stream | OtherAnswer:
        request = json.loads(asked.body)
        self.requests.append(request)
        if self.mishap == "refused":
            error = {
                "message": "No computer in the swarm holds layers 3–5 of meadow-demo",
                "type": "server_error",
                "code": "layers-missing",
                "advice": "Try again when more computers are on.",
            }
            return OtherAnswer(503, {"error": error})
        if self.mishap == "unknown-model":
            words = f"The model {request['model']!r} is not served here"
            return OtherAnswer(404, {"error": {"message": words, "code": "model_not_found"}})
        messages = request["messages"]
        if self.longest_request is not None and len(messages) > self.longest_request:
            sentence = "The conversation is longer than the 512 tokens that this model can hold"
            return OtherAnswer(400, {"error": {"message": sentence, "code": "context_length_exceeded"}})
        self.answers_begun += 1
        characters = sum(len(message["content"]) for message in messages)
        return Stream(answer(self.mishap, self.answers_begun, self.piece_s, characters), self._count_cut)

    def _count_cut(self) -> None:
        self.answers_cut += 1

    def _status_events(self) -> Iterator[str]:
        shown, shown_at = None, 0.0
        restarts = self.restarts
        while self.restarts == restarts:
            with self.changed:  # both of the same moment, or what was told last would pass for news that was told
                status, picture = self.status(), self.picture()
            if picture != shown or time.monotonic() - shown_at > KEEPALIVE_S:
                shown, shown_at = picture, time.monotonic()
                yield f"event: {STATUS_EVENT}\ndata: {status.model_dump_json()}\n\n"
            # Never held across a yield: nobody says when, or on which thread, a generator that is left goes on.
            with self.changed:
                if self.picture() == shown and self.restarts == restarts:
                    self.changed.wait(0.5)


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
