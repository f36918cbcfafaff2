"""Idle seconds from compositors: one that does as the test says, and KWin."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from fakes.clock import FakeClock
from fakes.compositor import EXT_IDLE, FakeCompositor, running_kwin
from fakes.compositor import KDE_IDLE as KDE_INTERFACE
from fakes.person import Returned
from meadow_engine.senses.idle.kde import KDE_IDLE
from meadow_engine.senses.idle.wayland import EXT_IDLE_NOTIFY, NoticeProtocol, WaylandIdle
from meadow_engine.senses.idle.wayland_wire import WaylandConnection, text, word

SEAT, OTHER_SEAT = 1, 4
BOTH = pytest.mark.parametrize("protocol", [EXT_IDLE_NOTIFY, KDE_IDLE], ids=lambda protocol: protocol.interface)


@pytest.fixture
async def compositor(tmp_path: Path) -> AsyncIterator[FakeCompositor]:
    running = FakeCompositor(tmp_path / "wayland-0", "wl_seat", EXT_IDLE, KDE_INTERFACE)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
def kwin(tmp_path: Path) -> Iterator[Path]:
    with running_kwin(tmp_path) as socket:
        yield socket


class Mouse:
    """Moves KWin's pointer through its fake input protocol."""

    def __init__(self, connection: WaylandConnection) -> None:
        self._connection = connection
        (offer,) = connection.offered("org_kde_kwin_fake_input")
        self._device = connection.bind(offer, version=1)
        connection.request(self._device, 0, text("a test") + text("to come back"))  # authenticate

    async def move(self) -> None:
        self._connection.request(self._device, 1, struct.pack("=ii", 5 << 8, 5 << 8))  # pointer_motion
        await self._connection.settle()


@BOTH
async def test_seconds_count_from_the_last_input(
    tmp_path: Path, compositor: FakeCompositor, protocol: NoticeProtocol, returned: Returned
) -> None:
    clock = FakeClock()
    sense = WaylandIdle(str(tmp_path / "wayland-0"), protocol, returned.note, clock)
    assert await sense.read() == 0
    assert compositor.notices == [(SEAT, 1000)]
    compositor.idled(SEAT)
    assert await sense.read() == 1, "it was quiet for a second before we were told"
    clock.advance(180)
    assert await sense.read() == 181
    assert returned.is_quiet
    compositor.resumed(SEAT)
    await returned.next()
    assert await sense.read() == 0
    await sense.aclose()


async def test_the_seat_that_was_used_last_counts(tmp_path: Path, compositor: FakeCompositor) -> None:
    compositor.add("wl_seat")
    clock = FakeClock()
    sense = WaylandIdle(str(tmp_path / "wayland-0"), clock=clock)
    await sense.read()
    compositor.idled(SEAT)
    assert await sense.read() == 0
    clock.advance(60)
    await sense.read()
    compositor.idled(OTHER_SEAT)
    assert await sense.read() == 1
    await sense.aclose()


async def test_a_seat_that_goes_away_keeps_nobody_present(tmp_path: Path, compositor: FakeCompositor) -> None:
    assert compositor.add("wl_seat") == OTHER_SEAT
    sense = WaylandIdle(str(tmp_path / "wayland-0"))
    await sense.read()
    compositor.remove(OTHER_SEAT)
    assert await sense.read() is None, "it begins anew"
    assert await sense.read() == 0
    compositor.idled(SEAT)
    idle = await sense.read()
    assert idle is not None
    assert idle >= 1
    await sense.aclose()


@pytest.mark.parametrize("interfaces", [[], ["wl_seat"], [EXT_IDLE], ["wl_seat", KDE_INTERFACE]])
async def test_a_compositor_that_lacks_what_is_needed_is_not_known(tmp_path: Path, interfaces: list[str]) -> None:
    compositor = FakeCompositor(tmp_path / "wayland-0", *interfaces)
    await compositor.start()
    sense = WaylandIdle(str(tmp_path / "wayland-0"))
    assert await sense.read() is None
    await sense.aclose()
    await compositor.stop()


async def test_a_compositor_that_was_restarted_is_asked_again(tmp_path: Path, compositor: FakeCompositor) -> None:
    sense = WaylandIdle(str(tmp_path / "wayland-0"))
    await sense.read()
    compositor.idled(SEAT)
    assert await sense.read() is not None
    await compositor.stop()
    assert await sense.read() is None
    await compositor.start()
    assert await sense.read() == 0, "the new one has not said that it is quiet"
    await sense.aclose()


async def test_a_frozen_compositor_costs_half_a_second_and_no_more(tmp_path: Path, compositor: FakeCompositor) -> None:
    sense = WaylandIdle(str(tmp_path / "wayland-0"))
    await sense.read()
    compositor.is_frozen = True
    began = time.monotonic()
    assert await sense.read() is None
    assert time.monotonic() - began < 1
    compositor.is_frozen = False
    assert await sense.read() == 0
    await sense.aclose()


async def test_a_thousand_readings_use_no_more_ids_than_two(tmp_path: Path, compositor: FakeCompositor) -> None:
    sense = WaylandIdle(str(tmp_path / "wayland-0"))
    await sense.read()
    await sense.read()
    before = compositor.highest_id
    for _ in range(1000):
        await sense.read()
    assert compositor.highest_id == before
    await sense.aclose()


@pytest.mark.parametrize(
    "nonsense",
    [
        struct.pack("=II", 1, 0),  # no size
        struct.pack("=II", 1, 12 << 16 | 1) + bytes(4) + struct.pack("=II", 2, 10 << 16) + bytes(2),  # cut short
        struct.pack("=II", 2, 16 << 16) + struct.pack("=II", 9, 1 << 30),  # a text of a gigabyte
        struct.pack("=II", 1, 8 << 16),  # an error
    ],
)
async def test_nonsense_from_the_compositor_ends_that_connection_only(
    tmp_path: Path, compositor: FakeCompositor, nonsense: bytes
) -> None:
    sense = WaylandIdle(str(tmp_path / "wayland-0"))
    await sense.read()
    compositor.say(nonsense)
    assert await sense.read() is None
    assert await sense.read() == 0
    await sense.aclose()


async def test_messages_may_arrive_in_any_pieces(tmp_path: Path, compositor: FakeCompositor) -> None:
    heard: list[tuple[int, bytes]] = []
    connection = await WaylandConnection.open(str(tmp_path / "wayland-0"))
    number = connection.new_object(lambda opcode, arguments: heard.append((opcode, arguments)))
    for byte in struct.pack("=II", number, 12 << 16 | 3) + word(77):
        connection.data_received(bytes([byte]))
    assert heard == [(3, word(77))]
    await connection.aclose()


@BOTH
async def test_kwin_tells_idle_seconds_and_the_return(kwin: Path, protocol: NoticeProtocol, returned: Returned) -> None:
    sense = WaylandIdle(str(kwin), protocol, returned.note)
    assert await sense.read() == 0
    await asyncio.sleep(2)
    quiet = await sense.read()
    assert quiet is not None
    assert 1.5 < quiet < 3
    assert returned.is_quiet
    connection = await WaylandConnection.open(str(kwin))
    mouse = Mouse(connection)
    moved = time.monotonic()
    await mouse.move()
    assert await returned.next() - moved < 0.5
    assert await sense.read() == 0
    await connection.aclose()
    await sense.aclose()
