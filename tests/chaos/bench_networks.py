"""Measurements over emulated networks: `PYTHONPATH=tests python -m chaos.bench_networks FOLDER`.

Host 0 is the meeting point and the client, every other host is one engine with one torch thread. Records go beside
those of `meadow_engine.bench.series`, for the same document. Without root or /dev/net/tun it says so, and that is no
failure.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos.netlab import Lab, why_no_lab
from fakes.processes import Program, environment, wait_ready
from meadow_engine.bench.record import Record, write_record
from meadow_engine.bench.series import NORMAL, TINY, Stage, make_model, measure, read_arguments, say, say_outcome
from meadow_engine.bench.sides import codecs
from meadow_engine.local_swarm import split_layers

ENGINES = 3
DEVICE, ADDRESS = "DEVICE", "ADDRESS"
"""Stand in commands for what differs from lab to lab."""
FIRST = 50
"""Where these records stand in the document: after those of one computer."""


@dataclass(frozen=True)
class Network:
    """What lies between any two hosts."""

    rtt_ms: float
    mbit: float

    def __str__(self) -> str:
        return f"{ENGINES} servers, round trips of {self.rtt_ms:.0f} ms, {self.mbit:.0f} Mbit/s each way"


FAST, SLOW = Network(100, 100), Network(100, 20)


@dataclass
class LabSwarm:
    """Where programs on host 0 join, and what their network device is called."""

    lab: Lab
    join: str

    def run(self, command: list[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
        """A command on host 0."""
        return self.lab.run(0, command, capture_output=True, timeout=timeout_s, env=environment())


@contextmanager
def running_lab_swarm(model: Path, layers: int, network: Network) -> Iterator[LabSwarm]:
    """A meeting point and engines that hold a model, each on its own host."""
    with Lab(1 + ENGINES, network.rtt_ms, network.mbit) as lab, tempfile.TemporaryDirectory() as base:

        def start(host: int, *arguments: str) -> Program:
            listen = ["--listen", f"/ip4/{lab.address(host)}/tcp/0", "--base-dir", f"{base}/{host}", "--quiet"]
            command = [sys.executable, "-m", "meadow_engine", *arguments, *listen]
            return Program(
                lab.popen(host, command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment())
            )

        join = wait_ready(start(0, "bootstrap")).address
        serve = ["serve", str(model), "--device", "cpu", "--dtype", "float32", "--join", join]
        engines = [
            start(1 + index, *serve, "--layers", f"{begin}:{end}", "--public-name", f"computer-{index + 1}")
            for index, (begin, end) in enumerate(split_layers(layers, ENGINES))
        ]
        for engine in engines:
            wait_ready(engine)
        yield LabSwarm(lab, join)


def stages(model: str, network: Network, *, is_quick: bool) -> Iterator[Stage]:
    """What is measured on a network; on a slow one also how hidden states travel, where clients can choose."""
    few = ("--join", ADDRESS, "--runs", "1" if is_quick else "5")
    fewer = ("--join", ADDRESS, "--runs", "1" if is_quick else "3")
    choices = codecs() if network is SLOW else ()
    measured: list[str] = [*choices] or [""]
    speed = f"{network.mbit:.0f}mbit"
    for codec in measured:
        chosen = ("--codec", codec) if codec else ()
        suffix, words = (f"-{codec}", f", {codec}") if codec else ("", "")
        decode = ("decode", model, "--tokens", "16", *chosen, "--count-bytes", DEVICE, *few)
        yield Stage(f"decode-{speed}{suffix}", f"One chat far away, {network.mbit:.0f} Mbit/s{words}", decode)
        tokens = "2048" if network is FAST and not is_quick else "512"
        prefill = ("prefill", model, "--prompt-tokens", tokens, *chosen, *fewer)
        title = f"A long prompt far away, {network.mbit:.0f} Mbit/s{words}"
        yield Stage(f"prefill-{speed}{suffix}", title, prefill)
        if network is FAST:
            yield Stage(f"prefill-{speed}-whole", f"{title}, in one piece", (*prefill, "--piece-tokens", "0"))
            repetitive = ("--text", "repetitive", "--prompt-tokens", "256", "--tokens", "64", "--lookup", "10")
            title = f"One chat far away, {network.mbit:.0f} Mbit/s"
            lookup = ("decode", model, *repetitive, *fewer)
            yield Stage(f"decode-{speed}-lookup", f"{title}, text that repeats itself", lookup)
            helpless = ("decode", model, "--tokens", "32", "--lookup", "10", *fewer)
            yield Stage(f"decode-{speed}-helpless", f"{title}, text that nothing can foretell", helpless)


def measure_networks(folder: Path, networks: Sequence[Network], *, is_quick: bool) -> int:
    """Write a record of every stage; how many failed."""
    random_model = TINY if is_quick else NORMAL
    model, layers = random_model.folder(folder), random_model.layers
    if error := make_model(random_model, model):
        say(f"The model to measure with could not be written: {error}")
        return 1
    failed, order = 0, FIRST
    for network in networks:
        say(f"Starting an emulated network: {network}")
        try:
            with running_lab_swarm(model, layers, network) as swarm:
                for stage in stages(str(model), network, is_quick=is_quick):
                    say(f"  {stage.title}: meadow bench {' '.join(stage.arguments)}")
                    known = {DEVICE: swarm.lab.device(0), ADDRESS: swarm.join}
                    joined = Stage(stage.name, stage.title, tuple(known.get(word, word) for word in stage.arguments))
                    shown = stage.arguments
                    record = measure(joined, swarm.run, network=str(network), shown=shown)
                    write_record(folder, order, record)
                    say_outcome(record)
                    failed += record.report is None
                    order += 1
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            lines = str(error).strip().splitlines()
            why = f"The network or a program on it could not be started: {lines[0] if lines else type(error).__name__}"
            say(f"  failed: {why}")
            name = f"network-{network.mbit:.0f}mbit"
            write_record(folder, order, Record(name, f"Far away, {network.mbit:.0f} Mbit/s", error=why))
            failed, order = failed + 1, order + 1
    return failed


def main() -> int:
    parsed = read_arguments("Measure over emulated networks.")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if reason := why_no_lab():
        say(f"Skipped the emulated networks: {reason}.")
        write_record(parsed.folder, FIRST, Record("networks", "Far away", skipped=reason))
        return 0
    return 1 if measure_networks(parsed.folder, [FAST, SLOW], is_quick=parsed.quick) else 0


if __name__ == "__main__":
    sys.exit(main())
