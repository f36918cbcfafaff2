"""A host process that hosts nothing: it speaks `meadow_engine.host`'s protocol, and does what its order's model says.

    good      serves at once, and ends when it is told to, or when stdin ends
    slow      says that it loads, and serves only when the file that `identity_file` names is there
    deaf      serves, and does not hear that it should leave
    crashing  serves, and kills itself
    ended     serves, and ends as if somebody had ended it by hand
    refused   ends with an expected error
    noisy     prints lines that are no reports before it serves
    helping   serves, and helps a client before and after it is told to leave

The file that `identity_file` names, with `.log` behind it, gets one line for every start and every command.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from meadow_engine.host.protocol import (
    Ending,
    Failed,
    Helped,
    Leave,
    Limits,
    Loading,
    Order,
    Report,
    Served,
    Serving,
    command_decoder,
    encode,
)

COMMAND = (sys.executable, str(Path(__file__).resolve()))


def tell(report: Report) -> None:
    sys.stdout.buffer.write(encode(report) + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    order = command_decoder.decode(sys.stdin.buffer.readline())
    assert isinstance(order, Order)
    gate = Path(order.identity_file)
    log = gate.with_name(gate.name + ".log")

    def note(text: str) -> None:
        with log.open("a") as file:
            file.write(text + "\n")

    note(f"start {order.model} {os.getpid()}")
    if order.model == "refused":
        tell(Failed("model-unusable", "The model is not there", "Choose another one."))
        sys.exit(1)
    if order.model == "noisy":
        sys.stdout.write("a library prints this\n{}\n")
        sys.stdout.flush()
    tell(Loading(order.model))
    while order.model == "slow" and not gate.exists():
        time.sleep(0.01)
    tell(Serving(order.model, 2, 5, "peer", ["/ip4/127.0.0.1/tcp/1/p2p/peer"]))
    if order.model == "helping":
        tell(Helped(order.model, "client", 100, 700, 1))
    tell(Served(1, 100, 2000, 300))
    if order.model == "crashing":
        os.kill(os.getpid(), signal.SIGKILL)
    if order.model == "ended":
        tell(Ending())
        return
    for line in sys.stdin.buffer:
        command = command_decoder.decode(line)
        if isinstance(command, Limits):
            note(f"limits {command.compute_share} {command.upload_bytes_s}")
        if isinstance(command, Leave):
            note(f"leave {command.within_s:.1f}")
            if order.model == "helping":
                tell(Helped(order.model, "client", 5, 35, 0))
            if order.model != "deaf":
                tell(Served(0, 100, 2500, 300))
                return
    note("alone")
    while order.model == "deaf":
        time.sleep(1)


if __name__ == "__main__":
    main()
