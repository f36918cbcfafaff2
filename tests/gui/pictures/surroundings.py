"""What programs find around them when they start: variables, and the desktop's own choices."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from meadow_desktop.settings.appearance import Appearance, appearance_file, keep_appearance
from meadow_engine.api.places import find_places


@contextmanager
def changed_environment(names: Mapping[str, str]) -> Iterator[None]:
    """For programs that are started within the block."""
    before = dict(os.environ)
    os.environ.update(names)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def chosen_appearance(base: Path, **choices: Any) -> Iterator[None]:
    """For desktops that are started within the block; afterwards all is as the system has it."""
    file = appearance_file(find_places(base))
    keep_appearance(file, Appearance(is_welcomed=True, **choices))
    try:
        yield
    finally:
        keep_appearance(file, Appearance(is_welcomed=True))
