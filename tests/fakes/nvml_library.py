"""Graphics cards that do not exist, told about by a real shared library: `fake_nvml.c`, built with gcc.

Any program started with `FakeNvml.environment()` sees them through the real binding, and sees every change at once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NAME = "FAKE GPU"
GIB = 1 << 30


def missing_compiler() -> str | None:
    """Why the library cannot be built here; None where it can."""
    return None if shutil.which("gcc") else "gcc is not installed"


@dataclass(frozen=True)
class FakeGpu:
    """One card; `tells_work` is whether the driver knows how busy each process keeps it."""

    address: str = "0000:01:00.0"
    total_bytes: int = 8 * GIB
    free_bytes: int = 8 * GIB
    busy_percent: int = 0
    temperature_c: int = 40
    is_there: bool = True
    tells_work: bool = True


@dataclass(frozen=True)
class FakeGpuProcess:
    """One program on a card; `kind` is c for computing and g for drawing."""

    pid: int
    used_bytes: int | None = GIB
    gpu: int = 0
    kind: str = "c"
    busy_percent: int = 0


class FakeNvml:
    """The library and the file that it answers from."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._library = folder / "libnvidia-ml.so.1"
        self._state = folder / "state.txt"
        self._log = folder / "log.txt"
        source = Path(__file__).with_name("fake_nvml.c")
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", str(self._library), str(source)],
            check=True,
            timeout=60,
        )
        self.set()

    def environment(self) -> dict[str, str]:
        """For programs that shall see these cards."""
        paths = [str(self._library.parent), os.environ.get("LD_LIBRARY_PATH", "")]
        return {
            **os.environ,
            "LD_LIBRARY_PATH": os.pathsep.join(filter(None, paths)),
            "FAKE_NVML_STATE": str(self._state),
            "FAKE_NVML_LOG": str(self._log),
        }

    def set(
        self,
        gpus: Sequence[FakeGpu] = (FakeGpu(),),
        processes: Sequence[FakeGpuProcess] = (),
        *,
        has_driver: bool = True,
        hang_ms: int = 0,
    ) -> None:
        """What the next question is answered with."""
        lines = [f"driver {int(has_driver)}", f"hang_ms {hang_ms}"]
        lines += [
            f"gpu {each.address} {each.total_bytes} {each.free_bytes} {each.busy_percent} {each.temperature_c}"
            f" {int(each.is_there)} {int(each.tells_work)}"
            for each in gpus
        ]
        lines += [
            f"process {each.gpu} {each.pid} {-1 if each.used_bytes is None else each.used_bytes}"
            f" {each.kind} {each.busy_percent}"
            for each in processes
        ]
        fresh = self._state.with_suffix(".new")
        fresh.write_text("\n".join(lines) + "\n")
        fresh.replace(self._state)

    def asked(self) -> list[str]:
        """What programs have done with the library so far: `open`, `card ADDRESS`, `close`."""
        return self._log.read_text().splitlines() if self._log.exists() else []
