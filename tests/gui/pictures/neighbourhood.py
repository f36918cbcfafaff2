"""The swarm of the pictures: four computers of neighbours that hold the bundled model, and this one.

Two more, with long names, hold the same weights under another name and another config, which makes them another model.
All are real programs on this machine. The counts of earlier days are made up, as nobody waits a month for a picture.
"""

from __future__ import annotations

import json
import os
import shutil
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
LONG_MODEL = "Meadow-Demo-Instruct-Preview-of-the-Reading-Circle-2506"
LONG_NAMES = (
    ("The computer below the stairs of the house at the corner", (0, 4)),
    ("Workstation 17 in the old reading room, third floor", (4, 8)),
)
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

    def switch_on_long_names(self) -> None:
        """The computers with long names start, and this one is told of their model."""
        folder = write_long_model(self.here.base.parent)
        change(self.here, models=[str(folder)])
        for name, layers in LONG_NAMES:
            serving = serve_arguments(folder, layers, self.here.status().address, name=name)
            self._programs[name] = start_meadow(*serving)
        for name, _layers in LONG_NAMES:
            wait_ready(self._programs[name])
        wait_until(lambda: self._holders(LONG_MODEL) == len(LONG_NAMES), 60, "the computers with long names")

    def switch_off_long_names(self) -> None:
        """They leave."""
        for name, _layers in LONG_NAMES:
            close(self._programs.pop(name))
        change(self.here, models=None)

    def models(self) -> list[str]:
        """The names of all models, in their order."""
        return [model["id"] for model in self.here.ask("GET", "/api/models").json()]

    def wait_for(self, computers: int) -> None:
        """Until this one knows so many that hold layers."""
        wait_until(lambda: self._holders(MODEL) == computers, 60, f"{computers} computers in the swarm")

    def _holders(self, name: str) -> int:
        models = self.here.ask("GET", "/api/models").json()
        return sum(model["servers"] for model in models if model["id"] == name)

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
        settings = {"layers": LAYERS_HERE, "share": False, "public_name": "this-computer", "quiet_s": 1}
        with running_volunteer(folder / "here", meeting_point.address, **settings) as here:
            change(here, share=None, mode=None)
            neighbourhood = Neighbourhood({}, here)
            try:
                for name, _layers in NEIGHBOURS:
                    neighbourhood.switch_on(name)
                yield neighbourhood
            finally:
                neighbourhood.close()


def change(here: Volunteer, **values: object) -> None:
    """Write settings, as the settings page does; None goes back to the default."""
    reply = here.ask("PATCH", "/api/settings", {"values": values})
    assert reply.status_code == 200, reply.text


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


def write_long_model(folder: Path) -> Path:
    """The bundled model again, with a line in its config that changes nothing but makes it another one."""
    model = folder / LONG_MODEL
    shutil.copytree(demo_model_path(), model, dirs_exist_ok=True)
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    (model / "config.json").write_text(json.dumps({**config, "initializer_range": 0.03}), encoding="utf-8")
    return model
