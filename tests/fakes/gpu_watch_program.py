"""A watch over sharing with a real NVIDIA sense, nobody at the computer, and nothing to share.

Prints a line of JSON for every decision that is another one: {"verb": …, "reason": …}. The first argument stands for
`/sys`; the others are the positions of the cards that are lent. Ends with stdin.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from meadow_engine.policy.rules import Rules
from meadow_engine.senses.collector import Senses
from meadow_engine.senses.gpu.nvidia import NvidiaSense
from meadow_engine.sharing_watch import SharingWatch

QUIET_S = 1.0


class Away:
    """Nobody has touched this computer for an hour."""

    name = "nobody"

    async def read(self) -> float | None:
        return 3600.0

    async def aclose(self) -> None:
        pass


class NoSharing:
    def want(self, enabled: bool, why_not: str = "", within_s: float = 0.0) -> None:
        pass


async def main() -> None:
    lent = tuple(map(int, sys.argv[2:])) or None
    rules = Rules(consent=True, quiet_s=QUIET_S, flaps_before_doubling=99, loads_per_hour=99, gpus=lent)
    gpus = NvidiaSense(lambda: False, sys_root=Path(sys.argv[1]), limit_s=0.5)
    watch = SharingWatch(Senses({"idle_s": Away(), "gpus": gpus}, time.monotonic), NoSharing(), lambda: rules)

    def tell() -> None:
        if watch.decision is not None:
            reason = watch.decision.reason.code if watch.decision.reason is not None else None
            sys.stdout.write(json.dumps({"verb": watch.decision.verb, "reason": reason}) + "\n")
            sys.stdout.flush()

    watch.on_change = tell
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watch.run())
        await asyncio.to_thread(sys.stdin.read)
        watching.cancel()


if __name__ == "__main__":
    asyncio.run(main())
