"""Start many programs quickly: one warm process has imported everything and forks a copy for each of them.

An engine takes seconds to start, nearly all of them for importing torch. Here it takes some tenths, so that faults can
kill engines by the hundred. A copy is a process like any other: it can be killed, stopped and put on an emulated host.

    with Nursery() as nursery:
        engine = nursery.start("meadow_engine.cli.main", ["serve", ...], namespace=lab.namespace(1))
        print(wait_ready(engine).address)

The warm process has one thread and opens no files; whoever is forked from it gets pipes of its own.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from fakes.processes import END_TIMEOUT_S, READY_TIMEOUT_S

_WARM = (
    "torch",
    "transformers",
    "transformers.models.llama.modeling_llama",
    "meadow_client.models.auto",
    "meadow_client.swarm.node",
    "meadow_engine.cli.main",
    "meadow_engine.hosting",
)
_CLONE_NEWNET = 0x40000000
_NAMESPACES = Path("/run/netns")
_MAX_REQUEST_BYTES = 65536


@dataclass
class Fledgling:
    """A program that was forked; its stderr is kept. `name` is for people who read a failure."""

    name: str
    pid: int
    stdin: IO[str]
    stdout: IO[str]
    ready: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    is_read: bool = False
    """Whether a thread reads and closes `stdout`."""
    is_asked_to_end: bool = False

    @property
    def address(self) -> str:
        return str(self.ready["address"][0])

    @property
    def peer(self) -> str:
        return str(self.ready["peer"])

    @property
    def is_alive(self) -> bool:
        return Path(f"/proc/{self.pid}").exists()

    def send(self, number: signal.Signals) -> None:
        if self.is_alive:
            os.kill(self.pid, number)

    def signal_all(self, number: signal.Signals) -> None:
        """To the program and its children (p2pd): as if the whole computer were meant."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        for pid in [self.pid, *map(int, children.read_text().split())] if children.exists() else []:
            os.kill(pid, number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self._wait()

    def close(self) -> None:
        """Kill it and let go of its pipes."""
        self.kill()
        with suppress(BrokenPipeError):
            self.stdin.close()
        if not self.is_read:
            self.stdout.close()

    def end(self) -> None:
        """SIGTERM, and SIGKILL where that does not help."""
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            self._wait()
        finally:
            self.close()

    def wait_ready(self) -> Fledgling:
        """Wait for the ready line."""
        watch = threading.Timer(READY_TIMEOUT_S, self.send, (signal.SIGKILL,))
        watch.start()
        try:
            line = self.stdout.readline()
        finally:
            watch.cancel()
        assert line, f"{self.name} ended before it was ready:\n{self.log()}"
        self.ready = json.loads(line)
        return self

    def open_files(self) -> int:
        """How many files and sockets it has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def log(self) -> str:
        return "".join(self.errors)

    def _wait(self) -> None:
        deadline_s = time.monotonic() + END_TIMEOUT_S
        while self.is_alive:
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"{self.name} did not end within {END_TIMEOUT_S:.0f} s")
            time.sleep(0.005)


class Nursery:
    """The warm process, as long as the block; whoever it started is killed with it."""

    def __init__(self, warm: Sequence[str] = _WARM) -> None:
        self._warm = warm
        self._started: list[Fledgling] = []

    def __enter__(self) -> Nursery:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            one_thread = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "chaos.nursery", str(theirs.fileno()), *self._warm],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={
                    **os.environ,
                    **one_thread,
                    "PYTHONUNBUFFERED": "1",
                    "HF_HUB_OFFLINE": "1",
                    "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                },
            )
        return self

    def __exit__(self, *_: object) -> None:
        for program in self._started:
            program.close()
        self._socket.close()
        self._process.wait(END_TIMEOUT_S)

    def start(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        name: str = "",
        namespace: str = "",
        clock_shift_s: float = 0.0,
    ) -> Fledgling:
        """Run `main(arguments)` of a module; returns without waiting for it to be ready.

        `namespace` is the network namespace to run in; `clock_shift_s` is how far its wall clock goes wrong.
        """
        pipes = [os.pipe() for _ in range(3)]
        (in_read, in_write), (out_read, out_write), (error_read, error_write) = pipes
        theirs = [in_read, out_write, error_write]
        request = {
            "module": module,
            "arguments": list(arguments),
            "namespace": namespace,
            "clock_shift_s": clock_shift_s,
        }
        try:
            socket.send_fds(self._socket, [json.dumps(request).encode()], theirs)
            answer = self._socket.recv(_MAX_REQUEST_BYTES)
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        assert answer, "the nursery has ended"
        program = Fledgling(name or module, int(answer), os.fdopen(in_write, "w"), os.fdopen(out_read, "r"))
        self._started.append(program)

        def read_errors() -> None:
            with os.fdopen(error_read, "r", errors="replace") as errors:
                program.errors.extend(errors)

        threading.Thread(target=read_errors, daemon=True).start()
        return program


def _run(request: Mapping[str, Any]) -> int:
    """In the forked process: become the program."""
    if request["namespace"]:
        _enter(request["namespace"])
    if shift_s := request["clock_shift_s"]:
        _shift_clock(shift_s)
    main = importlib.import_module(request["module"]).main
    return int(main(request["arguments"]))


def _shift_clock(by_s: float) -> None:
    """Let the wall clock go wrong, also for modules that have taken `time.time` by another name."""
    right = time.time

    def wrong() -> float:
        return right() + by_s

    for module in list(sys.modules.values()):
        for name, value in list(vars(module).items()):
            if value is right:
                setattr(module, name, wrong)


def _enter(namespace: str) -> None:
    """As `ip netns exec` does, without its view of /sys."""
    with (_NAMESPACES / namespace).open() as opened:
        if ctypes.CDLL(None, use_errno=True).setns(opened.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


def _serve(control: socket.socket) -> None:
    """Fork for every request, until the control socket closes."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries them
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        message, descriptors, _flags, _address = socket.recv_fds(control, _MAX_REQUEST_BYTES, 3)
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            control.close()
            for number, descriptor in enumerate(descriptors):
                os.dup2(descriptor, number)
            for descriptor in descriptors:
                os.close(descriptor)
            code = 1
            try:
                code = _run(json.loads(message))
            except BaseException:  # noqa: BLE001 - shown where the program's errors are kept
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        for descriptor in descriptors:
            os.close(descriptor)
        control.send(str(pid).encode())


if __name__ == "__main__":
    for module in sys.argv[2:]:
        importlib.import_module(module)
    _serve(socket.socket(fileno=int(sys.argv[1])))
