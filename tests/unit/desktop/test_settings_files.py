"""What the settings page reads and keeps on disk: the desktop's own choices, logs, licences, models."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from fakes.engine_status import STATUS
from meadow_desktop.engine.link_state import Connected, Searching, Unreachable
from meadow_desktop.settings.about import Component, bug_details, find_components
from meadow_desktop.settings.api_access import curl_example, python_example, shown_key
from meadow_desktop.settings.appearance import Appearance, keep_appearance, read_appearance
from meadow_desktop.settings.logs import LEVELS, TAIL_BYTES, choose_lines, find_logs, read_tail
from meadow_desktop.settings.storage import describe_size, present_storage
from meadow_engine.api.errors import Problem
from meadow_engine.api.storage import StorageOverview, StoredModel

LOG = """\
2026-01-31 22:15:01,123 INFO meadow_engine.sharing: begun
2026-01-31 22:15:02,123 ERROR meadow_engine.engine: unexpected error
Traceback (most recent call last):
ValueError: no
2026-01-31 22:15:03,123 WARNING meadow_engine.sharing: slow
"""


def test_choices_are_kept_privately_and_read_again(tmp_path: Path) -> None:
    file = tmp_path / "config" / "desktop.json"
    assert read_appearance(file) == Appearance()
    chosen = Appearance(theme="high-contrast", text_percent=130, language="de", notifications=False)
    keep_appearance(file, chosen)
    assert read_appearance(file) == chosen
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_a_broken_file_means_the_defaults(tmp_path: Path, text: str) -> None:
    file = tmp_path / "desktop.json"
    file.write_text(text)
    assert read_appearance(file) == Appearance()


def test_a_value_that_cannot_be_meant_costs_only_itself_and_newer_ones_stay(tmp_path: Path) -> None:
    file = tmp_path / "desktop.json"
    file.write_text(json.dumps({"theme": "pink", "text_percent": 115, "of_a_newer_meadow": 1}))
    read = read_appearance(file)
    assert (read.theme, read.text_percent) == ("system", 115)
    keep_appearance(file, read)
    assert json.loads(file.read_text())["of_a_newer_meadow"] == 1


def test_lines_of_a_traceback_have_the_level_of_their_error(tmp_path: Path) -> None:
    file = tmp_path / "engine.log"
    file.write_text(LOG)
    tail = read_tail(file)
    assert [LEVELS[line.level] for line in tail.lines] == ["INFO", "ERROR", "ERROR", "ERROR", "WARNING"]
    errors = choose_lines(tail.lines, LEVELS.index("ERROR"), "")
    assert [line.text for line in errors] == LOG.splitlines()[1:4]
    assert [line.text for line in choose_lines(tail.lines, 0, "SLOW")] == [LOG.splitlines()[4]]


def test_only_the_end_of_a_large_file_is_read_from_a_whole_line_on(tmp_path: Path) -> None:
    file = tmp_path / "engine.log"
    file.write_text("".join(f"2026-01-31 22:15:01,123 INFO x: line {number:06}\n" for number in range(20_000)))
    tail = read_tail(file)
    assert tail.is_cut
    assert sum(len(line.text) + 1 for line in tail.lines) <= TAIL_BYTES
    assert tail.lines[0].text.startswith("2026-01-31")
    assert tail.lines[-1].text.endswith("line 019999")


def test_a_log_that_did_not_grow_is_not_read_again(tmp_path: Path) -> None:
    file = tmp_path / "engine.log"
    file.write_text(LOG)
    tail = read_tail(file)
    assert read_tail(file, tail) is tail
    with file.open("a") as log:
        log.write("2026-01-31 22:15:04,123 INFO x: more\n")
    assert len(read_tail(file, tail).lines) == 6


def test_a_log_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    assert read_tail(tmp_path / "engine.log").error == "no such file or directory"
    assert find_logs(tmp_path / "nowhere") == []


def test_logs_are_found_the_engines_first(tmp_path: Path) -> None:
    for name in ("desktop.log", "a-host.log", "engine.log", "engine.log.1", "notes.txt"):
        (tmp_path / name).touch()
    assert find_logs(tmp_path) == ["engine.log", "desktop.log", "a-host.log"]


def test_licences_of_what_is_shipped_are_named() -> None:
    found = {each.name: each for each in find_components(["pydantic", "PySide6-Essentials", "not-there-at-all"])}
    assert found["pydantic"].licence == "MIT"
    assert "LGPL" in next(each.licence for name, each in found.items() if name.startswith("PySide6"))
    assert len(found) == 2


def test_details_for_a_report_hold_versions_and_nothing_of_anybody() -> None:
    private = {
        "peer": "12D3KooWsecret",
        "name": "kitchen-computer",
        "address": ["/ip4/203.0.113.7/tcp/31337"],
        "model": "/home/someone/model",
    }
    text = bug_details(
        Connected(STATUS.model_copy(update=private), is_ours=True),
        [Component("torch", "2.13", "BSD")],
        "1920×1080 at 200 %",
        "6.11 (xcb)",
    )
    for wanted in ("Engine: 0.1, off", "Device: cpu", "torch: 2.13", "1920×1080 at 200 %", "Qt: 6.11 (xcb)"):
        assert wanted in text
    for secret in ("12D3KooW", "kitchen", "203.0.113.7", "someone", "4711"):
        assert secret not in text
    problem = Problem(code="engine-ended", message="It ended in /home/someone")
    assert "not reached (engine-ended)" in bug_details(Unreachable(problem, can_retry=True), [], "", "")
    assert "being looked for" in bug_details(Searching("…"), [], "", "")


def test_the_key_is_dots_until_it_is_asked_for_and_no_part_of_the_examples() -> None:
    assert shown_key("secret", is_shown=True) == "secret"
    assert set(shown_key("secret", is_shown=False)) == {"•"}
    assert len(shown_key("secret", is_shown=False)) == len(shown_key("s" * 99, is_shown=False))
    for example in (curl_example("http://127.0.0.1:1/v1", "demo"), python_example("http://127.0.0.1:1/v1", "demo")):
        assert "http://127.0.0.1:1/v1" in example
        assert "MEADOW_KEY" in example
    compile(python_example("http://127.0.0.1:1/v1", "demo"), "example", "exec")


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 B"), (1499, "1.5 KB"), (999_600, "1 MB"), (16_400_000_000, "16.4 GB"), (2**43, "8.8 TB")]
)
def test_sizes_are_said_in_thousands(size: int, words: str) -> None:
    assert describe_size(size) == words


def test_models_on_disk_say_their_last_use_and_what_is_free() -> None:
    day = 86400.0
    models = [
        StoredModel(id="a/b", bytes=2_000_000_000, last_used_s=7 * day, is_in_use=False),
        StoredModel(id="c/d", bytes=1_000_000, last_used_s=10 * day - 5, is_in_use=False),
        StoredModel(id="e", bytes=5, last_used_s=0.0, is_in_use=True),
    ]
    overview = StorageOverview(folder="/f", bytes=3 * 10**9, free_bytes=10**11, limit_bytes=0, models=models)
    view = present_storage(overview, 10 * day)
    assert view.summary == "Models take 3 GB; 100 GB are free on this disk."
    assert [(each.use, each.can_delete) for each in view.models] == [
        ("Used 3 days ago", True),
        ("Used in the last 24 hours", True),
        ("In use now", False),
    ]
    limited = present_storage(overview.model_copy(update={"limit_bytes": 4 * 10**9}), 0.0)
    assert "at most 4 GB" in limited.summary
    none = present_storage(overview.model_copy(update={"bytes": 0, "models": []}), 0.0)
    assert none.summary == "100 GB are free on this disk."
