"""What it costs on a network when a server leaves: handed over, or rebuilt by others.

    PYTHONPATH=tests python -m chaos.bench_leaving FOLDER

The bundled model in four parts with a replica of each, every engine on an emulated host of its own, and a chat in the
middle of its answer when an engine of its chain gets SIGTERM (it hands over), or is killed (the server before it sends
again what it retained; for the first one of the chain, the client sends the tokens). Measured are the longest pause
between two tokens, beside the usual one, and the bytes that all engines received more than for the same text without
any loss. The text is compared every time. The record stands beside those of `bench_networks`.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chaos.bench_networks import FIRST
from chaos.ground import Fault, Ground
from chaos.netlab import Lab, why_no_lab
from chaos.nursery import Fledgling, Nursery
from meadow_assets import demo_model_path
from meadow_engine.bench.record import Record, write_record
from meadow_engine.bench.report import machine, spread
from meadow_engine.bench.series import read_arguments, say, say_outcome
from meadow_engine.local_swarm import split_layers

RTT_MS, MBIT = 50.0, 100.0
LAYERS, STAGES = 8, 4
PROMPT, TOKENS, BROKEN_AT = 512, 40, 12
# An id that the bundled model knows for certain.
_MOST_ID = 1000
_ORDER = FIRST + 40


@dataclass
class Losses:
    """What one way of leaving cost, run by run."""

    gaps_s: list[float] = field(default_factory=list)
    bytes_moved: list[float] = field(default_factory=list)
    recoveries: int = 0

    def results(self, name: str) -> dict[str, Any]:
        return {
            f"{name}: longest pause s": spread(self.gaps_s),
            f"{name}: megabytes moved": spread([moved / 1e6 for moved in self.bytes_moved]),
        }


class Leaving:
    """The measurement on one ground."""

    def __init__(self, ground: Ground, lab: Lab) -> None:
        self._ground, self._lab = ground, lab

    def received(self) -> int:
        """Bytes that came in at the network devices of all engines."""
        total = 0
        for host in range(1, self._lab.hosts):
            shown = self._lab.run(host, ["cat", "/proc/net/dev"], capture_output=True).stdout
            line = next(line for line in shown.splitlines() if line.strip().startswith(self._lab.device(host) + ":"))
            total += int(line.partition(":")[2].split()[0])
        return total

    def talk(self, seed: int, act: Callable[[int], object] | None = None, place: int = 1) -> tuple[dict[str, Any], int]:
        """One answer, and the bytes that engines received meanwhile; `act` is told which engine has the place."""
        request = request_of(seed)
        before = self.received()
        faults = [Fault(BROKEN_AT, lambda peers: act(self._ground.engine_of(peers[place])))] if act is not None else []
        answer = self._ground.talk(request, faults)
        moved = self.received() - before
        if answer["text"] != self._ground.alone(request):
            raise AssertionError(f"another text with seed {seed}")
        return answer, moved

    def lose(self, seed: int, act: Callable[[Fledgling], object], place: int, losses: Losses) -> float:
        """An answer without any loss and one with; the usual pause between two tokens, in seconds."""
        calm, usual_bytes = self.talk(seed)
        broken, moved = self.talk(seed, lambda engine: act(self._ground.engines[engine]), place)
        losses.gaps_s.append(broken["longest_gap_s"])
        losses.bytes_moved.append(moved - usual_bytes)
        losses.recoveries += broken["recoveries"]
        for engine in self._ground.engines:
            while engine.is_asked_to_end and engine.is_alive:
                time.sleep(0.02)
        self._ground.restart_dead()
        self._ground.wait_clean()
        return float(calm["longest_gap_s"])


def request_of(seed: int) -> dict[str, Any]:
    chance = random.Random(seed)
    text = [chance.randrange(3, _MOST_ID) for _ in range(PROMPT)]
    return {"texts": [text], "tokens": TOKENS, "kind": "greedy", "seed": seed}


def leave(engine: Fledgling) -> None:
    """Ask it to end; it hands over first."""
    engine.is_asked_to_end = True
    engine.send(signal.SIGTERM)


def measure(runs: int) -> dict[str, Any]:
    """A report as every measurement has it; the ratio is recovery's longest pause by that of the hand-over.

    Raises:
        AssertionError: a text was another one, or a program did not start.
    """
    spans = split_layers(LAYERS, STAGES) * 2
    handed, retained, tokens = Losses(), Losses(), Losses()
    ways = ((leave, 1, handed), (Fledgling.kill, 1, retained), (Fledgling.kill, 0, tokens))
    usual_s: list[float] = []
    with (
        Lab(1 + len(spans), RTT_MS, MBIT) as lab,
        Nursery() as nursery,
        tempfile.TemporaryDirectory() as base,
    ):
        leaving = Leaving(Ground(nursery, demo_model_path(), spans, Path(base), lab), lab)
        leaving.talk(0)
        for run in range(runs):
            for act, place, losses in ways:
                usual_s.append(leaving.lose(run, act, place, losses))
            gaps = ", ".join(f"{losses.gaps_s[-1]:.2f}" for _act, _place, losses in ways)
            say(f"  run {run + 1} of {runs}: longest pauses of {gaps} s")
    pairs = zip(retained.gaps_s, handed.gaps_s, strict=True)
    return {
        "bench": "leaving",
        "model": "meadow-demo",
        "settings": {"context": PROMPT, "tokens": TOKENS, "stages": STAGES, "runs": runs},
        "machine": machine(),
        "results": {
            **handed.results("handed over"),
            **retained.results("killed, retained"),
            **tokens.results("killed, from tokens"),
            "recoveries": handed.recoveries + retained.recoveries + tokens.recoveries,
            "same text": True,
        },
        "reference": {"longest pause without a loss s": spread(usual_s)},
        "ratio": spread([killed / left for killed, left in pairs]),
    }


def main() -> int:
    parsed = read_arguments("Measure what it costs on a network when servers leave.")
    network = f"{STAGES} parts with a replica each, round trips of {RTT_MS:.0f} ms, {MBIT:.0f} Mbit/s each way"
    command = "PYTHONPATH=tests python -m chaos.bench_leaving FOLDER"
    title = "A server leaves, far away"
    if reason := why_no_lab():
        say(f"Skipped: {reason}.")
        write_record(parsed.folder, _ORDER, Record("leaving", title, skipped=reason))
        return 0
    say(f"Starting an emulated network: {network}")
    began_s = time.monotonic()
    report, error = None, ""
    try:
        report = measure(1 if parsed.quick else 5)
    except (AssertionError, OSError, subprocess.SubprocessError) as problem:
        error = (str(problem).strip().splitlines() or [type(problem).__name__])[0]
    record = Record(
        stage="leaving",
        title=title,
        command=command,
        seconds=round(time.monotonic() - began_s, 1),
        finished=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        network=network,
        report=report,
        error=error,
    )
    write_record(parsed.folder, _ORDER, record)
    say_outcome(record)
    return 1 if error else 0


if __name__ == "__main__":
    sys.exit(main())
