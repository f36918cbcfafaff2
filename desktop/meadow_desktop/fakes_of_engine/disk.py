"""What lies on the disk of a fake engine, and whether it starts at login.

Nothing is written anywhere. Threads: none of its own; each answer is made from values that are replaced as a whole.
"""

from __future__ import annotations

import time

from meadow_desktop.fakes_of_engine.asked import Routes, refusal
from meadow_engine.api.autostart import AutostartStatus, SetAutostart
from meadow_engine.api.places import Places
from meadow_engine.api.storage import DeleteModel, StorageOverview, StoredModel

_DAY_S = 86400.0
_GB = 10**9


class FakeDisk:
    """Three models, one of them in use, on a disk of 500 GB; and an entry that starts Meadow at login."""

    def __init__(self, places: Places, model: str) -> None:
        self._folder = str(places.cache / "hub")
        self.autostart = AutostartStatus(is_on=False, is_possible=True, description="an entry starts the app")
        self.models = [
            _stored("Qwen/Qwen3-8B", 16.4, days=2),
            _stored("mistralai/Mistral-Small-3.2-24B-Instruct-2506", 11.8, days=40),
            _stored(model, 0.3, days=0, is_in_use=True),
        ]

    def routes(self) -> Routes:
        """Who answers what."""
        return {
            ("GET", "/api/storage"): lambda asked: self.storage(),
            ("POST", "/api/storage/delete"): lambda asked: self.delete(
                DeleteModel.model_validate_json(asked.body).model
            ),
            ("GET", "/api/autostart"): lambda asked: self.autostart,
            ("POST", "/api/autostart"): lambda asked: self.set_autostart(
                SetAutostart.model_validate_json(asked.body).enabled
            ),
        }

    def storage(self) -> StorageOverview:
        """What lies there."""
        used = sum(model.bytes for model in self.models)
        return StorageOverview(
            folder=self._folder, bytes=used, free_bytes=500 * _GB - used, limit_bytes=0, models=self.models
        )

    def delete(self, model: str) -> StorageOverview:
        """Take a model away.

        Raises:
            FakeRefusalError: it is not there, or in use.
        """
        found = next((each for each in self.models if each.id == model), None)
        if found is None:
            raise refusal("model-not-stored", f"{model} is not on this disk.")
        if found.is_in_use:
            raise refusal("model-in-use", f"{model} is in use.")
        self.models = [each for each in self.models if each is not found]
        return self.storage()

    def set_autostart(self, enabled: bool) -> AutostartStatus:
        """Switch it."""
        self.autostart = self.autostart.model_copy(update={"is_on": enabled})
        return self.autostart


def _stored(model: str, size_gb: float, *, days: float, is_in_use: bool = False) -> StoredModel:
    return StoredModel(id=model, bytes=int(size_gb * _GB), last_used_s=time.time() - days * _DAY_S, is_in_use=is_in_use)
