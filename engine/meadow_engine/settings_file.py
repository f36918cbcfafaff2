"""Read and change `settings.toml`. What a person wrote there, comments too, is kept.

A file that is no TOML is never overwritten: nobody could tell what of it the person wants to keep.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array

from meadow_client.errors import MeadowError, UsageError
from meadow_engine.api.places import write_private
from meadow_engine.api.settings import Settings
from meadow_engine.api.settings_overview import Value
from meadow_engine.settings_layers import Layer, LayeredSettings, SettingsProblem, stack

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS)


class SettingsBrokenError(MeadowError):
    code = "settings-broken"

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        super().__init__(
            f"{path} has {len(problems)} problem(s): {'; '.join(problems)}",
            "Mend the file, or delete it for the defaults.",
        )


class SettingsRefusedError(UsageError):
    """Somebody asked for values that a setting cannot have; nothing was changed."""

    code = "settings-refused"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems), "Nothing was changed. docs/settings.md says what every setting may be.")


class SettingsUnwritableError(MeadowError):
    """The system does not let us write; the file is as it was."""

    code = "settings-unwritable"

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"{path} cannot be written ({error.strerror or error}); the settings are as before")
        if error.errno in _NO_SPACE:
            self.advice = "Free some space on this disk and try again."
        elif error.errno in _NO_RIGHT:
            self.advice = f"Let your user write in {path.parent}, or use --base-dir."
        else:
            self.advice = "Check the disk and its permissions."


def read_file(path: Path) -> Layer:
    """What the file says, not yet checked; nothing when there is no file.

    Raises:
        SettingsBrokenError: it cannot be read, or is no TOML.
    """
    document = _parse(path)
    return Layer("file", {} if document is None else document.unwrap())


def read_leniently(path: Path, above: Sequence[Layer] = ()) -> LayeredSettings:
    """The settings in the file with `above` over them, as far as they can be meant; the rest is in `problems`."""
    try:
        return stack([read_file(path), *above])
    except SettingsBrokenError as error:
        problem = SettingsProblem(f"{error}. {error.advice}".removesuffix("."), "file", holds_sharing=True)
        return replace(stack(above, [problem]), can_change=False)


def read_settings(path: Path) -> Settings:
    """The settings in the file; defaults when there is none.

    Raises:
        SettingsBrokenError: the file is not TOML, or values in it are not possible; it names all of them.
    """
    read = stack([read_file(path)])
    if read.problems:
        raise SettingsBrokenError(path, [problem.text for problem in read.problems])
    return read.settings


def change_setting(path: Path, name: str, value: Value) -> None:
    """Set one value in the file; see `change_settings`."""
    change_settings(path, {name: value})


def change_settings(path: Path, changes: Mapping[str, object], above: Sequence[Layer] = ()) -> None:
    """Set values in the file, all or none, and leave the rest as it is. None takes a value out: its default counts.

    Args:
        above: layers that lie over the file; new values must agree with theirs.

    Raises:
        SettingsBrokenError: the file is not TOML; it stays as it is and has to be mended first.
        SettingsRefusedError: the values are not possible.
        SettingsUnwritableError: the system refused; the file is as it was.
    """
    document = _parse(path)
    if document is None:
        document = tomlkit.document()
    kept = {name: value for name, value in document.unwrap().items() if name not in changes}
    wanted = {name: value for name, value in changes.items() if value is not None}
    file = Layer("file", kept | wanted)
    refused = [problem.text for problem in stack([file, *above]).problems if not problem.names.isdisjoint(changes)]
    known = Settings.model_fields.keys() | document.keys() | wanted.keys()
    refused += [f"{name}: there is no such setting" for name in changes if name not in known]
    if refused:
        raise SettingsRefusedError(refused)
    written = stack([file]).as_written
    for name in changes:
        if name in wanted:
            _put(document, name, getattr(written, name))
        else:
            document.pop(name, None)
    try:
        write_private(path.resolve(), tomlkit.dumps(document))
    except OSError as error:
        raise SettingsUnwritableError(path, error) from error


def _parse(path: Path) -> tomlkit.TOMLDocument | None:
    """The file with all its comments; None when there is none.

    Raises:
        SettingsBrokenError: it cannot be read, or is no TOML.
    """
    try:
        return tomlkit.parse(path.read_text(encoding="utf-8-sig"))  # editors on Windows put a mark at the beginning
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsBrokenError(path, [f"it cannot be read ({error.strerror or error})"]) from error
    except (TOMLKitError, ValueError, RecursionError) as error:
        raise SettingsBrokenError(path, [str(error)]) from error


def _put(document: tomlkit.TOMLDocument, name: str, value: Value) -> None:
    """Set a value. A list is changed entry by entry, which keeps the comments beside those that stay."""
    item = document.get(name)
    if not isinstance(item, Array) or not isinstance(value, list):
        document[name] = value
        return
    for entry in [entry for entry in item if entry not in value]:
        item.remove(entry)
    for entry in value:
        if entry not in item:
            item.append(entry)
    if list(item) != value:  # in another order, or with an entry twice
        document[name] = value
