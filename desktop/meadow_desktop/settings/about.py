"""What "About" says: versions, licences of what is shipped, and the details that a bug report needs. No Qt.

The details hold no address, no key, no name of a person or computer, and nothing that anybody wrote.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata

from meadow_desktop.engine.link_state import Connected, LinkState, Unreachable
from meadow_desktop.language import _

SHIPPED = (
    "torch", "transformers", "accelerate", "safetensors", "bitsandbytes", "numpy", "hivemind", "cryptography",
    "msgspec", "pydantic", "fastapi", "uvicorn", "uvloop", "httpx", "rich", "tomlkit", "psutil", "nvidia-ml-py",
    "dbus-fast", "wakepy", "platformdirs", "PySide6-Essentials", "Pygments",
)  # fmt: skip
LICENCE = "Apache-2.0"
_LONGEST_LICENCE = 60
_CLASSIFIER = "License :: "


@dataclass(frozen=True)
class Component:
    """A program library that is shipped."""

    name: str
    version: str
    licence: str


def own_version() -> str:
    """Meadow's, or "" in a checkout that is not installed."""
    try:
        return metadata.version("meadow")
    except metadata.PackageNotFoundError:
        return ""


def find_components(names: Iterable[str] = SHIPPED) -> list[Component]:
    """Those of the libraries that are here, as they describe themselves. Reads many small files."""
    found = []
    for name in names:
        try:
            described = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue
        licence = _licence(
            _first(described, "License-Expression"),
            _first(described, "License"),
            described.get_all("Classifier") or [],
        )
        found.append(Component(_first(described, "Name") or name, _first(described, "Version"), licence))
    return found


def bug_details(state: LinkState, components: Sequence[Component], screen: str, qt: str) -> str:
    """The text to put into a bug report; English, as its reader may be anybody.

    Args:
        screen: size and scale, such as "1920×1080 at 200 %".
        qt: Qt's version and platform plugin.
    """
    lines = [
        f"Meadow: {own_version() or 'unknown'}",
        f"System: {platform.system()} {platform.release()} ({platform.machine()})",
        f"Python: {platform.python_version()}",
        f"Qt: {qt}",
        f"Screen: {screen}",
        *_describe_engine(state),
    ]
    lines += [f"{each.name}: {each.version}" for each in components]
    return "\n".join(lines) + "\n"


def _describe_engine(state: LinkState) -> list[str]:
    match state:
        case Connected(status):
            codes = ", ".join(reason.code for reason in status.reasons) or "none"
            return [
                f"Engine: {status.version}, {status.sharing}, up {status.uptime_s:.0f} s",
                f"Device: {status.device}",
                f"Reasons not to share: {codes}",
            ]
        case Unreachable(problem):
            return [f"Engine: not reached ({problem.code})"]
        case _:
            return ["Engine: being looked for"]


def _first(described: metadata.PackageMetadata, field: str) -> str:
    values = described.get_all(field) or [""]
    return str(values[0])


def _licence(expression: str, text: str, classifiers: Sequence[str]) -> str:
    """An SPDX expression; the older fields count where they are short enough to be a name and no whole licence."""
    names = [each.removeprefix(_CLASSIFIER) for each in classifiers if each.startswith(_CLASSIFIER)]
    named = ", ".join(name.removeprefix("OSI Approved :: ") for name in names)
    if expression:
        return expression
    if text and len(text) <= _LONGEST_LICENCE and "\n" not in text:
        return text
    return named or _("see its package")
