"""Where Meadow keeps files on this computer; the desktop and the engine agree on these places.

configuration   settings.toml, api-key
data            conversations/, downloads.json, identity, host-identity, ledger.sqlite, swarms.json, swarms/
cache           downloaded model files
logs            engine.log, desktop.log
runtime         engine.json (how to reach the running engine; mode 0600), locks
"""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from pydantic import BaseModel, ValidationError


@dataclass(frozen=True)
class Places:
    """Folders, one for each kind of file. Nothing is created before it is needed."""

    configuration: Path
    data: Path
    cache: Path
    logs: Path
    runtime: Path

    @property
    def settings_file(self) -> Path:
        return self.configuration / "settings.toml"

    @property
    def api_key_file(self) -> Path:
        return self.configuration / "api-key"

    @property
    def identity_file(self) -> Path:
        return self.data / "identity"

    @property
    def host_identity_file(self) -> Path:
        """Of the process that hosts layers: a peer of its own."""
        return self.data / "host-identity"

    @property
    def wishes_file(self) -> Path:
        """A pause that has to outlive the engine."""
        return self.data / "sharing.json"

    @property
    def volume_file(self) -> Path:
        """What was sent and received for others this month."""
        return self.data / "volume.json"

    @property
    def ledger_file(self) -> Path:
        """What was computed for others, and by others."""
        return self.data / "ledger.sqlite"

    @property
    def downloads_file(self) -> Path:
        """Models that were being fetched, or paused, when the engine ended."""
        return self.data / "downloads.json"

    @property
    def swarms_file(self) -> Path:
        """The swarms that are kept, and which one is in use."""
        return self.data / "swarms.json"

    def swarm_folder(self, key: str) -> Path:
        """This computer's identities in a swarm other than the default one."""
        return self.data / "swarms" / key

    @property
    def conversations(self) -> Path:
        return self.data / "conversations"

    @property
    def engine_file(self) -> Path:
        return self.runtime / "engine.json"

    @property
    def engine_lock(self) -> Path:
        return self.runtime / "engine.lock"


def find_places(base_dir: Path | None = None) -> Places:
    """Places under `base_dir`, or the operating system's own places for this user when it is None."""
    if base_dir is not None:
        base = base_dir.expanduser().absolute()
        return Places(base / "config", base / "data", base / "cache", base / "logs", base / "run")
    directories = platformdirs.PlatformDirs("meadow", appauthor=False)
    return Places(
        directories.user_config_path,
        directories.user_data_path,
        directories.user_cache_path,
        directories.user_log_path,
        _runtime_folder(directories),
    )


def _runtime_folder(directories: platformdirs.PlatformDirsABC) -> Path:
    """The login session's own folder; beside the data where there is none, never in a folder open to others."""
    if sys.platform == "linux" and not os.environ.get("XDG_RUNTIME_DIR"):
        return directories.user_data_path / "run"
    return directories.user_runtime_path


class RunningEngine(BaseModel):
    """How to reach the engine that runs now: the content of `engine.json`."""

    pid: int
    url: str
    token: str
    version: str


def read_running_engine(places: Places) -> RunningEngine | None:
    """The engine that says it runs, or None when no file is there or it cannot be read as one."""
    try:
        return RunningEngine.model_validate_json(places.engine_file.read_bytes())
    except (OSError, ValidationError):
        return None


def write_private(path: Path, text: str) -> None:
    """Replace a file at once with `text`, readable by this user only (mode 0600)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)  # left behind by a crash, it would keep its own mode
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
