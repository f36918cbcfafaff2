"""Random faults against real engines, run after run: `PYTHONPATH=tests python -m chaos.storm --runs 300 --seed 0`.

Every run generates a text (greedy, sampled with a seed, beams, prompt lookup, a padded batch) while one to three things
go wrong: engines are killed, stopped for a while, killed and started again, streams break off; on emulated hosts (for
three runs in ten, where this computer can have some) links are cut for a while or become slow, too. Each time the text
has to be what the model says alone, and afterwards no engine may hold anything for anybody.

A run follows from its seed, but for timing and the choice of servers: `--only SEED` plays one again, `--times N` as
often as that. Exit code 1 if any failed; everything that is needed to play them again is on stderr.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from chaos.ground import Fault, Ground
from chaos.netlab import Lab, why_no_lab
from chaos.nursery import Nursery
from chaos.talker import KINDS
from fakes.models import POSITIONS, VOCABULARY, write_tiny_model

SPANS = [(0, 2), (2, 4), (4, 6), (0, 2), (2, 4), (4, 6)]
STAGES = 3
RTT_MS = 3.0
ANYWHERE = ("kill", "stop", "restart", "abort")
ON_HOSTS = (*ANYWHERE, "cut", "slow")


@dataclass(frozen=True)
class Mishap:
    """What goes wrong: to the server at `place` of the chain, `delay_s` after token `after`, for `lasts_s` if it ends.

    A cut or slow link lies between that server and the one before, or the client.
    """

    kind: str
    place: int
    after: int
    delay_s: float
    lasts_s: float

    def __str__(self) -> str:
        lasts = f" for {self.lasts_s:.1f} s" if self.kind in ("stop", "cut", "slow") else ""
        return f"{self.kind} {self.place + 1}{lasts} {self.delay_s * 1000:.0f} ms after token {self.after}"


@dataclass(frozen=True)
class Run:
    """One run, as its seed says."""

    seed: int
    is_on_hosts: bool
    request: dict[str, Any]
    mishaps: list[Mishap]

    def __str__(self) -> str:
        request = self.request
        prompt = "+".join(str(len(text)) for text in request["texts"])
        where = "hosts" if self.is_on_hosts else "loopback"
        faults = "; ".join(map(str, self.mishaps))
        return f"seed {self.seed} ({where}): {request['kind']}, {prompt} + {request['tokens']} tokens; {faults}"


def plan(seed: int, *, has_hosts: bool) -> Run:
    """The run of a seed."""
    chance = random.Random(seed)
    is_on_hosts = chance.random() < 0.3 and has_hosts
    kind = chance.choice(KINDS)
    tokens = chance.randint(8, 80)
    longest = POSITIONS - tokens - 16
    length = min(longest, int(2 ** chance.uniform(1, 9)))
    lengths = [chance.randint(1, length) for _ in range(3)] + [length] if kind == "batch" else [length]
    texts = [[chance.randrange(3, VOCABULARY) for _ in range(one)] for one in lengths]
    request = {"texts": texts, "tokens": tokens, "kind": kind, "seed": seed}
    mishaps = [
        Mishap(
            kind=chance.choice(ON_HOSTS if is_on_hosts else ANYWHERE),
            place=chance.randrange(STAGES),
            after=chance.choice([0, chance.randrange(tokens), chance.randrange(tokens)]),
            delay_s=chance.uniform(0, 0.03),
            lasts_s=chance.uniform(0.5, 5.0),
        )
        for _ in range(chance.randint(1, 3))
    ]
    return Run(seed, is_on_hosts, request, mishaps)


class Storm:
    """Lets things go wrong on a ground, and puts them right again."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._lock = threading.Lock()
        self._timers: list[threading.Timer] = []

    def faults(self, mishaps: Sequence[Mishap]) -> list[Fault]:
        return [Fault(mishap.after, partial(self._strike, mishap), mishap.delay_s) for mishap in mishaps]

    def calm(self) -> None:
        """Wait until what ends has ended, and start everybody again who died."""
        for timer in self._timers:
            timer.join()
        self._timers.clear()
        self._ground.restart_dead()

    def _strike(self, mishap: Mishap, peers: list[str]) -> None:
        ground = self._ground
        with self._lock:
            index = self._victim(mishap, peers)
            engine = ground.engines[index]
            match mishap.kind:
                case "kill" if self._has_second(index):
                    engine.kill()
                case "kill" | "restart":
                    ground.restart(index)
                case "stop":
                    engine.signal_all(signal.SIGSTOP)
                    self._later(mishap.lasts_s, lambda: engine.signal_all(signal.SIGCONT))
                case "abort":
                    ground.abort(mishap.place)
                case _:
                    self._spoil_link(mishap, index, peers)

    def _spoil_link(self, mishap: Mishap, index: int, peers: list[str]) -> None:
        lab = self._ground.lab
        assert lab is not None
        before = 1 + self._ground.engine_of(peers[mishap.place - 1]) if peers and mishap.place else 0
        after = 1 + index
        if mishap.kind == "cut":
            lab.cut(before, after)
            self._later(mishap.lasts_s, lambda: lab.mend(before, after))
        else:
            lab.delay(before, after, 150.0)
            self._later(mishap.lasts_s, lambda: lab.delay(before, after, RTT_MS))

    def _victim(self, mishap: Mishap, peers: list[str]) -> int:
        """The engine at a place of the chain; before there is a chain, any of that span."""
        if mishap.place < len(peers):
            for index, engine in enumerate(self._ground.engines):
                if engine.ready.get("peer") == peers[mishap.place]:
                    return index
        return mishap.place

    def _has_second(self, index: int) -> bool:
        ground = self._ground
        return any(
            engine.is_alive and other != index and ground.spans[other] == ground.spans[index]
            for other, engine in enumerate(ground.engines)
        )

    def _later(self, seconds: float, act: Any) -> None:
        timer = threading.Timer(seconds, act)
        timer.start()
        self._timers.append(timer)


@dataclass(frozen=True)
class Outcome:
    """What came of a run; `error` is empty if all was well."""

    error: str = ""
    seconds: float = 0.0
    recoveries: int = 0
    pause_s: float = 0.0


def play(ground: Ground, run: Run) -> Outcome:
    storm = Storm(ground)
    expected = ground.alone(run.request)
    began_s = time.monotonic()
    answer: dict[str, Any] = {}
    try:
        answer = ground.talk(run.request, storm.faults(run.mishaps))
        error = "" if answer["text"] == expected else difference(expected, answer["text"])
    except AssertionError as failure:
        error = str(failure)
    logs = ground.logs() if error else ""
    storm.calm()
    try:
        ground.wait_clean()
    except AssertionError as failure:
        error += f"\n{failure}"
    if error:
        say(logs)
        ground.restart_client()
    return Outcome(error, time.monotonic() - began_s, answer.get("recoveries", 0), answer.get("longest_gap_s", 0.0))


def difference(expected: list[list[int]], said: list[list[int]]) -> str:
    for row, (one, other) in enumerate(zip(expected, said, strict=True)):
        for place, (token, wrong) in enumerate(zip(one, other, strict=True)):
            if token != wrong:
                return f"another text: token {place} of row {row} is {wrong} and not {token}"
    return "another text: of another length"


def say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def grounds(stack: ExitStack, *, has_hosts: bool) -> Iterator[Ground]:
    """On loopback, then on hosts."""
    model = write_tiny_model(Path(stack.enter_context(tempfile.TemporaryDirectory())), "llama", layers=SPANS[-1][1])
    nursery = stack.enter_context(Nursery())
    yield Ground(nursery, model, SPANS, Path(stack.enter_context(tempfile.TemporaryDirectory())))
    if has_hosts:
        lab = stack.enter_context(Lab(1 + len(SPANS), RTT_MS))
        yield Ground(nursery, model, SPANS, Path(stack.enter_context(tempfile.TemporaryDirectory())), lab)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Random faults against real engines.")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the first run; the next ones count on")
    parser.add_argument("--only", type=int, metavar="SEED", help="play this run alone")
    parser.add_argument("--times", type=int, default=1, help="with --only: so many times")
    parsed = parser.parse_args(arguments)
    has_hosts = why_no_lab() is None
    if not has_hosts:
        say(f"No emulated hosts: {why_no_lab()}")
    seeds = [parsed.only] * parsed.times if parsed.only is not None else range(parsed.seed, parsed.seed + parsed.runs)
    outcomes: dict[int, Outcome] = {}
    failed: list[int] = []
    with ExitStack() as stack:
        runs = [plan(seed, has_hosts=has_hosts) for seed in seeds]
        made = grounds(stack, has_hosts=any(run.is_on_hosts for run in runs))
        places = list(made)
        files: dict[int, int] = {}
        for number, run in enumerate(runs):
            ground = places[-1] if run.is_on_hosts else places[0]
            outcome = outcomes[number] = play(ground, run)
            files.setdefault(id(ground), ground.report()["files"])
            said = "FAILED" if outcome.error else "ok"
            say(
                f"{run}: {said} in {outcome.seconds:.1f} s, {outcome.recoveries} recoveries,"
                f" longest pause {outcome.pause_s:.2f} s"
            )
            if outcome.error:
                failed.append(run.seed)
                say(f"{outcome.error}\n{json.dumps(run.request)}\nagain: python -m chaos.storm --only {run.seed}")
        for ground in places:
            now = ground.report()["files"]
            say(f"Files and sockets that the client has open: {now}, {files.get(id(ground), now)} after the first run")
    pauses = sorted(outcome.pause_s for outcome in outcomes.values())
    say(
        f"{len(outcomes)} runs, {sum(outcome.recoveries for outcome in outcomes.values())} recoveries,"
        f" {len(failed)} failed{': ' + ', '.join(map(str, failed)) if failed else ''};"
        f" longest pause: median {statistics.median(pauses):.2f} s, worst {pauses[-1]:.2f} s"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
