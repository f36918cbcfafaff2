"""`meadow doctor`: check what Meadow needs on this computer."""

from __future__ import annotations

import argparse
import json

from meadow_engine.cli.console import DONE, FAILED
from meadow_engine.cli.options import add_json, places_of

HELP = "check this computer"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from meadow_engine.checkup import check_all

    found = check_all(places_of(arguments))
    if arguments.json:
        print(json.dumps([{"name": c.name, "ok": c.is_ok, "finding": c.finding, "advice": c.advice} for c in found]))
    else:
        width = max(len(check.name) for check in found) + 2
        for check in found:
            print(f"{'ok ' if check.is_ok else 'BAD'}  {check.name:<{width}}{check.finding}")
            if check.advice and not check.is_ok:
                print(f"     {'':<{width}}{check.advice}")
    return DONE if all(check.is_ok for check in found) else FAILED
