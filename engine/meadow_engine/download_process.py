"""Fetch a model's files in a process of their own: huggingface_hub cannot be told to stop, but a process can be ended.

    python -m meadow_engine.download_process    one order on stdin; one report on stdout, when all is over

A file grows under a name of ours, piece by piece, and is asked for from where it ends (`Range`), so a process that is
ended at any moment costs no more than the piece that was under way. The whole file becomes a blob of huggingface_hub's
cache, to which that package then makes its own links. huggingface_hub 2.4 would begin every file anew.

The end of stdin means that the engine is gone, or wants us gone: there is nothing to tidy up.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from pathlib import Path

import msgspec
from huggingface_hub import constants, get_token, hf_hub_download, hf_hub_url
from huggingface_hub.file_download import http_get

from meadow_client.models.file_ends import is_network_failure
from meadow_engine.download_plan import PlannedFile, explain, incomplete_path

# So much is lost at most when this process is ended.
_PIECE_BYTES = 1024 * 1024
_SHA256_DIGITS = 64


class FetchOrder(msgspec.Struct, frozen=True):
    """Files as (name, size in bytes, blob); None for `endpoint` and `cache` are huggingface_hub's own."""

    model: str
    commit: str
    folder: str
    files: list[tuple[str, int, str]]
    endpoint: str | None = None
    cache: str | None = None


class Fetched(msgspec.Struct, frozen=True, tag="fetched"):
    """Everything lies here."""


class FetchFailed(msgspec.Struct, frozen=True, tag="failed"):
    """An expected error, after which the process ends."""

    code: str
    message: str
    advice: str


FetchReport = Fetched | FetchFailed

order_decoder: msgspec.json.Decoder[FetchOrder] = msgspec.json.Decoder(FetchOrder)
report_decoder: msgspec.json.Decoder[FetchReport] = msgspec.json.Decoder(FetchReport)


def main() -> None:
    order = order_decoder.decode(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_stdin, name="meadow-tether", daemon=True).start()
    constants.DOWNLOAD_CHUNK_SIZE = _PIECE_BYTES
    report = fetch_all(order)
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    sys.stdout.buffer.flush()


def fetch_all(order: FetchOrder) -> FetchReport:
    """Fetch what is missing, file after file. What fails is reported; defects of ours are raised."""
    try:
        for name, size_bytes, blob in order.files:
            _fetch(order, PlannedFile(name, size_bytes, blob))
        _put_in_use(order)
    except Exception as error:
        if not isinstance(error, (OSError, ValueError)) and not is_network_failure(error):
            raise
        expected = explain(error, order.model, Path(order.folder))
        return FetchFailed(expected.code, str(expected), expected.advice)
    return Fetched()


def _fetch(order: FetchOrder, file: PlannedFile) -> None:
    growing, blob = incomplete_path(Path(order.folder), file), Path(order.folder) / "blobs" / file.blob
    linked = Path(order.folder) / "snapshots" / order.commit / file.name
    if not blob.exists() and not linked.exists():
        growing.parent.mkdir(parents=True, exist_ok=True)
        with growing.open("ab", buffering=0) as content:
            if content.tell() > file.size_bytes:
                content.truncate(0)
            token = get_token()
            url = hf_hub_url(order.model, file.name, revision=order.commit, endpoint=order.endpoint)
            http_get(
                url,
                content,
                resume_size=content.seek(0, os.SEEK_END),
                headers={"authorization": f"Bearer {token}"} if token else {},
                expected_size=file.size_bytes,
            )
        _check(growing, file)
        growing.replace(blob)
    # What makes the link, without fetching, because the blob is there.
    hf_hub_download(order.model, file.name, revision=order.commit, cache_dir=order.cache, endpoint=order.endpoint)


def _put_in_use(order: FetchOrder) -> None:
    """Make this commit the one that is found by the model's name alone, also without a network."""
    newest = Path(order.folder) / "refs" / "main"
    newest.parent.mkdir(parents=True, exist_ok=True)
    newest.write_text(order.commit, encoding="utf-8")


def _check(growing: Path, file: PlannedFile) -> None:
    """Compare a large file, which may have grown over days and crashes, with the hash that the Hub told.

    Raises:
        ValueError: it is another content; it was removed.
    """
    if len(file.blob) != _SHA256_DIGITS:
        return
    with growing.open("rb") as whole:
        if hashlib.file_digest(whole, "sha256").hexdigest() == file.blob:
            return
    growing.unlink()
    raise ValueError(f"{file.name} has another content")


def _end_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
