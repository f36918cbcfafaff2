"""The computer in front of which somebody sits, and the other computers of its swarm, which may be killed."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from fakes.engine_folder import ANY_MACHINE, EngineFolder
from fakes.processes import Program, close, serve_arguments, start_meadow


class SwarmAround:
    """All computers by name; "own" is the one in front of which somebody sits, "first" the one that others join."""

    def __init__(self, base: Path, ending: ExitStack) -> None:
        self.base = base
        self.computers: dict[str, Program] = {}
        self._ending = ending

    def start(self, name: str, model: Path, layers: tuple[int, int]) -> Program:
        """One more computer that holds layers; it is not ready yet."""
        join = [self.computers["first"].address] if self.computers else []
        return self._keep(name, start_meadow(*serve_arguments(model, layers, join, name=name)))

    def start_engine(self, model: Path) -> Program:
        """This computer's own engine, which knows of one more model than the swarm's, and shares nothing."""
        swarm = {"initial_peers": [self.computers["first"].address], "models": [str(model)]}
        EngineFolder(self.base).write_settings({**ANY_MACHINE, **swarm})
        return self._keep("own", start_meadow("--no-gui", "--base-dir", str(self.base)))

    def _keep(self, name: str, program: Program) -> Program:
        self.computers[name] = program
        self._ending.callback(close, program)
        return program
