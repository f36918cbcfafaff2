"""Read and change `settings.toml`. What a person wrote there, comments too, is kept."""

from __future__ import annotations

from pathlib import Path

import tomlkit
from pydantic import ValidationError
from tomlkit.exceptions import TOMLKitError

from meadow_client.errors import MeadowError
from meadow_engine.api.places import write_private
from meadow_engine.api.settings import Settings


class SettingsBrokenError(MeadowError):
    code = "settings-broken"

    def __init__(self, path: Path, problems: list[str]) -> None:
        super().__init__(
            f"{path} has {len(problems)} problem(s): {'; '.join(problems)}",
            "Mend the file, or delete it for the defaults.",
        )


def read_settings(path: Path) -> Settings:
    """The settings in the file; defaults when there is none.

    Raises:
        SettingsBrokenError: the file is not TOML, or values in it are not possible; it names all of them.
    """
    try:
        values = tomlkit.parse(path.read_text(encoding="utf-8")).unwrap()
    except FileNotFoundError:
        return Settings()
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise SettingsBrokenError(path, [str(error)]) from error
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise SettingsBrokenError(path, problems) from error


def change_setting(path: Path, name: str, value: bool | int | str | list[str]) -> None:
    """Set one value in the file and leave the rest as it is.

    Raises:
        SettingsBrokenError: the file is not TOML; it stays as it is.
        OSError: it cannot be written.
    """
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        document = tomlkit.document()
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise SettingsBrokenError(path, [str(error)]) from error
    document[name] = value
    write_private(path, tomlkit.dumps(document))
