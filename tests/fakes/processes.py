"""Real programs of Meadow in processes of their own, for tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

READY_TIMEOUT_S = 90.0
END_TIMEOUT_S = 20.0
API_KEY = "key-of-the-tests"
LOOPBACK = "/ip4/127.0.0.1/tcp/0"


@dataclass
class Program:
    """A running program that said it is ready; its stderr is kept."""

    process: subprocess.Popen[str]
    ready: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    is_asked: bool = False

    @property
    def address(self) -> str:
        return str(self.ready["address"][0])

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(END_TIMEOUT_S)

    def ask_to_end(self) -> None:
        """SIGTERM, once: a second one would mean that it has to end at once."""
        if self.process.poll() is None and not self.is_asked:
            self.is_asked = True
            self.process.terminate()

    def end(self) -> int:
        """SIGTERM, and the exit code."""
        self.ask_to_end()
        try:
            return self.process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def log(self) -> str:
        return "".join(self.errors)


def environment() -> dict[str, str]:
    """One torch thread in each process: several share this machine's cores."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1"}


def run_meadow(*arguments: str, timeout_s: float = 120.0, **extra: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "meadow_engine", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env={**environment(), **extra},
        stdin=subprocess.DEVNULL,
        check=False,
    )


def start_meadow(*arguments: str) -> Program:
    """A command that runs until it is ended; returns without waiting for it to be ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "meadow_engine", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    program = Program(process)

    def read_errors() -> None:
        assert process.stderr is not None
        with process.stderr:
            program.errors.extend(process.stderr)

    threading.Thread(target=read_errors, daemon=True).start()
    return program


def wait_ready(program: Program) -> Program:
    """Wait for the ready line on stdout."""
    watch = threading.Timer(READY_TIMEOUT_S, program.process.kill)
    watch.start()
    try:
        assert program.process.stdout is not None
        line = program.process.stdout.readline()
    finally:
        watch.cancel()
    assert line, f"the program ended before it was ready:\n{program.log()}"
    program.ready = json.loads(line)
    return program


def close(program: Program) -> None:
    """End a program and let go of its pipes."""
    if program.process.poll() is None:
        program.end()
    for pipe in (program.process.stdin, program.process.stdout):
        if pipe is not None:
            pipe.close()


@contextmanager
def running_meadow(*arguments: str) -> Iterator[Program]:
    """A long-running command that is ready; it is ended with the block."""
    program = start_meadow(*arguments)
    try:
        yield wait_ready(program)
    finally:
        close(program)


def serve_arguments(
    model: Path, layers: tuple[int, int], join: Sequence[str] = (), dtype: str = "float32", name: str = ""
) -> list[str]:
    start, end = layers
    arguments = ["serve", str(model), "--layers", f"{start}:{end}", "--listen", LOOPBACK, "--dtype", dtype]
    arguments += ["--device", "cpu", "--public-name", name or f"layers-{start}-{end}"]
    for address in join:
        arguments += ["--join", address]
    return arguments


@dataclass
class Swarm:
    """Several engines that together hold a model."""

    model: Path
    engines: list[Program]

    @property
    def address(self) -> str:
        return self.engines[0].address

    def replace(self, index: int) -> Program:
        """Start an engine for the layers of one that was killed."""
        old = self.engines[index]
        others = [engine.address for engine in self.engines if engine is not old and engine.process.poll() is None]
        start, end = old.ready["layers"]
        close(old)
        self.engines[index] = wait_ready(start_meadow(*serve_arguments(self.model, (start, end), others)))
        return self.engines[index]


@contextmanager
def running_swarm(model: Path, spans: Sequence[tuple[int, int]], dtype: str = "float32") -> Iterator[Swarm]:
    """One `meadow serve` for each span; the first is where the others join."""
    swarm = Swarm(model, [])
    try:
        swarm.engines.append(wait_ready(start_meadow(*serve_arguments(model, spans[0], dtype=dtype))))
        swarm.engines += [start_meadow(*serve_arguments(model, span, [swarm.address], dtype)) for span in spans[1:]]
        for engine in swarm.engines[1:]:
            wait_ready(engine)
        yield swarm
    finally:
        for engine in swarm.engines:
            engine.ask_to_end()
        for engine in swarm.engines:
            close(engine)


def is_gone(process: psutil.Process) -> bool:
    """Gone, or dead and not yet waited for: process 1 of a container may never do that."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until(is_so: Any, timeout_s: float = 10.0, what: str = "it") -> None:
    """Poll something that another process does."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, f"{what} did not happen within {timeout_s} s"
        time.sleep(0.02)
