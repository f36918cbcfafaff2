"""Files that come with Meadow: the bundled demo model, and the icons.

This is a package of data. It imports nothing but the standard library, so that every part may use it.
"""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).resolve().parent


def demo_model_path() -> Path:
    """The folder of the bundled demo model, in the layout `from_pretrained` reads."""
    return _FOLDER / "models" / "meadow-demo"
