"""What the senses know, in words."""

from __future__ import annotations

from meadow_engine.policy.facts import Facts, GpuFacts
from meadow_engine.senses.overview import present_senses


class Idle:
    """Stands for the provider of idle time."""

    name = "X11 screen saver"

    async def read(self) -> float | None:
        return None

    async def aclose(self) -> None:
        return


def test_nothing_known_is_said_to_be_unknown() -> None:
    assert present_senses(Facts(now_s=0), {"idle_s": Idle()}) == (
        "idle: unknown; locked: unknown; full screen: unknown; on battery: unknown; metered: unknown;"
        " graphics cards: none seen"
    )


def test_everything_known_is_named() -> None:
    facts = Facts(
        now_s=0,
        idle_s=61.4,
        is_locked=False,
        is_full_screen=True,
        is_on_battery=False,
        is_metered=True,
        gpus=(GpuFacts("FAKE GPU"), GpuFacts("another")),
    )
    assert present_senses(facts, {"idle_s": Idle()}) == (
        "idle: 61 s, from X11 screen saver; locked: no; full screen: yes; on battery: no; metered: yes;"
        " graphics cards: FAKE GPU, another"
    )
