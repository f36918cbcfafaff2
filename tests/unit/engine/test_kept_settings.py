"""A running engine's settings: what is in force, who says so, and how they change."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from meadow_client.errors import UsageError
from meadow_engine.api.settings import Settings
from meadow_engine.kept_settings import KeptSettings, SettingFixedError
from meadow_engine.settings_file import SettingsBrokenError, SettingsRefusedError, read_settings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    return tmp_path / "config" / "settings.toml"


def test_an_engine_without_a_file_has_the_defaults_and_makes_none(path: Path) -> None:
    kept = KeptSettings(path)
    assert (kept.settings, kept.problems) == (Settings(), [])
    assert not path.exists()


def test_the_page_shows_who_says_what(path: Path) -> None:
    path.write_text("port = 4711\nidle_s = 10\nquiet_s = 10\n")
    kept = KeptSettings(path, {"idle_s": "60", "share": True}, {"MEADOW_QUIET_S": "30", "HOME": "/"})
    rows = {row.name: row for row in kept.overview().settings}
    shown = {name: (rows[name].value, rows[name].fixed_by) for name in ("port", "idle_s", "quiet_s", "share", "mode")}
    assert shown == {
        "port": (4711, ""),
        "idle_s": (60, "--idle-s"),
        "quiet_s": (30, "MEADOW_QUIET_S"),
        "share": (True, "--share"),
        "mode": ("when-idle", ""),
    }
    assert kept.overview().file == str(path)


def test_a_broken_file_is_shown_with_all_its_problems(path: Path) -> None:
    path.write_text('share = true\nport = 70000\nupload_mbit = "slow"\n')
    kept = KeptSettings(path)
    page = kept.overview()
    assert page.problems == kept.problems
    assert page.problems == [
        "port: has to be at most 65535",
        "upload_mbit: has to be a number",
        "Sharing stays off until this is mended",
    ]
    assert page.can_change
    assert not kept.settings.share


def test_mending_the_last_broken_limit_lets_sharing_go_on(path: Path) -> None:
    path.write_text('share = true\nupload_mbit = "slow"\n')
    kept = KeptSettings(path)
    assert kept.change({"upload_mbit": 5}).share
    assert kept.problems == []


def test_a_file_that_is_no_toml_is_never_overwritten(path: Path) -> None:
    path.write_text("share == true")
    kept = KeptSettings(path, {"share": True})
    assert not kept.settings.share
    assert not kept.overview().can_change
    with pytest.raises(SettingsBrokenError) as caught:
        kept.change({"idle_s": 60})
    assert "Mend the file" in caught.value.advice
    assert path.read_text() == "share == true"


def test_a_change_counts_at_once_and_after_the_next_start(path: Path) -> None:
    path.write_text("# mine\n")
    kept = KeptSettings(path)
    before = kept.settings
    assert kept.change({"idle_s": 60, "programs": ["chess"]}) == Settings(idle_s=60, programs=["chess"])
    assert KeptSettings(path).settings == kept.settings
    assert before == Settings()
    assert path.read_text().startswith("# mine\n")


@pytest.mark.parametrize(
    ("flags", "environment", "by"),
    [({"idle_s": "60"}, {}, "--idle-s"), ({}, {"MEADOW_IDLE_S": "60"}, "MEADOW_IDLE_S")],
)
def test_what_a_flag_or_a_variable_fixes_cannot_be_changed(
    path: Path, flags: dict[str, object], environment: dict[str, str], by: str
) -> None:
    kept = KeptSettings(path, flags, environment)
    with pytest.raises(SettingFixedError, match=f"idle_s is fixed by {by}"):
        kept.change({"port": 4711, "idle_s": 90})
    assert kept.settings == Settings(idle_s=60)
    assert not path.exists()


def test_a_change_that_disagrees_with_a_variable_is_refused(path: Path) -> None:
    kept = KeptSettings(path, {}, {"MEADOW_TOO_HOT_C": "78"})
    with pytest.raises(SettingsRefusedError, match=r"cool_again_c \(80\) has to be lower"):
        kept.change({"cool_again_c": 80})
    assert kept.problems == []


def test_flags_that_cannot_be_meant_are_wrong_usage_all_at_once(path: Path) -> None:
    path.write_text("port = 70000\n")
    with pytest.raises(UsageError) as caught:
        KeptSettings(path, {"idle_s": "soon", "memory_share": "7"})
    assert str(caught.value) == "--idle-s: has to be a whole number; --memory-share: has to be at most 0.95"


def test_a_flag_that_disagrees_with_the_file_is_wrong_usage(path: Path) -> None:
    with pytest.raises(UsageError, match=r"cool_again_c \(75\) has to be lower than too_hot_c \(70\)"):
        KeptSettings(path, {"too_hot_c": "70"})


def test_what_the_person_writes_meanwhile_counts_when_the_file_is_read_again(path: Path) -> None:
    kept = KeptSettings(path, {"idle_s": "60"})
    assert not kept.reload()
    path.write_text("idle_s = 10\nport = 4711\n")
    assert kept.reload()
    assert kept.settings == Settings(idle_s=60, port=4711)
    path.write_text("port =")
    assert kept.reload()
    assert (kept.settings, kept.overview().can_change) == (Settings(idle_s=60), False)


def test_changes_of_several_threads_do_not_undo_each_other(path: Path) -> None:
    kept = KeptSettings(path)
    changes = [{"port": 4711}, {"idle_s": 60}, {"quiet_s": 30}, {"share": True}, {"layers": "0:4"}, {"disk_kept_gb": 7}]
    threads = [threading.Thread(target=kept.change, args=(change,)) for change in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wanted = Settings(port=4711, idle_s=60, quiet_s=30, share=True, layers="0:4", disk_kept_gb=7)
    assert kept.settings == read_settings(path) == wanted


def test_a_file_that_somebody_edits_is_noticed_and_the_engines_own_writing_is_not(path: Path) -> None:
    kept = KeptSettings(path)
    assert not kept.is_stale
    kept.change({"port": 4711})
    assert not kept.is_stale
    path.write_text("port = 47112\n")
    assert kept.is_stale
    kept.reload()
    assert (kept.is_stale, kept.settings.port) == (False, 47112)
    path.unlink()
    assert kept.is_stale
