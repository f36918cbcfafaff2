"""What a computer has to lend is what the senses told, and nothing where they did not."""

from __future__ import annotations

from dataclasses import replace

from meadow_engine.computer_overview import overview_of
from meadow_engine.policy.facts import Facts, GpuFacts
from meadow_engine.policy.rules import GB, Rules

CARD = GpuFacts("A card", total_bytes=12 * GB, free_bytes=10 * GB)
FACTS = Facts(now_s=0, idle_s=3.0, gpus=(CARD,), free_memory_bytes=20 * GB, free_disk_bytes=99 * GB)


def test_a_graphics_card_is_named_with_what_would_be_lent_of_it() -> None:
    seen = overview_of(FACTS, Rules())
    assert [(card.name, card.total_bytes) for card in seen.graphics] == [("A card", 12 * GB)]
    assert seen.lends_graphics
    assert seen.lent_bytes == 8 * GB  # 80 % of what is free, with more than 1.5 GB kept
    assert (seen.free_disk_bytes, seen.tells_presence, seen.has_battery) == (99 * GB, True, False)


def test_without_a_card_the_processor_lends_main_memory() -> None:
    seen = overview_of(replace(FACTS, gpus=()), Rules())
    assert (seen.lends_graphics, seen.lent_bytes) == (False, 16 * GB)


def test_a_card_that_is_not_meant_to_be_lent_is_still_shown() -> None:
    seen = overview_of(FACTS, Rules(gpus=()))
    assert (len(seen.graphics), seen.lends_graphics) == (1, False)


def test_before_the_senses_were_asked_nothing_is_claimed() -> None:
    seen = overview_of(None, Rules())
    assert (seen.graphics, seen.lent_bytes, seen.tells_presence) == ([], 0, False)
