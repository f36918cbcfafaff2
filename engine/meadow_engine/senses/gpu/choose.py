"""Which provider tells about the graphics cards of this computer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from meadow_engine.policy.facts import GpuFacts
from meadow_engine.senses.gpu.amd import AmdSense
from meadow_engine.senses.gpu.apple import AppleGpuSense
from meadow_engine.senses.gpu.cards import find_cards
from meadow_engine.senses.gpu.nvidia import NvidiaSense
from meadow_engine.senses.sense import Sense


def choose_gpu_sense(
    is_computing: Callable[[], bool], *, sys_root: Path = Path("/sys"), platform: str = sys.platform
) -> Sense[tuple[GpuFacts, ...]]:
    """The provider for the cards that can be lent.

    NVIDIA's also where nothing else is found: under WSL2 and Windows only its library knows, and a driver may be
    installed later. An AMD processor's own graphics beside an NVIDIA card are not looked at: they draw the desktop.
    """
    if platform == "darwin":
        return AppleGpuSense(is_computing)
    if find_cards(sys_root, "amdgpu") and not find_cards(sys_root, "nvidia"):
        return AmdSense(is_computing, sys_root=sys_root)
    return NvidiaSense(is_computing, sys_root=sys_root)
