"""A small huggingface.co on loopback: what the huggingface_hub package asks of the real one, for tests.

    GET  /api/models/ID[/revision/REV]   what the model consists of, with sizes and hashes
    GET  /api/models/ID/tree/REV         its files as a list
    HEAD, GET /ID/resolve/REV/FILE       a file; a large one is a redirection to /blobs/SHA256, as the Hub has it
    HEAD, GET /blobs/SHA256              the bytes, or those from `Range: bytes=N-` on

Point huggingface_hub at it with HF_ENDPOINT or `endpoint=`. It notes every request with the bytes that it sent, stops
in the middle of a file where a test says so, and can be run by hand:

    python tests/fakes/hub_server.py people/model=FOLDER
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "c" * 40
LARGE_BYTES = 16 * 1024  # from here on a file is kept apart, as the Hub does with LFS files
_PIECE_BYTES = 64 * 1024
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(frozen=True)
class Asked:
    """One request, with the first byte that was sent, and how many."""

    method: str
    path: str
    first_byte: int = 0
    sent_bytes: int = 0


@dataclass
class HubModel:
    """A repository: files by name. A gated one is refused to everybody."""

    files: Mapping[str, bytes]
    is_gated: bool = False


@dataclass
class FakeHub:
    """What the server holds and what was asked of it."""

    models: dict[str, HubModel] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    stops_at: dict[str, int] = field(default_factory=dict)
    """By file name: the place in the file at which nothing more is sent until `go_on`."""
    is_down: bool = False
    """Whether every request is answered with 503."""

    def __post_init__(self) -> None:
        self._going = threading.Event()
        self._stopped = threading.Event()

    def go_on(self) -> None:
        """Let everything through, now and later."""
        self.stops_at.clear()
        self._going.set()

    def wait_until_stopped(self, timeout_s: float = 30.0) -> None:
        """Return when a file has been sent up to where it stops."""
        assert self._stopped.wait(timeout_s), "nobody fetched the file up to its stop"

    def sent_of(self, name: str) -> list[tuple[int, int]]:
        """The pieces of a file that were sent: first byte and how many, in their order."""
        return [
            (asked.first_byte, asked.sent_bytes)
            for asked in self.asked
            if asked.method == "GET" and asked.path == name and asked.sent_bytes
        ]

    def stop_here(self, name: str, place: int) -> bool:
        """Wait where `name` stops; False when the request has to end there."""
        if self.stops_at.get(name) != place:
            return True
        self._stopped.set()
        self._going.wait(60)
        return False


@contextmanager
def running_hub(models: Mapping[str, HubModel]) -> Iterator[FakeHub]:
    """A hub that answers at `url` within the block."""
    hub = FakeHub(dict(models))

    class Handler(_Handler):
        held = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield hub
    finally:
        hub.go_on()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    held: FakeHub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *_: Any) -> None:
        """Nothing on stderr."""

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if self.held.is_down:
            self._refuse(503, "ServiceUnavailable", path)
        elif path.startswith("/blobs/"):
            self._send_blob(path.removeprefix("/blobs/"))
        elif path.startswith("/api/models/"):
            self._describe(path.removeprefix("/api/models/"))
        else:
            self._resolve(path.removeprefix("/"))

    def _model(self, identifier: str, path: str) -> HubModel | None:
        model = self.held.models.get(identifier)
        if model is None:
            self._refuse(401, "RepoNotFound", path)
        return model

    def _describe(self, path: str) -> None:
        identifier, _, rest = path.partition("/revision/")
        identifier, _, tree = identifier.partition("/tree/")
        model = self._model(identifier, path)
        if model is None:
            return
        files = [_facts(name, content) for name, content in sorted(model.files.items())]
        if tree:
            folder = tree.partition("/")[2]
            found = [{"type": "file", "path": fact["rfilename"], "oid": fact["blobId"], **fact} for fact in files]
            if folder:
                self._refuse(404, "EntryNotFound", path)
            else:
                self._send_json(path, found)
            return
        self._send_json(path, {"id": identifier, "sha": rest if rest == COMMIT else COMMIT, "siblings": files})

    def _resolve(self, path: str) -> None:
        identifier, _, rest = path.partition("/resolve/")
        model = self._model(identifier, path)
        if model is None:
            return
        name = rest.partition("/")[2]
        content = model.files.get(name)
        if model.is_gated:
            self._refuse(403, "GatedRepo", path)
        elif content is None:
            self._refuse(404, "EntryNotFound", path)
        elif _is_large(content):
            sha256 = hashlib.sha256(content).hexdigest()
            self.held.asked.append(Asked(self.command, path))
            self.send_response(302)
            self.send_header("Location", f"{self.held.url}/blobs/{sha256}")
            self.send_header("X-Linked-Etag", f'"{sha256}"')
            self.send_header("X-Linked-Size", str(len(content)))
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._send_bytes(name, content, _git_hash(content))

    def _send_blob(self, sha256: str) -> None:
        for model in self.held.models.values():
            for name, content in model.files.items():
                if hashlib.sha256(content).hexdigest() == sha256:
                    self._send_bytes(name, content, sha256)
                    return
        self._refuse(404, "EntryNotFound", f"/blobs/{sha256}")

    def _send_bytes(self, name: str, content: bytes, etag: str) -> None:
        first, last = 0, len(content)
        wanted = _RANGE.fullmatch(self.headers.get("Range", ""))
        if wanted is not None:
            first = int(wanted[1])
            last = int(wanted[2]) + 1 if wanted[2] else len(content)
        self.send_response(200 if wanted is None else 206)
        if wanted is not None:
            self.send_header("Content-Range", f"bytes {first}-{last - 1}/{len(content)}")
        self.send_header("Content-Length", str(last - first))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        sent = 0 if self.command == "HEAD" else self._pour(name, content, first, last)
        self.held.asked.append(Asked(self.command, name, first, sent))

    def _pour(self, name: str, content: bytes, first: int, last: int) -> int:
        place = first
        with suppress(OSError):  # the other end has gone, which is what a pause looks like from here
            while place < last:
                stop = self.held.stops_at.get(name, last)
                until = min(last, place + _PIECE_BYTES, stop if stop > place else last)
                self.wfile.write(content[place:until])
                place = until
                if not self.held.stop_here(name, place):
                    self.close_connection = True
                    break
        return place - first

    def _send_json(self, path: str, value: object) -> None:
        body = json.dumps(value).encode()
        self.held.asked.append(Asked(self.command, path, 0, len(body)))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _refuse(self, status: int, code: str, path: str) -> None:
        self.held.asked.append(Asked(self.command, path))
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _facts(name: str, content: bytes) -> dict[str, Any]:
    facts: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": _git_hash(content)}
    if _is_large(content):
        facts["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return facts


def _is_large(content: bytes) -> bool:
    return len(content) >= LARGE_BYTES


def _git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def main(arguments: list[str]) -> None:
    models = {}
    for argument in arguments:
        identifier, _, folder = argument.partition("=")
        models[identifier] = HubModel({path.name: path.read_bytes() for path in Path(folder).iterdir()})
    with running_hub(models) as hub:
        print(f"HF_ENDPOINT={hub.url}", flush=True)  # noqa: T201
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1:])
