"""The watch for a panel: told by a bus at once, asked without one, patient with restarts and locked screens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from PySide6.QtDBus import QDBusConnection

from fakes.desktop_qt import settle, wait_until
from fakes.private_bus import FakeService, running_bus
from meadow_desktop.tray.host_watch import HostWatch
from meadow_desktop.tray.session_bus import ICON_PANELS, find_session_bus

NEVER_MS = 3_600_000
LOCK = "org.gnome.ScreenSaver"
LOCK_PATH = "/org/gnome/ScreenSaver"


class Panels:
    """What Qt would say, and what was heard of the watch."""

    def __init__(self) -> None:
        self.is_there = False
        self.heard: list[str] = []

    def watch(self, bus: QDBusConnection | None, look_often_ms: int = NEVER_MS, restart_ms: int = 10) -> HostWatch:
        watch = HostWatch(bus, lambda: self.is_there, look_often_ms=look_often_ms, restart_ms=restart_ms, locked_ms=10)
        watch.changed.connect(lambda has_host: self.heard.append("there" if has_host else "gone"))
        watch.missed.connect(lambda: self.heard.append("missed"))
        if bus is not None:  # as Qt asks the bus for panels: after the answer it knows who listens
            bus.interface().isServiceRegistered(ICON_PANELS)
        return watch


@contextmanager
def connected(address: str) -> Iterator[QDBusConnection]:
    """Qt on this bus."""
    bus = QDBusConnection.connectToBus(address, "host-watch")
    assert bus.isConnected()
    try:
        yield bus
    finally:
        QDBusConnection.disconnectFromBus("host-watch")


async def test_the_bus_tells_of_a_panel_without_being_asked() -> None:
    panels = Panels()
    with running_bus() as address, connected(address) as bus:
        watch = panels.watch(bus)
        panel = FakeService(address, ICON_PANELS)
        panels.is_there = True
        await panel.start()
        wait_until(lambda: panels.heard == ["there"])
        assert watch.has_host
        panels.is_there = False
        await panel.stop()
        wait_until(lambda: panels.heard == ["there", "gone", "missed"])
        watch.stop()


async def test_a_panel_that_leaves_another_one_behind_is_told_of() -> None:
    panels = Panels()
    panels.is_there = True
    with running_bus() as address, connected(address) as bus:
        panel = FakeService(address, ICON_PANELS)
        await panel.start()
        watch = panels.watch(bus)
        await panel.stop()
        wait_until(lambda: panels.heard == ["there"])
        watch.stop()


async def test_a_watch_that_was_stopped_says_nothing() -> None:
    stopped, other = Panels(), Panels()
    with running_bus() as address, connected(address) as bus:
        stopped.watch(bus).stop()
        watch = other.watch(bus)
        panel = FakeService(address, ICON_PANELS)
        stopped.is_there = other.is_there = True
        await panel.start()
        wait_until(lambda: other.heard == ["there"])
        assert stopped.heard == []
        watch.stop()
        await panel.stop()


async def test_nobody_misses_a_panel_while_the_screen_is_locked() -> None:
    panels = Panels()
    with running_bus() as address, connected(address) as bus:
        locker, panel = FakeService(address, LOCK), FakeService(address, ICON_PANELS)
        is_locked = True
        locker.methods[LOCK_PATH, LOCK, "GetActive"] = lambda: ("b", [is_locked])
        await locker.start()
        await panel.start()
        panels.is_there = True
        watch = panels.watch(bus)
        panels.is_there = False
        await panel.stop()
        await until(lambda: locker.calls.count("GetActive") >= 3)
        assert panels.heard == ["gone"]
        is_locked = False
        await until(lambda: panels.heard == ["gone", "missed"])
        watch.stop()
        await locker.stop()


async def until(condition: Callable[[], bool]) -> None:
    """Both Qt and the services of this test go on until the condition holds."""
    async with asyncio.timeout(10):
        while not condition():
            settle()
            await asyncio.sleep(0.01)


def test_without_a_bus_the_panel_is_asked_for() -> None:
    panels = Panels()
    watch = panels.watch(None, look_often_ms=10)
    panels.is_there = True
    wait_until(lambda: panels.heard == ["there"])
    panels.is_there = False
    wait_until(lambda: panels.heard == ["there", "gone", "missed"])
    watch.stop()
    assert find_session_bus() is None  # the platform of these tests has no panels


def test_a_panel_that_is_back_soon_is_not_missed() -> None:
    panels = Panels()
    panels.is_there = True
    watch = panels.watch(None, look_often_ms=5, restart_ms=60)
    panels.is_there = False
    wait_until(lambda: panels.heard == ["gone"])
    panels.is_there = True
    wait_until(lambda: panels.heard == ["gone", "there"])
    panels.is_there = False
    wait_until(lambda: "missed" in panels.heard)
    assert panels.heard == ["gone", "there", "gone", "missed"]
    watch.stop()
