"""Which tests run beside others: `make test` has two processes (pytest-xdist)."""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# Real engines, too, but it does not matter how fast they are.
UNHURRIED = frozenset(
    f"swarm/test_{name}.py"
    for name in (
        "bad_input",
        "bench_directory",
        "damage",
        "exactness",
        "ledger",
        "logs",
        "missing_layers",
        "models_from_the_hub",
        "private_swarms",
    )
)


class EnginesFollowOneAnother(LoadScopeScheduling):
    """Real engines and real windows take all cores and measure time: their tests stay together, in one process.

    The unhurried and the unit tests run beside them, a file at a time.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0].removeprefix("tests/")
        return file if file.startswith("unit/") or file in UNHURRIED else "engines and windows"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> EnginesFollowOneAnother:
    return EnginesFollowOneAnother(config, log)
