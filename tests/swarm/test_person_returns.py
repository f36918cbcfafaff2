"""The person touches the mouse while others' conversations are computed here: the computer is theirs at once.

The figures are printed (`pytest -s`) and recorded in the test report; limits are loose, for slow machines.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.chats import CHATS, waiting_chats
from fakes.desktop_display import Display
from fakes.processes import is_gone, running_meadow, running_swarm, serve_arguments, wait_until
from fakes.volunteer import LAYERS, running_volunteer
from meadow_assets import demo_model_path
from meadow_engine.cli.console import note

IDLE_S = 2.0
TOLD_LIMIT_S, GONE_LIMIT_S, GAP_LIMIT_S = 3.0, 5.0, 5.0


def since(began_s: float, is_so: Callable[[], bool], limit_s: float, what: str) -> float:
    """Seconds until something is so."""
    wait_until(is_so, limit_s, what)
    return time.monotonic() - began_s


@pytest.mark.timeout(240)
def test_a_touch_of_the_mouse_takes_the_computer_back_and_no_conversation_loses_a_token(
    tmp_path: Path, display: Display, record_property: Callable[[str, object], None]
) -> None:
    model = demo_model_path()
    display.move(10, 10)
    with (
        running_swarm(model, [(0, 4)]) as swarm,
        running_volunteer(tmp_path, swarm.address, mode="when-idle", idle_s=IDLE_S, quiet_s=1) as volunteer,
    ):
        volunteer.until("sharing")
        with waiting_chats(model, swarm.address) as chats:
            assert volunteer.status().sessions == CHATS
            # Only now is there another computer that could take over: the conversations are here for certain.
            with running_meadow(*serve_arguments(model, LAYERS, [swarm.address], name="replica")):
                host = volunteer.host()
                assert volunteer.status().sharing == "sharing"
                chats.go_on()
                began_s = time.monotonic()
                display.move(300, 200)
                told_s = since(began_s, lambda: volunteer.status().sharing != "sharing", TOLD_LIMIT_S, "the status")
                reason = volunteer.status().reasons[0].code
                gone_s = since(began_s, lambda: is_gone(host), GONE_LIMIT_S, "the host process's end")
                volunteer.until("waiting", 5)
                may_begin_s = volunteer.status().may_begin_s
                again_s = since(began_s, lambda: volunteer.status().sharing == "sharing", 60, "sharing again")
                same = chats.are_the_local_ones(model)
                recoveries, gap_s = chats.recoveries(), chats.longest_gap_s()
                chats.close()  # before the replica, which would hand them over once more
    figures = {"told_s": told_s, "gone_s": gone_s, "again_s": again_s, "gap_s": gap_s}
    for name, seconds in figures.items():
        record_property(name, round(seconds, 3))
    note(
        f"after input: not sharing in {told_s:.3f} s, host process gone in {gone_s:.3f} s; "
        f"the longest wait of a reader {gap_s:.3f} s; sharing again {again_s:.1f} s after it"
    )
    assert reason == "person-here"
    assert same == [True] * CHATS
    assert all(count >= 1 for count in recoveries)  # so they were here, and moved
    assert gap_s < GAP_LIMIT_S
    assert may_begin_s is not None
    assert may_begin_s <= IDLE_S
    assert again_s >= IDLE_S
