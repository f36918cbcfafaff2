"""Files are where the desktop looks for them, and secrets are their owner's."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from meadow_engine.api.places import RunningEngine, find_places, read_running_engine, write_private

RUNNING = RunningEngine(pid=7, url="http://127.0.0.1:4711", token="secret", version="0.1")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_base_folder_holds_everything(tmp_path: Path) -> None:
    places = find_places(tmp_path / "copy")
    for path in (
        places.settings_file,
        places.api_key_file,
        places.identity_file,
        places.swarms_file,
        places.swarm_folder("key"),
        places.ledger_file,
        places.conversations,
        places.cache,
        places.logs,
        places.engine_file,
        places.engine_lock,
    ):
        assert path.is_relative_to(tmp_path / "copy")


def test_looking_for_places_makes_none(tmp_path: Path) -> None:
    find_places(tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def test_a_relative_base_folder_stays_where_it_was_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    places = find_places(Path("copy"))
    monkeypatch.chdir("/")
    assert places.data == tmp_path / "copy" / "data"


def test_a_base_folder_in_the_home_folder_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_places(Path("~/copy")).data == tmp_path / "copy" / "data"


def test_without_a_base_folder_every_kind_has_a_place_named_after_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    places = find_places()
    assert all("meadow" in str(path) for path in (places.configuration, places.data, places.cache, places.runtime))


def test_a_private_file_is_for_its_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        write_private(tmp_path / "deep" / "secret", "text")
    finally:
        os.umask(umask)
    assert (tmp_path / "deep" / "secret").read_text() == "text"
    assert mode_of(tmp_path / "deep" / "secret") == 0o600


def test_a_file_that_others_could_read_becomes_private(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("old")
    (tmp_path / "secret").chmod(0o644)
    write_private(tmp_path / "secret", "new")
    assert ((tmp_path / "secret").read_text(), mode_of(tmp_path / "secret")) == ("new", 0o600)


def test_nothing_is_left_beside_a_private_file(tmp_path: Path) -> None:
    write_private(tmp_path / "secret", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_reader_sees_the_old_text_or_the_new_one(tmp_path: Path) -> None:
    write_private(tmp_path / "secret", "old")
    with (tmp_path / "secret").open() as reader:
        write_private(tmp_path / "secret", "new")
        assert reader.read() == "old"
    assert (tmp_path / "secret").read_text() == "new"


def test_what_a_crash_left_behind_does_not_make_a_secret_public(tmp_path: Path) -> None:
    left = tmp_path / f"secret.{os.getpid()}.new"
    left.write_text("old")
    left.chmod(0o644)
    write_private(tmp_path / "secret", "text")
    assert mode_of(tmp_path / "secret") == 0o600


def test_the_running_engine_is_read_back(tmp_path: Path) -> None:
    places = find_places(tmp_path)
    write_private(places.engine_file, RUNNING.model_dump_json())
    assert read_running_engine(places) == RUNNING


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"{}", b'{"pid": "x"}', b"\xff\xfe"])
def test_a_file_that_names_no_engine_is_as_good_as_none(tmp_path: Path, content: bytes | None) -> None:
    places = find_places(tmp_path)
    if content is not None:
        places.runtime.mkdir()
        places.engine_file.write_bytes(content)
    assert read_running_engine(places) is None


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have one place for this")
def test_without_a_login_session_runtime_files_are_not_in_a_folder_that_anybody_can_make(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert not find_places().runtime.is_relative_to("/tmp")
