"""A text is the same whatever happens to computers and networks while it is made, and nothing of it is left over.

Real engines on emulated hosts: 0 is the meeting point and the client, the others hold layers 0:2, 2:4, 0:2, 2:4.
"""

from __future__ import annotations

import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from chaos.ground import Fault, Ground
from chaos.netlab import Lab, why_no_lab
from chaos.nursery import Nursery
from fakes.models import VOCABULARY, write_tiny_model

pytestmark = pytest.mark.root

SPANS = [(0, 2), (2, 4), (0, 2), (2, 4)]
RTT_MS = 4.0
TOKENS = 40
BROKEN_AT = 15
"""How many tokens have come when something goes wrong."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    if reason := why_no_lab():
        pytest.skip(reason)
    model = write_tiny_model(tmp_path_factory.mktemp("model"), "llama", layers=4)
    with Lab(1 + len(SPANS), RTT_MS) as lab, Nursery() as nursery:
        yield Ground(nursery, model, SPANS, tmp_path_factory.mktemp("ground"), lab)


@pytest.fixture(autouse=True)
def _whole(ground: Ground) -> Iterator[None]:
    """Every test begins and ends with a whole swarm that holds nothing."""
    yield
    assert ground.lab is not None
    for a in range(ground.lab.hosts):
        for b in range(a):
            ground.lab.mend(a, b)
            ground.lab.delay(a, b, RTT_MS)
    for engine in ground.engines:
        engine.signal_all(signal.SIGCONT)
    ground.restart_dead()
    ground.wait_clean()


def request(seed: int, kind: str = "greedy") -> dict[str, Any]:
    """A text of 40 tokens after a prompt of 64; the same for the same seed."""
    chance = random.Random(seed)
    text = [chance.randrange(3, VOCABULARY) for _ in range(64)]
    return {"texts": [text], "tokens": TOKENS, "kind": kind, "seed": seed}


def say_the_same(ground: Ground, act: Callable[[list[int]], object], seed: int) -> dict[str, Any]:
    """Generate while `act` happens, which is told the numbers of the chain's engines; the client's report."""
    wanted = request(seed)
    expected = ground.alone(wanted)
    fault = Fault(BROKEN_AT, lambda peers: act([ground.engine_of(peer) for peer in peers]))
    answer = ground.talk(wanted, [fault])
    assert answer["text"] == expected, f"another text; seed {seed}\n{ground.logs()}"
    return answer


@pytest.mark.parametrize("place", [0, 1])
def test_a_killed_engine_is_replaced(ground: Ground, place: int) -> None:
    answer = say_the_same(ground, lambda chain: ground.engines[chain[place]].kill(), seed=place)
    assert answer["recoveries"] >= 1
    assert answer["longest_gap_s"] < 3.0


@pytest.mark.parametrize("place", [0, 1])
def test_a_computer_that_hangs_is_replaced_and_may_come_back(ground: Ground, place: int) -> None:
    answer = say_the_same(ground, lambda chain: ground.engines[chain[place]].signal_all(signal.SIGSTOP), seed=2 + place)
    assert answer["recoveries"] >= 1
    assert answer["longest_gap_s"] < 8.0  # mostly 1.3; the others may have to find one another first


def test_servers_that_do_not_reach_one_another_go_through_the_client(ground: Ground) -> None:
    lab = the_lab(ground)
    # Neither of the second half can be reached from either of the first.
    pairs = [(1, 2), (1, 4), (3, 2), (3, 4)]

    def cut(_chain: list[int]) -> None:
        for pair in pairs:
            lab.cut(*pair)

    answer = say_the_same(ground, cut, seed=4)
    assert answer["trips"] == 2
    assert answer["longest_gap_s"] < 6.0


def test_a_server_out_of_the_clients_reach_is_replaced(ground: Ground) -> None:
    lab = the_lab(ground)
    answer = say_the_same(ground, lambda chain: lab.cut(0, 1 + chain[1]), seed=5)
    assert answer["recoveries"] >= 1
    assert answer["longest_gap_s"] < 5.0


def test_a_connection_that_is_only_half_open_holds_nobody_up(ground: Ground) -> None:
    """Nobody hears of the end: no packet of that computer arrives anywhere, for a while."""
    lab = the_lab(ground)

    def cut_off(chain: list[int]) -> None:
        for host in range(lab.hosts):
            if host != 1 + chain[0]:
                lab.cut(host, 1 + chain[0])

    answer = say_the_same(ground, cut_off, seed=6)
    assert answer["recoveries"] >= 1
    assert answer["longest_gap_s"] < 5.0


def test_a_link_that_becomes_slow_is_no_lost_server(ground: Ground) -> None:
    lab = the_lab(ground)
    answer = say_the_same(ground, lambda chain: lab.delay(0, 1 + chain[0], rtt_ms=200), seed=7)
    assert answer["recoveries"] == 0
    assert answer["longest_gap_s"] > 0.08


def test_clocks_that_go_wrong_do_no_harm(ground: Ground) -> None:
    ground.restart(0, clock_shift_s=2.0)
    ground.restart(2, clock_shift_s=-2.0)
    answer = say_the_same(ground, lambda chain: ground.engines[chain[0]].kill(), seed=8)
    assert answer["recoveries"] >= 1


def test_a_full_disk_does_no_harm(ground: Ground, tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], check=True)
    with suppress(OSError):
        (tmp_path / "everything").write_bytes(b"x" * 64 * 1024)
    try:
        ground.restart(1, base=tmp_path)
        ground.restart(3, base=tmp_path)
        answer = say_the_same(ground, lambda chain: ground.engines[chain[1]].kill(), seed=9)
        assert answer["recoveries"] >= 1
    finally:
        for index in (1, 3):
            ground.restart(index)
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def the_lab(ground: Ground) -> Lab:
    assert ground.lab is not None
    return ground.lab
