"""Settings are what the person wrote; what cannot be meant is said, all of it at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from meadow_engine.api.settings import Settings
from meadow_engine.settings_file import SettingsBrokenError, change_setting, read_settings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config" / "settings.toml"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_everything_is_as_usual(path: Path) -> None:
    assert read_settings(path) == Settings()
    assert not path.parent.exists()


def test_an_empty_file_is_a_correct_one(path: Path) -> None:
    assert read_settings(write(path, "")) == Settings()


def test_nothing_is_shared_before_the_person_agreed() -> None:
    assert Settings().share is False


def test_what_is_written_counts(path: Path) -> None:
    settings = read_settings(write(path, 'share = true\nlayers = "2:5"\nport = 4711\ninitial_peers = ["a"]\n'))
    assert (settings.share, settings.layers, settings.port, settings.initial_peers) == (True, "2:5", 4711, ["a"])


@pytest.mark.parametrize("text", ["share = ", "share == true", "[", "share = true\nshare = true", "\u0000"])
def test_a_file_that_is_not_toml_is_named(path: Path, text: str) -> None:
    with pytest.raises(SettingsBrokenError) as caught:
        read_settings(write(path, text))
    assert str(path) in str(caught.value)
    assert "delete it" in caught.value.advice


def test_a_file_that_is_no_text_is_named(path: Path) -> None:
    write(path, "").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsBrokenError):
        read_settings(path)


def test_all_problems_are_listed_at_once(path: Path) -> None:
    text = 'share = "maybe"\nport = 70000\nlayers = "all"\ndtype = "float8"\ncolour = "green"\n'
    with pytest.raises(SettingsBrokenError) as caught:
        read_settings(write(path, text))
    assert "5 problem(s)" in str(caught.value)
    for name in ("share", "port", "layers", "dtype", "colour"):
        assert f"{name}: " in str(caught.value)


@pytest.mark.parametrize("layers", ["0:4", "12:40", ""])
def test_layers_are_a_range_or_left_to_meadow(path: Path, layers: str) -> None:
    assert read_settings(write(path, f'layers = "{layers}"')).layers == layers


@pytest.mark.parametrize("layers", ["0-4", "4", ":4", "0:", "0:4:8", " 0:4", "0:4\\n", "a:b", "-1:4"])
def test_layers_in_another_form_are_a_problem(path: Path, layers: str) -> None:
    with pytest.raises(SettingsBrokenError, match="layers"):
        read_settings(write(path, f'layers = "{layers}"'))


def test_a_change_leaves_the_rest_as_the_person_wrote_it(path: Path) -> None:
    write(path, "# My own settings.\nshare = true   # at night only\nport = 4711\n")
    change_setting(path, "share", False)
    assert path.read_text() == "# My own settings.\nshare = false   # at night only\nport = 4711\n"


def test_a_change_makes_the_file_where_there_was_none(path: Path) -> None:
    change_setting(path, "share", True)
    assert read_settings(path).share is True


def test_every_kind_of_value_can_be_changed(path: Path) -> None:
    for name, value in (("port", 4711), ("public_name", 'Grün "3"'), ("initial_peers", ["a", "b"]), ("share", True)):
        change_setting(path, name, value)
        assert getattr(read_settings(path), name) == value


def test_a_file_that_is_not_toml_is_named_when_it_is_changed_and_left_as_it_is(path: Path) -> None:
    write(path, "share = ")
    with pytest.raises(SettingsBrokenError):
        change_setting(path, "share", True)
    assert path.read_text() == "share = "


def test_a_change_behind_a_table_is_still_a_setting(path: Path) -> None:
    write(path, "port = 4711\n\n[notes]\ntext = 'mine'\n")
    change_setting(path, "share", True)
    assert "share = true" in path.read_text().split("[notes]")[0]
