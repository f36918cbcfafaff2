"""The swarm of the pictures: four computers of neighbours that hold the bundled model, and this one.

All are real programs on this machine. The counts of earlier days are made up, as nobody waits a month for a picture.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

from fakes.processes import (
    LOOPBACK,
    Program,
    close,
    running_meadow,
    serve_arguments,
    start_meadow,
    wait_ready,
    wait_until,
)
from fakes.volunteer import Volunteer, running_volunteer
from meadow_assets import demo_model_path
from meadow_engine.api.places import find_places
from meadow_engine.ledger import Count, Ledger

NEIGHBOURS = (("anna-desk", (0, 3)), ("lab-2", (3, 6)), ("mill-lane", (6, 8)))
ANOTHER = ("attic", (3, 6))
MODEL = "meadow-demo"
LAYERS_HERE = "3:6"
_PARAMETERS = 400_000  # of one layer of the bundled model, nearly


class Neighbourhood:
    """The computers; `here` is this one's engine. Create one with `running_neighbourhood`."""

    def __init__(self, programs: dict[str, Program], here: Volunteer) -> None:
        self._programs = programs
        self.here = here

    def hold(self, name: str) -> None:
        """This computer hangs."""
        os.kill(self._programs[name].process.pid, signal.SIGSTOP)

    def let_go(self, name: str) -> None:
        """It goes on."""
        os.kill(self._programs[name].process.pid, signal.SIGCONT)

    def switch_off(self, name: str) -> None:
        """Its plug is pulled."""
        self._programs[name].kill()

    def switch_on(self, name: str) -> None:
        """It starts, and is known to be there."""
        old = self._programs.get(name)
        if old is not None:
            close(old)
        layers = dict((*NEIGHBOURS, ANOTHER))[name]
        serving = serve_arguments(demo_model_path(), layers, self.here.status().address, name=name)
        self._programs[name] = wait_ready(start_meadow(*serving))
        self.wait_for(len([each for each in self._programs.values() if each.process.poll() is None]))

    def wait_for(self, computers: int) -> None:
        """Until this one knows so many that hold layers."""
        wait_until(lambda: self._known() == computers, 60, f"{computers} computers in the swarm")

    def _known(self) -> int:
        (model,) = self.here.ask("GET", "/api/models").json()
        servers: int = model["servers"]
        return servers

    def close(self) -> None:
        for program in self._programs.values():
            program.ask_to_end()
        for program in self._programs.values():
            close(program)


@contextmanager
def running_neighbourhood(folder: Path) -> Iterator[Neighbourhood]:
    """Three neighbours who hold the whole model, and this computer, which does not share yet."""
    with running_meadow("bootstrap", "--listen", LOOPBACK, "--base-dir", str(folder / "meeting")) as meeting_point:
        remember_a_month(folder / "here")
        settings = {
            "layers": LAYERS_HERE,
            "share": False,
            "public_name": "this-computer",
            "mode": "when-idle",
            "quiet_s": 1,
        }
        with running_volunteer(folder / "here", meeting_point.address, **settings) as here:
            neighbourhood = Neighbourhood({}, here)
            try:
                for name, _layers in NEIGHBOURS:
                    neighbourhood.switch_on(name)
                yield neighbourhood
            finally:
                neighbourhood.close()


def remember_a_month(base_dir: Path) -> None:
    """Counts of the last weeks, as somebody's who shares most nights and chats now and then."""
    file = find_places(base_dir).ledger_file
    for days_ago in range(29, 0, -1):
        ledger = Ledger(file, today=lambda days_ago=days_ago: date.today() - timedelta(days=days_ago))  # type: ignore[misc]
        nights, chats = (days_ago * 37) % 11, (days_ago * 5) % 4
        for peer, tokens in (("12D3KooWAnnaDesk7Q", 4100 * nights), ("12D3KooWMillLane2f", 900 * nights)):
            if tokens:
                ledger.add(Count(MODEL, peer, "earned", tokens, tokens * 3 * _PARAMETERS, 2 + nights // 2))
        if chats:
            tokens = 5200 * chats
            ledger.add(Count(MODEL, "12D3KooWAttic9LmK3", "spent", tokens, tokens * 3 * _PARAMETERS, chats))
        ledger.write()
