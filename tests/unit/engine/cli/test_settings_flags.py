"""Every setting is a flag of `meadow --no-gui`."""

from __future__ import annotations

from pathlib import Path

import pytest

from meadow_engine.api.settings import Settings, flag_of
from meadow_engine.api.settings_overview import Kind, SettingDescription, describe_settings
from meadow_engine.cli import app
from meadow_engine.cli import main as main_module
from meadow_engine.cli.main import build_parser, main
from meadow_engine.cli.settings_flags import flags_of
from meadow_engine.kept_settings import KeptSettings

Captured = pytest.CaptureFixture[str]
DESCRIBED = [pytest.param(setting, id=setting.name) for setting in describe_settings()]
NEEDS = {"cool_again_c": ["--too-hot-c", "90"], "too_hot_c": ["--cool-again-c", "30"]}


def settings_of(*typed: str) -> Settings:
    flags = flags_of(build_parser().parse_args(["--no-gui", *typed]))
    return KeptSettings(Path("/nowhere/settings.toml"), flags).settings


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main_module, "set_up_logging", lambda **_: None)


def test_without_flags_nothing_was_said() -> None:
    assert flags_of(build_parser().parse_args(["--no-gui"])) == {}


@pytest.mark.parametrize("setting", DESCRIBED)
def test_every_setting_can_be_typed(setting: SettingDescription) -> None:
    values: dict[Kind, tuple[list[str], object]] = {
        "switch": ([], True),
        "choice": (setting.choices[-1:], setting.choices[-1:]),
        "whole-number": (["45"], 45),
        "number": (["1.5"], 1.5) if setting.name == "upload_mbit" else (["0.5"], 0.5),
        "fraction": (["0.5"], 0.5),
        "text": (["0:4"], "0:4"),
        "list": (["mon"], ["mon"]),
    }
    typed, value = values[setting.kind]
    found = getattr(settings_of(flag_of(setting.name), *typed, *NEEDS.get(setting.name, [])), setting.name)
    assert ([found] if setting.kind == "choice" else found) == value


def test_a_switch_can_be_typed_off() -> None:
    assert flags_of(build_parser().parse_args(["--no-share", "--keep-awake"])) == {"share": False, "keep_awake": True}


def test_a_lists_flag_may_be_repeated_and_an_empty_one_empties_it() -> None:
    assert settings_of("--programs", "chess", "--programs", "film").programs == ["chess", "film"]
    assert flags_of(build_parser().parse_args(["--programs", ""])) == {"programs": []}


@pytest.mark.parametrize(
    "typed", [["serve", "demo", "--layers", "0:4", "--listen", "a"], ["gateway", "demo", "--port", "7"], ["status"]]
)
def test_options_of_other_commands_are_no_settings(typed: list[str]) -> None:
    assert flags_of(build_parser().parse_args(typed)) == {}


def test_flags_that_cannot_be_meant_are_wrong_usage_before_anything_starts(tmp_path: Path, capsys: Captured) -> None:
    assert main(["--no-gui", "--base-dir", str(tmp_path), "--idle-s", "soon", "--port", "70000"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "--idle-s: has to be a whole number" in shown.err
    assert "--port: has to be at most 65535" in shown.err


def test_flags_without_no_gui_are_wrong_usage(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(app, "call", lambda *_: pytest.fail("the desktop was started"))
    assert main(["--idle-s", "60"]) == 2
    assert "settings.toml" in capsys.readouterr().err


def test_the_help_gives_words_and_limits(capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "--idle-s N Time without key, click or movement" in shown
    assert "1 to 86400 seconds." in shown
    assert "1 to 100 %." in shown
