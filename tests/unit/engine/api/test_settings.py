"""One definition says everything about a setting: words, unit, limits, default."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from meadow_engine.api.settings import GROUPS, SHARING_NAMES, Settings, flag_of, unit_of, variable_of
from meadow_engine.api.settings_overview import (
    SettingDescription,
    describe_limits,
    describe_settings,
    state_of_settings,
)
from meadow_engine.api.settings_page import settings_page

DOCUMENT = Path(__file__).parents[4] / "docs" / "settings.md"
DESCRIBED = {setting.name: setting for setting in describe_settings()}
ALL = [pytest.param(setting, id=name) for name, setting in DESCRIBED.items()]
NUMBERS = [p for p in ALL if DESCRIBED[str(p.id)].kind in ("number", "whole-number", "fraction")]


def test_the_document_says_what_the_definition_says() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == settings_page(), (
        "out of date: run `python -m meadow_engine.api.settings_page docs/settings.md`"
    )


def test_every_setting_is_described_once_in_a_group() -> None:
    assert list(DESCRIBED) == [name for group in GROUPS for name in group.model_fields]
    assert DESCRIBED.keys() == Settings.model_fields.keys()


@pytest.mark.parametrize("setting", ALL)
def test_every_setting_has_words(setting: SettingDescription) -> None:
    assert setting.title
    assert setting.description.endswith(".")
    assert setting.group


@pytest.mark.parametrize("setting", NUMBERS)
def test_every_number_has_limits_and_its_default_keeps_them(setting: SettingDescription) -> None:
    assert setting.minimum is not None
    assert setting.maximum is not None
    assert setting.minimum <= getattr(Settings(), setting.name) <= setting.maximum


@pytest.mark.parametrize("setting", NUMBERS)
@pytest.mark.parametrize("beyond", ["below", "above", "nan"])
def test_a_number_beyond_its_limits_is_refused(setting: SettingDescription, beyond: str) -> None:
    assert setting.minimum is not None
    assert setting.maximum is not None
    value = {"below": setting.minimum - 1, "above": setting.maximum + 1, "nan": float("nan")}[beyond]
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({setting.name: value})
    assert caught.value.errors()[0]["loc"] == (setting.name,)


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("idle_s", "seconds"),
        ("too_hot_c", "°C"),
        ("memory_kept_gb", "GB"),
        ("upload_mbit", "Mbit/s"),
        ("foreign_gpu_percent", "%"),
        ("port", ""),
        ("listen", ""),
        ("memory_share", ""),
    ],
)
def test_a_names_ending_is_its_unit(name: str, unit: str) -> None:
    assert unit_of(name) == DESCRIBED[name].unit == unit


def test_a_setting_has_one_name_everywhere() -> None:
    assert (flag_of("memory_kept_gb"), variable_of("memory_kept_gb")) == ("--memory-kept-gb", "MEADOW_MEMORY_KEPT_GB")


def test_the_defaults_are_those_that_a_person_does_not_notice() -> None:
    settings = Settings()
    assert not settings.share
    assert settings.mode == "when-idle"
    assert (settings.idle_s, settings.quiet_s, settings.foreign_gpu_percent) == (180, 60, 10)
    assert not (settings.share_on_battery)
    assert not (settings.share_metered)
    assert not (settings.share_full_screen)
    assert (settings.too_hot_c, settings.cool_again_c) == (83, 75)
    assert (settings.memory_share, settings.memory_kept_gb) == (0.8, 1.5)
    assert not settings.keep_awake


def test_a_broken_limit_holds_sharing_and_a_broken_port_does_not() -> None:
    assert {"share", "schedule", "upload_mbit", "too_hot_c"} <= SHARING_NAMES
    assert not {"port", "model", "listen"} & SHARING_NAMES


def test_a_computer_that_is_cool_again_is_cooler_than_one_that_is_too_hot() -> None:
    assert Settings(too_hot_c=70, cool_again_c=60).too_hot_c == 70
    with pytest.raises(ValidationError, match=r"cool_again_c \(75\) has to be lower than too_hot_c \(75\)"):
        Settings(too_hot_c=75)


def test_names_of_programs_lose_the_space_around_them() -> None:
    assert Settings(programs=[" chess "]).programs == ["chess"]


def test_the_page_shows_values_defaults_and_who_says_so() -> None:
    settings = Settings(idle_s=60, port=4711)
    rows = {row.name: row for row in state_of_settings(settings, {"idle_s": "flag", "port": "file"})}
    assert rows.keys() == DESCRIBED.keys()
    idle, port, quiet = rows["idle_s"], rows["port"], rows["quiet_s"]
    assert (idle.value, idle.default, idle.source, idle.fixed_by) == (60, 180, "flag", "--idle-s")
    assert (port.value, port.default, port.source, port.fixed_by) == (4711, 0, "file", "")
    assert (quiet.value, quiet.default, quiet.source, quiet.fixed_by) == (60, 60, "default", "")
    assert (idle.kind, idle.minimum, idle.maximum, idle.unit) == ("whole-number", 1, 86400, "seconds")
    assert (rows["mode"].kind, rows["mode"].choices) == ("choice", ["when-idle", "always", "never"])
    assert (rows["share"].kind, rows["programs"].kind, rows["layers"].kind) == ("switch", "list", "text")


def test_a_part_of_a_whole_is_a_fraction_and_no_choice_is_without_words() -> None:
    assert {name for name, setting in DESCRIBED.items() if setting.kind == "fraction"} == {
        "memory_share",
        "compute_share",
    }
    for setting in DESCRIBED.values():
        assert setting.choice_titles.keys() == set(setting.choices)
        assert not setting.zero or setting.minimum == 0


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("idle_s", "1 to 86400 seconds"),
        ("memory_share", "0.05 to 0.95; 1 is 100 %"),
        ("upload_mbit", "0 to 100000 Mbit/s; 0: no limit"),
        ("model", ""),
    ],
)
def test_limits_are_written_with_what_their_numbers_mean(name: str, limits: str) -> None:
    assert describe_limits(DESCRIBED[name]) == limits


@pytest.mark.parametrize("setting", ALL)
def test_no_description_speaks_of_names_in_the_file(setting: SettingDescription) -> None:
    """People read it on a page that has titles and controls; a name has no place there but for what they type."""
    named = {name for name in DESCRIBED if "_" in name and name in setting.description}
    raw = {choice for choice in setting.choices if "-" in choice and choice in setting.description}
    assert not named | raw
    assert "settings.toml" not in setting.description


def test_a_change_waits_while_what_it_is_for_goes_on_as_before() -> None:
    before, now = Settings(model="a", device="cpu", idle_s=60), Settings(model="b", device="cuda", idle_s=90)
    waiting = {row.name for row in state_of_settings(now, {}, {"next-start": before}) if row.is_waiting}
    assert waiting == {"model"}
    both = state_of_settings(now, {}, {"next-start": before, "next-sharing": before})
    assert {row.name for row in both if row.is_waiting} == {"model", "device"}
    assert not any(row.is_waiting for row in state_of_settings(before, {}, {"next-start": before}))


def test_values_keep_their_types_on_the_way_through_json() -> None:
    for row in state_of_settings(Settings(programs=["a"]), {}):
        again = type(row).model_validate_json(row.model_dump_json())
        assert again == row
        assert type(again.value) is type(row.value)
