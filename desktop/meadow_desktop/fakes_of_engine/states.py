"""Names of what the engine can pretend; what they mean is in `fake_engine.py`. Imports nothing that takes time."""

from __future__ import annotations

from typing import get_args

from meadow_desktop.fakes_of_engine.answers import MISHAPS
from meadow_engine.api.status import SharingState

SHARING_STATES: tuple[SharingState, ...] = get_args(SharingState)
STATES = (*SHARING_STATES, *MISHAPS)
