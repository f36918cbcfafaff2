"""Lets the wall clock of a test's Python processes jump, as it does for a computer that wakes up.

Python imports this at its start in every process that has this folder in PYTHONPATH. `time.time` is then ahead by the
seconds (a float of 8 bytes) in the file that MEADOW_TEST_CLOCK names; the monotonic clock stays as it is.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path

if path := os.environ.get("MEADOW_TEST_CLOCK"):
    with Path(path).open("rb") as file:
        shared = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    real_time = time.time

    def ahead() -> float:
        seconds: float = struct.unpack("d", shared[:8])[0]
        return real_time() + seconds

    vars(time)["time"] = ahead
