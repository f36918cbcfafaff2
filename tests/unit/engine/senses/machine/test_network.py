"""Whether the connection costs by volume, asked of a NetworkManager on a bus of the test's own."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from fakes.network_manager import FakeNetworkManager
from fakes.private_bus import running_bus, running_daemon
from meadow_engine.senses.machine.network import MeteredSense


@pytest.mark.parametrize(("metered", "meaning"), [(0, None), (1, True), (2, False), (3, True), (4, False), (9, None)])
async def test_every_value_of_network_manager_has_its_meaning(metered: int, meaning: bool | None) -> None:
    with running_bus() as address:
        manager = FakeNetworkManager(address, metered)
        await manager.start()
        sense = MeteredSense(address)
        assert await sense.read() is meaning
        await sense.aclose()
        await manager.stop()


async def test_a_hotspot_is_noticed_at_the_next_look() -> None:
    with running_bus() as address:
        manager = FakeNetworkManager(address, 4)
        await manager.start()
        sense = MeteredSense(address)
        assert await sense.read() is False
        manager.set(3)
        assert await sense.read() is True
        await sense.aclose()
        await manager.stop()


async def test_a_bus_without_network_manager_does_not_tell() -> None:
    with running_bus() as address:
        sense = MeteredSense(address)
        assert await sense.read() is None
        manager = FakeNetworkManager(address, 1)
        await manager.start()
        assert await sense.read() is True
        manager.properties.clear()
        assert await sense.read() is None, "a NetworkManager that does not know the property"
        await sense.aclose()
        await manager.stop()


async def test_a_computer_without_a_bus_does_not_tell(tmp_path: Path) -> None:
    sense = MeteredSense(f"unix:path={tmp_path / 'none'}")
    assert await sense.read() is None
    await sense.aclose()


async def test_a_bus_that_dies_is_forgotten_and_its_successor_is_asked(tmp_path: Path) -> None:
    socket = tmp_path / "bus"
    sense = MeteredSense(f"unix:path={socket}")
    with running_daemon(socket) as (address, daemon):
        first = FakeNetworkManager(address, 1)
        await first.start()
        assert await sense.read() is True
        daemon.kill()
        await asyncio.to_thread(daemon.wait)
        assert await sense.read() is None
    socket.unlink(missing_ok=True)
    with running_bus(socket) as address:
        second = FakeNetworkManager(address, 2)
        await second.start()
        assert await sense.read() is False
        await sense.aclose()
        await second.stop()


async def test_a_bus_that_is_stuck_is_not_waited_for() -> None:
    with running_daemon() as (address, daemon):
        manager = FakeNetworkManager(address, 1)
        await manager.start()
        sense = MeteredSense(address)
        assert await sense.read() is True
        daemon.send_signal(signal.SIGSTOP)
        async with asyncio.timeout(4):
            assert await sense.read() is None  # the connection that was there
            assert await sense.read() is None  # a new one, which nobody accepts
        daemon.send_signal(signal.SIGCONT)
        assert await sense.read() is True
        await sense.aclose()
        await manager.stop()
