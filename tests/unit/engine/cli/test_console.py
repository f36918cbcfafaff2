"""Commands say results on stdout and everything else on stderr; a failure is a sentence, advice and an exit code."""

from __future__ import annotations

import json

import pytest

from meadow_client.errors import BadAddressError, LayersMissingError, MeadowError, UsageError
from meadow_engine.cli import console
from meadow_engine.cli.console import expected_error, fail, note, say_ready
from meadow_engine.cli.engine_api import NoEngineError
from meadow_engine.instance_lock import AlreadyRunningError

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (MeadowError("Something failed"), 1),
        (LayersMissingError("demo", [(0, 3)]), 1),
        (NoEngineError(), 1),
        (UsageError("That cannot be meant"), 2),
        (BadAddressError("That is no address"), 2),
        (AlreadyRunningError(), 3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_failure_has_its_exit_code(error: MeadowError, exit_code: int, capsys: Captured) -> None:
    assert fail(error) == exit_code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == f"meadow: {error}.\n" + (f"{error.advice}\n" if error.advice else "")


def test_the_ready_line_is_one_line_of_json_on_stdout(capsys: Captured) -> None:
    say_ready("serve", peer="12D3", layers=[0, 4], name="two\nlines")
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.count("\n") == 1
    assert json.loads(shown.out) == {
        "event": "ready",
        "command": "serve",
        "peer": "12D3",
        "layers": [0, 4],
        "name": "two\nlines",
    }


def test_notes_do_not_disturb_results(capsys: Captured) -> None:
    note("Loading …")
    assert capsys.readouterr() == ("", "Loading …\n")


def test_our_own_errors_are_expected() -> None:
    error = UsageError("No")
    assert expected_error(error) is error


def test_the_systems_errors_are_expected_and_put_in_words() -> None:
    found = expected_error(PermissionError(13, "Permission denied", "/etc/meadow"))
    assert isinstance(found, MeadowError)
    assert str(found) == "The system says: Permission denied (/etc/meadow)"
    assert found.advice


@pytest.mark.parametrize("error", [RuntimeError("x"), KeyError("x"), AssertionError()])
def test_defects_of_ours_are_not_expected(error: Exception) -> None:
    assert expected_error(error) is None


def test_of_several_expected_errors_the_first_is_shown() -> None:
    first = UsageError("No")
    assert expected_error(ExceptionGroup("x", [ExceptionGroup("y", [first]), MeadowError("z")])) is first


def test_a_defect_beside_an_expected_error_is_not_hidden() -> None:
    assert expected_error(ExceptionGroup("x", [UsageError("No"), KeyError("x")])) is None


def test_a_display_is_known_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not console.has_display()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert console.has_display()
