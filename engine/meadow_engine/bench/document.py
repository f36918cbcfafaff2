"""docs/benchmarks.md from the records of a series: `python -m meadow_engine.bench.document FOLDER FILE`.

Needs no torch; running it again replaces the file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from meadow_engine.bench.record import Record, read_records
from meadow_engine.bench.table import rows, words_of

_MEANING = {
    "decode": (
        "Rates leave the first token out. The reference is Transformers' own `generate` in the same process with the"
        " same prompt. “Added per hop” is the difference of the times for a token, by the number of servers;"
        " “servers compute” is what the servers say they computed for a step."
    ),
    "prefill": (
        "From the call of `generate` to its first token, opening a chain included. The reference is Transformers with"
        " as many torch threads as the servers have together, as far as there are cores."
    ),
    "concurrent": "Tokens per second of all chats while all of them run. The reference is one chat alone.",
    "long-prompt": (
        "The chats' steps while a long prompt is computed, beside their steps before (the reference)."
        " A slowdown of 1 would mean that nobody notices."
    ),
    "forward": (
        "`model.remote` on a batch without a cache, beside local layers with as many torch threads as the servers"
        " together, as far as there are cores."
    ),
    "recover": (
        "What a chat notices when servers are lost. A stall is the longest pause between two tokens, or what a prompt"
        " takes longer than usual. With failures, the reference computes the whole text anew in a new session."
    ),
    "leaving": (
        "A chat in the middle of its answer, when a server of its chain hands over, or is killed. The ratio is the"
        " longest pause after a kill by that of a hand-over. “Megabytes moved” is what all servers received more than"
        " for the same text without any loss."
    ),
}
_MACHINE = {
    "system": "System",
    "processor": "Processor",
    "cores": "Cores",
    "memory_gib": "Memory, GiB",
    "python": "Python",
    "torch": "torch",
    "transformers": "transformers",
}


def document(records: Sequence[Record]) -> str:
    """The whole text."""
    return "\n".join(_lines(records)).rstrip("\n") + "\n"


def _lines(records: Sequence[Record]) -> Iterator[str]:
    yield "# Benchmarks"
    yield ""
    yield "Made by `make bench`, which replaces this file; do not edit it. Values are medians of several runs, with the"
    yield "least and the greatest in brackets. Both sides of a measurement run in turn in one process. The ratio is"
    yield "ours/reference in tokens per second, run by run: more is better. Models called `llama-…` are random weights,"
    yield "written by `meadow bench make-model`."
    yield ""
    yield from _machine(records)
    yield "## In short"
    yield ""
    rows_of_stages = [_summary(record) for record in records if record.error or _is_of_rates(record)]
    yield from _table(("measured", "model", "tokens/s, ours", "tokens/s, reference", "ratio"), rows_of_stages)
    for record in records:
        yield from _stage(record)


def _machine(records: Sequence[Record]) -> Iterator[str]:
    reports = [record.report for record in records if record.report is not None]
    machines = [report["machine"] for report in reports]
    yield "## The machine"
    yield ""
    if not machines:
        yield "Nothing could be measured."
        yield ""
        return
    values = [(words, str(machines[0][name])) for name, words in _MACHINE.items() if name in machines[0]]
    finished = max(record.finished for record in records)
    yield from _table(("", ""), [*values, ("Measured until", f"{finished} UTC")])
    if any(machine != machines[0] for machine in machines):
        yield "Not all of it was measured on this machine."
        yield ""
    yield "Servers and client share this one machine, so nothing here gets faster by having more computers."
    yield ""


def _is_of_rates(record: Record) -> bool:
    """Whether tokens per second are what was measured; of losses it is pauses."""
    return record.report is not None and "tokens_per_second" in record.report["results"]


def _summary(record: Record) -> tuple[str, ...]:
    if record.report is None:
        return record.title, "", "failed", "", ""
    report = record.report
    return (
        record.title,
        report["model"],
        words_of(report["results"]["tokens_per_second"]),
        words_of(report["reference"]["tokens_per_second"]),
        words_of(report["ratio"]),
    )


def _stage(record: Record) -> Iterator[str]:
    yield f"## {record.title}"
    yield ""
    if record.skipped:
        yield f"Skipped: {record.skipped}."
        yield ""
        return
    yield "```"
    yield record.command
    yield "```"
    yield ""
    if record.network:
        yield f"Network: {record.network}."
        yield ""
    if record.report is None:
        yield f"Failed after {record.seconds:.0f} s: {record.error}"
        yield ""
        return
    yield _MEANING[_kind(record.report)]
    yield ""
    name = "ratio of tokens per second" if _is_of_rates(record) else "ratio"
    body = [*rows(record.report), (name, words_of(record.report["ratio"]), "")]
    yield from _table(("", "ours", "reference"), body)
    runs = record.report["settings"]["runs"]
    yield f"{runs} {'run' if runs == 1 else 'runs'} of each side in {record.seconds:.0f} s, starting included."
    yield ""


def _kind(report: dict[str, Any]) -> str:
    return "long-prompt" if report["settings"].get("long_prompt") else str(report["bench"])


def _table(head: Sequence[str], body: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for line in body:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |"
    yield ""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write the document of a series of measurements.")
    parser.add_argument("folder", type=Path, help="where the records are")
    parser.add_argument("file", type=Path, help="what to write")
    parsed = parser.parse_args(arguments)
    text = document(read_records(parsed.folder))
    parsed.file.write_text(text, encoding="utf-8")
    sys.stderr.write(f"Wrote {parsed.file}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
