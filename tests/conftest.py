"""Which tests run beside others: `make test` has two processes (pytest-xdist)."""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling


class EnginesFollowOneAnother(LoadScopeScheduling):
    """Real engines and real windows take all cores and measure time: their tests stay together, in one process.

    The unit tests run beside them, a file at a time.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if "unit/" in file else "engines and windows"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> EnginesFollowOneAnother:
    return EnginesFollowOneAnother(config, log)
