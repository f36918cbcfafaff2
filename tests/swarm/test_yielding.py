"""Hosting ends while others' conversations are computed here: they move on, and everything is given back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fakes.chats import CHATS, Chats, waiting_chats
from fakes.processes import is_gone, running_meadow, running_swarm, serve_arguments, wait_until
from fakes.volunteer import LAYERS, Volunteer, running_volunteer
from meadow_assets import demo_model_path
from meadow_engine.cli.console import note


@contextmanager
def four_conversations(base: Path) -> Iterator[tuple[Volunteer, Chats]]:
    """A volunteer who helps four conversations, in mid-answer, and a replica that could go on with them."""
    model = demo_model_path()
    with running_swarm(model, [(0, 4)]) as swarm, running_volunteer(base, swarm.address) as volunteer:
        volunteer.until("sharing")
        with waiting_chats(model, swarm.address) as chats:
            assert volunteer.status().sessions == CHATS
            # Only now is there another computer that could take over: the conversations are here for certain.
            with running_meadow(*serve_arguments(model, LAYERS, [swarm.address], name="replica")):
                yield volunteer, chats
                chats.close()  # before the replica, which would hand them over once more


def check_they_moved(chats: Chats) -> None:
    assert chats.are_the_local_ones(demo_model_path()) == [True] * CHATS
    assert all(count >= 1 for count in chats.recoveries())
    assert chats.longest_gap_s() < 3.0


@pytest.mark.timeout(240)
def test_four_conversations_move_on_when_the_person_pauses(tmp_path: Path) -> None:
    with four_conversations(tmp_path) as (volunteer, chats):
        host = volunteer.host()
        chats.go_on()
        began_s = time.monotonic()
        volunteer.ask("POST", "/api/pause", {"length": "1h"})
        wait_until(lambda: is_gone(host), 10, "the host's end")
        released_s = time.monotonic() - began_s
        check_they_moved(chats)
        assert released_s < 2.5
        assert volunteer.status().sharing == "paused"


@pytest.mark.timeout(240)
def test_four_conversations_move_on_when_somebody_ends_the_host_process_alone(tmp_path: Path) -> None:
    with four_conversations(tmp_path) as (volunteer, chats):
        host = volunteer.host()
        chats.go_on()
        began_s = time.monotonic()
        host.terminate()
        wait_until(lambda: is_gone(host), 10, "the host's end")
        released_s = time.monotonic() - began_s
        note(f"the host process was gone {released_s:.2f} s after SIGTERM")
        wait_until(lambda: "Starting again in" in volunteer.status().sharing_detail, 5, "the reason")
        status = volunteer.status()
        assert (status.sharing, status.span, status.sessions) == ("starting", None, 0)
        assert status.sharing_detail.startswith("Somebody has ended the part that hosts layers; ")
        check_they_moved(chats)
        assert released_s < 4.0
        log = volunteer.program.log()
        assert f"Handing over {CHATS} conversations" in log
        assert "Traceback" not in log
