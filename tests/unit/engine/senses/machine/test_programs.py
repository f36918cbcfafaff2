"""Programs of the person's list."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from fakes.clock import FakeClock
from meadow_engine.senses.machine.games import COMMON_GAMES
from meadow_engine.senses.machine.programs import ProgramsSense


class Computer:
    """What runs, by number; counts how often names were asked for."""

    def __init__(self, **running: str) -> None:
        self.clock = FakeClock()
        self.running = {int(number.removeprefix("p")): name for number, name in running.items()}
        self.asked: list[int] = []

    def name_of(self, pid: int) -> str | None:
        self.asked.append(pid)
        return self.running.get(pid)

    def sense(self, listed: Sequence[str]) -> ProgramsSense:
        return ProgramsSense(lambda: listed, running=lambda: self.running, name_of=self.name_of, clock=self.clock)


@pytest.mark.parametrize(
    ("listed", "running"),
    [
        ("obs", "obs"),
        ("Blender", "blender"),
        ("cs2", "cs2.exe"),
        ("EldenRing.exe", "eldenring"),
        ("Cyberpunk2077", "Cyberpunk2077.e"),  # Linux keeps fifteen characters, so of Windows games under Proton
        ("FortniteClient-Win64-Shipping.exe", "FortniteClient-"),
    ],
)
async def test_a_program_is_known_by_its_name_however_it_is_written(listed: str, running: str) -> None:
    assert await Computer(p1="init", p2=running).sense([listed]).read() == (listed,)


@pytest.mark.parametrize(("listed", "running"), [("cs2", "cs2-helper"), ("steam", "steamwebhelper"), ("obs", "ob")])
async def test_a_similar_name_is_another_program(listed: str, running: str) -> None:
    assert await Computer(p1=running).sense([listed]).read() == ()


async def test_only_programs_of_the_list_are_told() -> None:
    computer = Computer(p1="init", p2="factorio", p3="private-diary", p4="blender")
    assert await computer.sense(["blender", "obs", "factorio"]).read() == ("blender", "factorio")


async def test_a_program_is_noticed_when_it_starts_and_when_it_ends() -> None:
    computer = Computer(p1="init")
    sense = computer.sense(["blender"])
    assert await sense.read() == ()
    computer.running[7] = "blender"
    assert await sense.read() == ("blender",)
    del computer.running[7]
    assert await sense.read() == ()


async def test_names_are_read_once_and_again_after_ten_seconds() -> None:
    computer = Computer(p1="init", p2="launcher")
    sense = computer.sense(["game"])
    for _ in range(3):
        assert await sense.read() == ()
    assert computer.asked == [1, 2]
    computer.running[2] = "game"  # the launcher became the game
    computer.clock.advance(10)
    assert await sense.read() == ("game",)


async def test_an_empty_list_asks_nobody() -> None:
    computer = Computer(p1="init")
    assert await computer.sense([]).read() == ()
    assert computer.asked == []


async def test_a_system_that_lists_nothing_is_unknown() -> None:
    def refuse() -> list[int]:
        raise psutil.AccessDenied

    assert await ProgramsSense(lambda: ["obs"], running=refuse).read() is None


async def test_a_real_program_is_found_while_it_runs(tmp_path: Path) -> None:
    program = tmp_path / "a-game-with-a-long-name"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    sense = ProgramsSense(lambda: ["A-Game-With-A-Long-Name.exe", "a-game-with-a"])
    process = await asyncio.create_subprocess_exec(program, "30")
    try:
        assert await sense.read() == ("A-Game-With-A-Long-Name.exe",)
    finally:
        process.kill()
        await process.wait()
    assert await sense.read() == ()


def test_the_list_of_games_has_no_doubles_and_nothing_that_runs_all_day() -> None:
    plain = [name.lower() for name in COMMON_GAMES]
    assert len(set(plain)) == len(plain) > 50
    assert not {"steam", "lutris", "heroic", "java", "javaw", "python", "wine", "explorer"} & set(plain)
    assert not [name for name in plain if name.endswith(".exe") or name != name.strip()]
