"""The measurements of `make bench`, one process after the other: `python -m meadow_engine.bench.series FOLDER`.

Each leaves a record in FOLDER (`record.py`), also where it fails; then the others go on and the exit code is 1.
Progress goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from meadow_engine.bench.record import Record, write_record

STAGE_TIMEOUT_S = 900.0
_LAST_LINES = 3


@dataclass(frozen=True)
class Stage:
    """A measurement: a name for files, a title for people, and what follows `meadow bench`."""

    name: str
    title: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class RandomModel:
    """The model to measure with; the folder's name says its size."""

    layers: int
    hidden: int
    vocabulary: int

    def folder(self, series: Path) -> Path:
        return series / "models" / f"llama-{self.layers}x{self.hidden}"


NORMAL, TINY = RandomModel(12, 1024, 32000), RandomModel(4, 128, 1000)
Run = Callable[[list[str], float], "subprocess.CompletedProcess[str]"]


def stages(model: str, *, is_quick: bool = False) -> list[Stage]:
    """What is measured on one computer. Quick ones only show that everything works."""
    few = ("--runs", "1") if is_quick else ()
    long_prompt, prompt = ("512", "256") if is_quick else ("4096", "2048")
    beside = ("--clients", "4", "--long-prompt", long_prompt, "--runs", "3")  # a minute each
    losses = ("--quick",) if is_quick else ("--runs", "1")
    repetitive = ("--text", "repetitive", "--prompt-tokens", "96", "--lookup", "8")
    return [
        Stage("decode", "One chat", ("decode", model, *few)),
        Stage("decode-demo", "One chat with the bundled model", ("decode", "demo", "--tokens", "128", *few)),
        Stage("decode-lookup", "One chat whose text repeats itself", ("decode", model, *repetitive, *few)),
        Stage("prefill", "A long prompt", ("prefill", model, "--prompt-tokens", prompt, *few)),
        Stage("concurrent", "Eight chats at once", ("concurrent", model, *few)),
        Stage("concurrent-long-prompt", "Four chats beside a long prompt", ("concurrent", model, *beside, *few)),
        Stage("forward", "Whole texts, and gradients back", ("forward", model, *few)),
        Stage("recover-kills", "Servers are killed", ("recover", "demo", "--what", "kills", *losses)),
        Stage("recover-hand-over", "Servers leave on purpose", ("recover", "demo", "--what", "hand-over", *losses)),
    ]


def run_command(command: list[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL, check=False
    )


def measure(stage: Stage, run: Run = run_command, *, network: str = "", shown: Sequence[str] = ()) -> Record:
    """Run a stage; whatever goes wrong is in the record. `shown` replaces its arguments where people read them."""
    command = [sys.executable, "-m", "meadow_engine", "bench", *stage.arguments, "--json"]
    began = time.monotonic()
    report, error = None, ""
    try:
        done = run(command, STAGE_TIMEOUT_S)
        if done.returncode == 0:
            report = json.loads(done.stdout)
        else:
            error = " ".join(done.stderr.strip().splitlines()[-_LAST_LINES:]) or f"exit code {done.returncode}"
    except subprocess.TimeoutExpired:
        error = f"It took longer than {STAGE_TIMEOUT_S:.0f} s."
    except (OSError, json.JSONDecodeError) as problem:
        error = f"{type(problem).__name__}: {problem}"
    return Record(
        stage=stage.name,
        title=stage.title,
        command=" ".join(("meadow", "bench", *(shown or stage.arguments))),
        seconds=round(time.monotonic() - began, 1),
        finished=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        network=network,
        report=report,
        error=error,
    )


def make_model(model: RandomModel, folder: Path, run: Run = run_command) -> str:
    """Write a model unless it is there; why that is impossible, or nothing."""
    if (folder / "config.json").exists():
        return ""
    size = ["--layers", model.layers, "--hidden", model.hidden, "--vocabulary", model.vocabulary]
    command = [sys.executable, "-m", "meadow_engine", "bench", "make-model", folder, *size]
    done = run([str(word) for word in command], STAGE_TIMEOUT_S)
    return done.stderr.strip() if done.returncode else ""


def say(text: str) -> None:
    """Progress, for people."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def say_outcome(record: Record) -> None:
    """How a stage went, in a line."""
    if record.report is not None:
        say(f"  done in {record.seconds:.0f} s; ratio {record.report['ratio']['median']:.3g}")
    else:
        say(f"  failed after {record.seconds:.0f} s: {record.error}")


def read_arguments(words: str, arguments: Sequence[str] | None = None) -> Any:
    parser = argparse.ArgumentParser(description=words)
    parser.add_argument("folder", type=Path, help="where the records go")
    parser.add_argument("--quick", action="store_true", help="a tiny model and one run: only shows that it works")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = read_arguments("Measure on this computer, one thing after the other.", arguments)
    model = TINY if parsed.quick else NORMAL
    folder = model.folder(parsed.folder)
    say(f"Writing a random model to {folder}")
    if error := make_model(model, folder):
        say(f"  failed: {error}")  # the stages with the bundled model can go on
    todo = stages(str(folder), is_quick=parsed.quick)
    failed = 0
    for index, stage in enumerate(todo, 1):
        say(f"[{index}/{len(todo)}] {stage.title}: meadow bench {' '.join(stage.arguments)}")
        record = measure(stage)
        write_record(parsed.folder, index, record)
        say_outcome(record)
        failed += record.report is None
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
