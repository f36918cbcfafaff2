"""Windows' Run key, as its documentation has it. Nothing here ran on Windows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from meadow_engine.autostart.interface import AutostartRefusedError
from meadow_engine.autostart.run_key import APPROVED, LONGEST_COMMAND, RUN, RunKey

COMMAND = [r"C:\Program Files\Meadow\meadow.exe", "--base-dir", r"D:\Wiese & 草地"]


class FakeRegistry:
    """The part of the module `winreg` that is used."""

    HKEY_CURRENT_USER, REG_SZ, KEY_SET_VALUE, KEY_READ = "HKCU", 1, 2, 0x20019

    def __init__(self, *, is_locked: bool = False) -> None:
        self.keys: dict[str, dict[str, object]] = {}
        self.is_locked = is_locked

    @contextmanager
    def OpenKey(self, root: str, path: str, reserved: int = 0, access: int = KEY_READ) -> Iterator[dict[str, object]]:
        assert (root, reserved) == ("HKCU", 0)
        if path not in self.keys:
            raise FileNotFoundError(2, "The system cannot find the file specified")
        if self.is_locked and access == self.KEY_SET_VALUE:
            raise PermissionError(13, "Access is denied")
        yield self.keys[path]

    @contextmanager
    def CreateKey(self, root: str, path: str) -> Iterator[dict[str, object]]:
        assert root == "HKCU"
        if self.is_locked:
            raise PermissionError(13, "Access is denied")
        yield self.keys.setdefault(path, {})

    def QueryValueEx(self, key: dict[str, object], name: str) -> tuple[object, int]:
        if name not in key:
            raise FileNotFoundError(2, "The system cannot find the file specified")
        return key[name], self.REG_SZ

    def SetValueEx(self, key: dict[str, object], name: str, reserved: int, kind: int, value: object) -> None:
        assert (reserved, kind) == (0, self.REG_SZ)
        key[name] = value

    def DeleteValue(self, key: dict[str, object], name: str) -> None:
        if key.pop(name, None) is None:
            raise FileNotFoundError(2, "The system cannot find the file specified")


def test_it_is_on_after_switching_on_and_off_after_switching_off() -> None:
    registry = FakeRegistry()
    key = RunKey(registry, is_headless=False)
    assert not key.is_on()
    key.switch_off()
    assert registry.keys == {}
    for _ in range(2):
        key.switch_on(COMMAND)
        assert key.is_on()
    for _ in range(2):
        key.switch_off()
        assert not key.is_on()
    assert registry.keys[RUN] == {}


def test_words_with_spaces_are_quoted_and_nothing_is_replaced() -> None:
    registry = FakeRegistry()
    RunKey(registry, is_headless=False).switch_on([*COMMAND, 'a "b"', "%PATH%"])
    assert registry.keys[RUN]["Meadow"] == (
        r'"C:\Program Files\Meadow\meadow.exe" --base-dir "D:\Wiese & 草地" "a \"b\"" %PATH%'
    )


def test_app_and_engine_are_two_values() -> None:
    registry = FakeRegistry()
    RunKey(registry, is_headless=True).switch_on(COMMAND)
    assert not RunKey(registry, is_headless=False).is_on()
    assert "Meadow engine" in RunKey(registry, is_headless=True).describe()


def test_what_was_switched_off_in_the_task_manager_is_off_until_it_is_switched_on() -> None:
    registry = FakeRegistry()
    key = RunKey(registry, is_headless=False)
    key.switch_on(COMMAND)
    registry.keys[APPROVED] = {"Meadow": bytes([3, *[0] * 11])}
    assert not key.is_on()
    registry.keys[APPROVED] = {"Meadow": bytes([2, *[0] * 11])}
    assert key.is_on()
    registry.keys[APPROVED] = {"Meadow": bytes([3, *[0] * 11])}
    key.switch_on(COMMAND)
    assert key.is_on()


def test_a_command_that_windows_would_not_start_is_refused() -> None:
    registry = FakeRegistry()
    with pytest.raises(AutostartRefusedError, match="longer than 260") as caught:
        RunKey(registry, is_headless=False).switch_on(["C:\\m.exe", "x" * LONGEST_COMMAND])
    assert "shorter" in caught.value.advice
    assert registry.keys == {}


def test_a_registry_that_cannot_be_changed_is_one_sentence_and_advice() -> None:
    registry = FakeRegistry(is_locked=True)
    with pytest.raises(AutostartRefusedError, match="Access is denied") as caught:
        RunKey(registry, is_headless=False).switch_on(COMMAND)
    assert caught.value.advice
    registry.keys[RUN] = {"Meadow": "meadow.exe"}
    with pytest.raises(AutostartRefusedError, match="Access is denied"):
        RunKey(registry, is_headless=False).switch_off()
