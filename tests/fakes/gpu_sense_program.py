"""A program that has an NVIDIA sense and nothing else: reads one line for each reading, prints one line of JSON.

Lines read: `idle` or `computing`, which is what the sense is told of our own work. The first argument is what stands
for `/sys`; the second one how many seconds a reading may take.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from meadow_engine.senses.gpu.nvidia import NvidiaSense


async def main() -> None:
    is_computing = False
    sense = NvidiaSense(lambda: is_computing, sys_root=Path(sys.argv[1]), limit_s=float(sys.argv[2]))
    while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
        is_computing = line == "computing"
        began_s = time.monotonic()
        facts = await sense.read()
        cards = None if facts is None else [asdict(each) for each in facts]
        sys.stdout.write(json.dumps({"gpus": cards, "took_s": time.monotonic() - began_s}) + "\n")
        sys.stdout.flush()
    await sense.aclose()


if __name__ == "__main__":
    asyncio.run(main())
