"""Screen savers on a real bus, and several providers together."""

from __future__ import annotations

import pytest

from fakes.private_bus import FakeService
from meadow_engine.senses.idle.lock import AnyLock, ScreenSaverLock


class FakeScreenSaver(FakeService):
    """A desktop's screen saver."""

    def __init__(self, address: str, name: str) -> None:
        super().__init__(address, name)
        self.is_active = False
        path = "/" + name.replace(".", "/")
        self.methods[path, name, "GetActive"] = lambda: ("b", [self.is_active])


class Said:
    """A provider that says what it was told to."""

    def __init__(self, value: bool | None, name: str = "told") -> None:
        self.value = value
        self.name = name
        self.is_closed = False

    async def read(self) -> bool | None:
        return self.value

    async def aclose(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize(
    "name", ["org.gnome.ScreenSaver", "org.freedesktop.ScreenSaver", "org.cinnamon.ScreenSaver", "org.mate.ScreenSaver"]
)
async def test_the_desktops_screen_saver_tells(bus: str, name: str) -> None:
    saver = FakeScreenSaver(bus, name)
    await saver.start()
    sense = ScreenSaverLock(bus)
    assert await sense.read() is False
    saver.is_active = True
    assert await sense.read() is True
    await sense.aclose()
    await saver.stop()


async def test_the_one_that_answered_is_asked_first(bus: str) -> None:
    mute = FakeService(bus, "org.gnome.ScreenSaver")  # owns the name but only knows other methods
    saver = FakeScreenSaver(bus, "org.freedesktop.ScreenSaver")
    await mute.start()
    await saver.start()
    sense = ScreenSaverLock(bus)
    for _ in range(3):
        assert await sense.read() is False
    assert mute.calls.count("GetActive") == 1
    assert saver.calls.count("GetActive") == 3
    await sense.aclose()
    await saver.stop()
    await mute.stop()


async def test_without_a_screen_saver_nothing_is_known(bus: str) -> None:
    sense = ScreenSaverLock(bus)
    assert await sense.read() is None
    await sense.aclose()


@pytest.mark.parametrize(
    ("said", "together"),
    [
        ([False, True], True),
        ([True, None], True),
        ([False, None], False),
        ([None, None], None),
    ],
)
async def test_one_provider_that_says_locked_is_enough(said: list[bool | None], together: bool | None) -> None:
    senses = [Said(value) for value in said]
    sense = AnyLock(senses)
    assert await sense.read() is together
    await sense.aclose()
    assert all(each.is_closed for each in senses)


async def test_who_told_last_gives_the_name() -> None:
    first, second = Said(None, "first"), Said(False, "second")
    sense = AnyLock([first, second])
    await sense.read()
    assert sense.name == "second"
    first.value = True
    await sense.read()
    assert sense.name == "first, second"
