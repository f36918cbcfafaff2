"""Settings are what the person wrote; what cannot be meant is said, all of it at once."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from meadow_engine import settings_file
from meadow_engine.api.settings import Settings
from meadow_engine.settings_file import (
    SettingsBrokenError,
    SettingsRefusedError,
    SettingsUnwritableError,
    change_setting,
    change_settings,
    read_leniently,
    read_settings,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config" / "settings.toml"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own for 64 KiB; only root can have one."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small disk")
    tried = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", mounted], capture_output=True, text=True)
    if tried.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {tried.stderr.strip()}")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", mounted], check=True)


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


def test_a_file_of_an_older_version_is_still_a_correct_one(path: Path) -> None:
    old = """
    model = ""
    initial_peers = ["meadow://join"]
    listen = ["/ip4/127.0.0.1/tcp/0"]
    share = true
    layers = "0:4"
    device = "cpu"
    dtype = "auto"
    quantization = "none"
    public_name = "me"
    port = 0
    """
    settings = read_settings(write(path, old))
    assert (settings.share, settings.layers, settings.public_name) == (True, "0:4", "me")
    assert settings.mode == "when-idle"


def test_a_mark_that_some_editors_put_at_the_beginning_does_no_harm(path: Path) -> None:
    write(path, "").write_bytes(b"\xef\xbb\xbfport = 4711\r\n# mine\r\n")
    assert read_settings(path).port == 4711
    change_setting(path, "port", 4712)
    assert path.read_text() == "port = 4712\n# mine\n"


def test_a_broken_file_does_not_keep_from_starting(path: Path) -> None:
    read = read_leniently(write(path, 'port = 70000\nidle_s = 60\ncolour = "green"\n'))
    assert read.settings == Settings(idle_s=60)
    assert [problem.text for problem in read.problems] == [
        "port: has to be at most 65535",
        "colour: there is no such setting",
    ]
    assert read.can_change


@pytest.mark.parametrize("content", [b"share = ", b"share = true\nport 7\n", b"\xff\xfe\x00", b"port = " + b"9" * 5000])
def test_a_file_that_is_no_toml_counts_for_nothing_and_holds_sharing(path: Path, content: bytes) -> None:
    write(path, "").write_bytes(content)
    read = read_leniently(path)
    assert (read.settings, read.can_change, read.is_held) == (Settings(), False, True)
    assert len(read.problems) == 1
    assert str(path) in read.problems[0].text
    assert "Mend the file" in read.problems[0].text


def test_a_file_that_cannot_be_read_is_one_that_has_to_be_mended(path: Path) -> None:
    path.mkdir(parents=True)
    read = read_leniently(path)
    assert (read.settings, read.can_change) == (Settings(), False)
    assert "Is a directory" in read.problems[0].text
    with pytest.raises(SettingsBrokenError):
        change_setting(path, "share", True)


def test_several_values_are_changed_together_or_not_at_all(path: Path) -> None:
    write(path, "port = 4711 # mine\n")
    change_settings(path, {"too_hot_c": 70, "cool_again_c": 60})
    assert path.read_text() == "port = 4711 # mine\ntoo_hot_c = 70\ncool_again_c = 60\n"
    with pytest.raises(SettingsRefusedError):
        change_settings(path, {"port": 4712, "idle_s": 0})
    assert path.read_text().startswith("port = 4711 # mine\n")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"port": 70000}, "port: has to be at most 65535"),
        ({"share": "perhaps"}, "share: has to be true or false"),
        ({"schedule": ["at night"]}, "no day 'at'|no hours behind"),
        ({"idel_s": 60}, "perhaps idle_s is meant"),
        ({"colour": None}, "colour: there is no such setting"),
        ({"too_hot_c": 75}, r"cool_again_c \(75\) has to be lower than too_hot_c \(75\)"),
        ({"port": -1, "idle_s": 0}, "port: has to be at least 0; idle_s: has to be at least 1"),
    ],
)
def test_values_that_cannot_be_meant_are_refused_before_anything_is_written(
    path: Path, changes: dict[str, object], complaint: str
) -> None:
    write(path, "# mine\nport = 4711\n")
    with pytest.raises(SettingsRefusedError, match=complaint):
        change_settings(path, changes)
    assert path.read_text() == "# mine\nport = 4711\n"


def test_a_broken_value_elsewhere_does_not_keep_from_changes(path: Path) -> None:
    write(path, 'port = 70000\nupload_mbit = "slow"\nquiet_s = 7\n')
    change_setting(path, "share", True)
    assert path.read_text() == 'port = 70000\nupload_mbit = "slow"\nquiet_s = 7\nshare = true\n'


def test_a_broken_value_is_mended_by_a_change_or_by_taking_it_out(path: Path) -> None:
    write(path, 'port = 70000 # which one?\ncolour = "green"\nquiet_s = 7\n')
    change_settings(path, {"port": 4711, "colour": None})
    assert path.read_text() == "port = 4711 # which one?\nquiet_s = 7\n"


def test_a_value_that_is_still_broken_is_refused_again(path: Path) -> None:
    write(path, "port = 70000\n")
    with pytest.raises(SettingsRefusedError):
        change_setting(path, "port", 70000)


def test_without_a_value_the_default_counts_again(path: Path) -> None:
    write(path, "idle_s = 60 # soon\nport = 4711\n")
    change_settings(path, {"idle_s": None, "quiet_s": None})
    assert path.read_text() == "port = 4711\n"


def test_values_are_written_as_what_they_are(path: Path) -> None:
    change_settings(path, {"idle_s": "60", "share": "yes", "upload_mbit": 5, "programs": [" chess "]})
    assert path.read_text() == 'idle_s = 60\nshare = true\nupload_mbit = 5.0\nprograms = ["chess"]\n'


def test_entries_that_stay_in_a_list_keep_their_comments(path: Path) -> None:
    text = 'programs = [\n    "chess", # on Sundays\n    "draw",\n    # renders for hours\n    "blender",\n]\n'
    write(path, text)
    change_setting(path, "programs", ["chess", "blender", "film"])
    assert read_settings(path).programs == ["chess", "blender", "film"]
    assert "# on Sundays" in path.read_text()
    assert "# renders for hours" in path.read_text()
    assert "draw" not in path.read_text()


@pytest.mark.parametrize("programs", [["b", "a"], ["a", "b", "a"], [], ["c"]])
def test_a_list_becomes_what_was_asked_for_also_in_another_order(path: Path, programs: list[str]) -> None:
    write(path, 'programs = ["a", "b"]\n')
    change_setting(path, "programs", programs)
    assert read_settings(path).programs == programs


def test_comments_are_kept_where_there_is_nothing_else(path: Path) -> None:
    write(path, "# My own settings.\n")
    change_setting(path, "port", 4711)
    assert path.read_text() == "# My own settings.\nport = 4711\n"


def test_a_link_to_settings_kept_elsewhere_stays_a_link(path: Path, tmp_path: Path) -> None:
    write(path, "")
    path.unlink()
    elsewhere = tmp_path / "dotfiles.toml"
    elsewhere.write_text("port = 4711\n")
    path.symlink_to(elsewhere)
    change_setting(path, "port", 4712)
    assert path.is_symlink()
    assert elsewhere.read_text() == "port = 4712\n"


@pytest.mark.parametrize(
    ("number", "advice"),
    [(errno.ENOSPC, "Free some space"), (errno.EACCES, "Let your user write"), (errno.EIO, "Check the disk")],
)
def test_when_the_system_refuses_to_write_one_sentence_says_so_and_the_old_file_stays(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int, advice: str
) -> None:
    write(path, "port = 4711 # mine\n")

    def refuse(path: Path, text: str) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(settings_file, "write_private", refuse)
    with pytest.raises(SettingsUnwritableError) as caught:
        change_setting(path, "port", 4712)
    assert str(caught.value) == f"{path} cannot be written ({os.strerror(number)}); the settings are as before"
    assert caught.value.advice.startswith(advice)
    assert path.read_text() == "port = 4711 # mine\n"


@pytest.mark.root
def test_a_full_disk_leaves_the_settings_as_they_were(small_disk: Path) -> None:
    path = write(small_disk / "config" / "settings.toml", "port = 4711 # mine\n")
    with suppress(OSError), (small_disk / "film").open("wb", buffering=0) as film:
        while film.write(bytes(4096)):
            pass
    with pytest.raises(SettingsUnwritableError, match="No space left on device") as caught:
        change_setting(path, "port", 4712)
    assert caught.value.advice.startswith("Free some space")
    assert path.read_text() == "port = 4711 # mine\n"
    (small_disk / "film").unlink()
    change_setting(path, "port", 4712)
    assert path.read_text() == "port = 4712 # mine\n"
    assert [file.name for file in path.parent.iterdir()] == ["settings.toml"]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_folder_in_which_nothing_can_be_made_is_named() -> None:
    with pytest.raises(SettingsUnwritableError, match=r"/proc/meadow/settings\.toml cannot be written"):
        change_setting(Path("/proc/meadow/settings.toml"), "share", True)
