"""Downloads as a fake engine has them: a step further each time somebody looks, and pauses in between."""

from __future__ import annotations

import threading

from meadow_desktop.fakes_of_engine.asked import Asked, Routes, refusal
from meadow_desktop.fakes_of_engine.first_start import fake_size
from meadow_engine.api.downloads import Download, DownloadSize, FetchModel

_STEP_BYTES = 200_000_000


class FakeDownloads:
    """What was asked for; every look brings those that run a step further. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Download] = {}

    def routes(self) -> Routes:
        """Who answers what."""
        changes: Routes = {("POST", f"/api/downloads{path}"): self._change for path in ("", "/pause", "/resume")}
        return {
            ("GET", "/api/downloads"): lambda asked: self.list(),
            ("GET", "/api/downloads/size"): _size,
            ("POST", "/api/downloads/remove"): self._remove,
            **changes,
        }

    def list(self) -> list[Download]:
        """As `GET /api/downloads` has them."""
        with self._lock:
            self._known = {model: _step(download) for model, download in self._known.items()}
            return [*self._known.values()]

    def _change(self, asked: Asked) -> Download:
        return self.obey(asked.path, FetchModel.model_validate_json(asked.body))

    def _remove(self, asked: Asked) -> object:
        with self._lock:
            self._known.pop(FetchModel.model_validate_json(asked.body).model, None)
        return self.list()

    def obey(self, path: str, command: FetchModel) -> Download:
        """As `POST /api/downloads`, and `pause` and `resume` below it."""
        total = fake_size(command.model).total_bytes
        with self._lock:
            known = self._known.get(command.model) or Download(
                model=command.model, state="downloading", done_bytes=0, total_bytes=total
            )
            state = "paused" if path.endswith("/pause") else "downloading"
            self._known[command.model] = known = known.model_copy(update={"state": state})
            return known


def _size(asked: Asked) -> DownloadSize:
    model = asked.query.get("model", "")
    if "/" not in model:
        raise refusal("model-unusable", f"There is no model “{model}”.")
    return fake_size(model)


def _step(download: Download) -> Download:
    if download.state != "downloading":
        return download
    done = min(download.total_bytes, download.done_bytes + _STEP_BYTES)
    state = "done" if done == download.total_bytes else "downloading"
    return download.model_copy(update={"done_bytes": done, "state": state})
