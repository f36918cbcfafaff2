"""The emulated network delays, paces and drops as it was told."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from chaos.netlab import Lab, why_no_lab

pytestmark = pytest.mark.root

SERVER = """
import socket
server = socket.create_server(("", 4711))
print("up", flush=True)
while True:
    peer, _ = server.accept()
    with peer:
        while piece := peer.recv(65536):
            if piece.endswith(b"."):
                peer.sendall(b"!")
"""
CLIENT = """
import json, socket, sys, time
address, count = sys.argv[1], int(sys.argv[2])
began = time.monotonic()
try:
    with socket.create_connection((address, 4711), timeout=2) as peer:
        connected = time.monotonic()
        peer.sendall(b"x" * count + b".")
        assert peer.recv(1) == b"!"
        print(json.dumps({"connect_s": connected - began, "send_s": time.monotonic() - connected}))
except TimeoutError:
    print(json.dumps({}))
"""


def send(lab: Lab, count: int = 0) -> Any:
    """Send so many bytes from host 0 to host 1 and wait for the answer; nothing when it cannot connect."""
    command = [sys.executable, "-c", CLIENT, lab.address(1), str(count)]
    return json.loads(lab.run(0, command, stdout=subprocess.PIPE, timeout=30, check=True).stdout)


@pytest.fixture
def lab(make_lab: Callable[..., Lab]) -> Lab:
    lab = make_lab(hosts=2, rtt_ms=60, mbit=8)
    server = lab.popen(1, [sys.executable, "-c", SERVER], stdout=subprocess.PIPE)
    assert server.stdout is not None
    assert server.stdout.readline() == "up\n"
    return lab


def test_a_round_trip_takes_the_rtt_and_many_bytes_take_the_bandwidth(lab: Lab) -> None:
    answer = send(lab)
    assert 0.06 <= answer["connect_s"] < 0.2
    assert 0.06 <= answer["send_s"] < 0.2
    assert 0.4 + 0.06 <= send(lab, count=400_000)["send_s"] < 2  # 8 Mbit/s are 1 MB/s


def test_a_cut_link_carries_nothing_until_it_is_mended(lab: Lab) -> None:
    lab.cut(0, 1)
    assert send(lab) == {}
    lab.mend(0, 1)
    assert send(lab)["connect_s"] < 2


def test_packets_take_longer_from_one_moment_to_the_next(lab: Lab) -> None:
    assert send(lab)["connect_s"] < 0.2
    lab.delay(0, 1, rtt_ms=400)
    assert 0.4 <= send(lab)["connect_s"] < 0.7


@pytest.mark.skipif(why_no_lab() is not None, reason=why_no_lab() or "")
def test_a_closed_lab_leaves_no_namespaces_behind() -> None:
    with Lab(hosts=1) as lab:
        assert lab.namespace(0) in namespaces()
    assert lab.namespace(0) not in namespaces()


def namespaces() -> str:
    return subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
