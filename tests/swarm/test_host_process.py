"""The host process by itself: what it says while it loads and serves, and how it ends in every case."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

import msgspec
import psutil
import pytest

from fakes.processes import LOOPBACK, environment, is_gone, wait_until
from meadow_assets import demo_model_path
from meadow_engine.host.protocol import (
    Command,
    Ending,
    Failed,
    Leave,
    Loading,
    Order,
    Report,
    Served,
    Serving,
    encode,
    report_decoder,
)

READY_S = 60.0


class Host:
    """A process of `meadow_engine.host`, what it reports, and its p2pd."""

    def __init__(self) -> None:
        self.family: list[psutil.Process] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "meadow_engine.host"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        self.reports: Queue[Report | None] = Queue()
        self.errors: list[bytes] = []
        self.threads = [Thread(target=work, daemon=True) for work in (self._hear, self._keep_errors)]
        for thread in self.threads:
            thread.start()

    def tell(self, *commands: Command) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"".join(encode(command) + b"\n" for command in commands))
        self.process.stdin.flush()

    def next(self) -> Report:
        """What it reports next; fails when it ends instead."""
        try:
            report = self.reports.get(timeout=READY_S)
        except Empty:
            raise AssertionError(f"it says nothing:\n{self.log()}") from None
        assert report is not None, f"it ended:\n{self.log()}"
        return report

    def ends_within(self, seconds: float) -> int:
        """Its exit code; nothing may be left of it, and nobody in its family."""
        code = self.process.wait(seconds)
        wait_until(lambda: all(is_gone(child) for child in self.family), 3, "p2pd's end")
        return code

    def meet_family(self) -> None:
        self.family = psutil.Process(self.process.pid).children(recursive=True)

    def log(self) -> str:
        return b"".join(self.errors).decode()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for thread in self.threads:
            thread.join(10)
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.close()

    def _hear(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                with suppress(msgspec.DecodeError):
                    self.reports.put(report_decoder.decode(line))
        self.reports.put(None)

    def _keep_errors(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr:
            self.errors.extend(self.process.stderr)


@pytest.fixture
def host() -> Iterator[Host]:
    started = Host()
    yield started
    started.close()


@pytest.fixture
def order(tmp_path: Path) -> Callable[..., Order]:
    def write(model: str = "", layers: str = "2:5") -> Order:
        return Order(
            model=model or str(demo_model_path()),
            layers=layers,
            device="cpu",
            dtype="float32",
            quantization="none",
            public_name="host of the tests",
            initial_peers=[],
            listen=[LOOPBACK],
            identity_file=str(tmp_path / "host-identity"),
        )

    return write


def serving(host: Host, order: Order) -> Serving:
    """Wait until it serves."""
    host.tell(order)
    assert host.next() == Loading("meadow-demo")
    report = host.next()
    assert isinstance(report, Serving)
    host.meet_family()
    assert [child.name() for child in host.family] == ["p2pd"]
    return report


def test_it_says_how_far_it_is_and_leaves_when_told(host: Host, order: Callable[..., Order]) -> None:
    report = serving(host, order())
    assert (report.model, report.start, report.end) == ("meadow-demo", 2, 5)
    assert all(report.peer in address for address in report.address)
    host.tell(Leave(5.0))
    assert host.ends_within(5.0) == 0
    assert not [report for report in iter(host.reports.get, None) if not isinstance(report, Served)]


def test_it_gives_way_to_whoever_uses_the_computer(host: Host, order: Callable[..., Order]) -> None:
    before = psutil.Process().nice()
    serving(host, order())
    assert psutil.Process(host.process.pid).nice() == min(19, before + 10)


def test_told_to_leave_while_it_loads_it_ends_and_never_serves(host: Host, order: Callable[..., Order]) -> None:
    host.tell(order())
    assert isinstance(host.next(), Loading)
    host.meet_family()
    host.tell(Leave(2.0))
    assert host.ends_within(5.0) == 0
    assert not [report for report in iter(host.reports.get, None) if isinstance(report, Serving)]


def test_told_to_leave_in_the_same_breath_it_does_not_begin(host: Host, order: Callable[..., Order]) -> None:
    host.tell(order(), Leave(2.0))
    assert host.process.wait(READY_S) == 0
    assert host.reports.get() is None


def test_the_end_of_its_engine_ends_it_soon(host: Host, order: Callable[..., Order]) -> None:
    serving(host, order())
    assert host.process.stdin is not None
    began_s = time.monotonic()
    host.process.stdin.close()
    assert host.ends_within(5.0) == 0
    assert time.monotonic() - began_s < 4.0


def test_the_end_of_its_engine_ends_it_also_while_its_loop_waits_for_a_device_that_hangs() -> None:
    program = (
        "import asyncio, time\n"
        "from meadow_engine.host.__main__ import hear_commands\n"
        "async def main(): hear_commands(lambda command: None); print(flush=True); time.sleep(60)\n"
        "asyncio.run(main())"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, env=environment()) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        process.stdin.close()
        try:
            assert process.wait(10) == 1
        finally:
            process.kill()


def test_sigterm_alone_lets_it_leave_and_it_says_so(host: Host, order: Callable[..., Order]) -> None:
    serving(host, order())
    host.process.terminate()
    assert host.ends_within(5.0) == 0
    assert [report for report in iter(host.reports.get, None) if not isinstance(report, Served)] == [Ending()]
    assert "Traceback" not in host.log()


@pytest.mark.parametrize(("times", "code"), [(1, 1), (2, -signal.SIGTERM)], ids=["soon", "at once"])
def test_sigterm_ends_it_also_while_its_loop_waits_for_a_device_that_hangs(times: int, code: int) -> None:
    program = (
        "import asyncio, time\n"
        "from meadow_engine.host.__main__ import hear_sigterm\n"
        "async def main(): hear_sigterm(lambda command: None); print(flush=True); time.sleep(60)\n"
        "asyncio.run(main())"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            for _ in range(times):
                process.terminate()
                time.sleep(0.3)
            assert process.wait(10) == code
        finally:
            process.kill()


def test_a_model_that_is_not_there_is_a_failure_with_advice(
    host: Host, order: Callable[..., Order], tmp_path: Path
) -> None:
    host.tell(order(model=str(tmp_path / "no-model")))
    report = host.next()
    assert isinstance(report, Failed)
    assert report.code
    assert report.message
    assert report.advice
    assert host.ends_within(10.0) == 1
    assert "Traceback" not in host.log()


def test_layers_that_the_model_does_not_have_are_a_failure(host: Host, order: Callable[..., Order]) -> None:
    host.tell(order(layers="6:12"))
    reports = [host.next()]
    while not isinstance(reports[-1], Failed):
        reports.append(host.next())
    assert reports[-1].code == "layers-out-of-range"
    assert host.ends_within(10.0) == 1
