"""`meadow-desktop`, and `python -m meadow_desktop`: reads the command line and runs the desktop.

Qt is imported only after the command line is understood, and its absence is one sentence. Exit codes: 0 done,
1 failed, 2 wrong usage, 3 another desktop runs and does not answer.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from meadow_desktop.fakes_of_engine.states import STATES


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the desktop; the exit code."""
    options = _parse(arguments)
    if _has_no_display():
        return _complain(
            "There is no display to show windows on.",
            "Run `meadow --no-gui` here, or start this from a graphical session.",
        )
    gc.disable()  # nothing of what a start makes is garbage; `run` ends this
    try:
        from meadow_desktop.application import run
        from meadow_desktop.options import Options
    except ImportError as error:
        return _complain(
            f"The desktop cannot be started: {error}.",
            "Install it with `pip install 'meadow[desktop]'`; on Debian it also needs libegl1 and libxkbcommon0.",
        )
    from meadow_desktop.event_log import make_event_log

    return run(
        Options(
            base_dir=options.base_dir,
            has_tray=not options.no_tray,
            opens_chat=options.chat,
            attaches_only=options.attach_only,
            fake_engine=options.fake_engine,
            engine_command=options.engine_command,
            colour_scheme=options.colour_scheme,
            logs_json=options.log_json,
            logs_blocks=options.log_blocks,
        ),
        make_event_log(options.log_json),
    )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="meadow-desktop", description="Meadow's tray icon and chat window.")
    parser.add_argument("--base-dir", type=Path, metavar="DIR", help="keep all files under DIR")
    parser.add_argument("--no-tray", action="store_true", help="show no tray icon; the window serves")
    parser.add_argument("--chat", action="store_true", help="open the chat window at once")
    parser.add_argument("--attach-only", action="store_true", help="never start an engine, only find a running one")
    parser.add_argument("--colour-scheme", choices=["system", "light", "dark"], default="system")
    development = parser.add_argument_group("for developers")
    development.add_argument(
        "--fake-engine", choices=STATES, metavar="STATE",
        help=f"speak to a stand-in inside this program: {', '.join(STATES)}",
    )  # fmt: skip
    development.add_argument("--engine-command", metavar="COMMAND", help="start this instead of the engine")
    development.add_argument("--log-json", action="store_true", help="write what happens to stdout as JSON lines")
    development.add_argument(
        "--log-blocks", action="store_true", help="with --log-json: write how long the window was held up, too"
    )
    return parser.parse_args(arguments)


def _has_no_display() -> bool:
    if not sys.platform.startswith("linux"):
        return False
    return not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def _complain(sentence: str, advice: str) -> int:
    sys.stderr.write(f"Error: {sentence}\n{advice}\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
