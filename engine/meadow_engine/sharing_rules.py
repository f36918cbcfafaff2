"""From settings, as people write them, to the rules that decide, and to what is lent."""

from __future__ import annotations

from meadow_engine.api.schedule import parse_schedule
from meadow_engine.api.settings import Settings
from meadow_engine.policy.facts import Facts
from meadow_engine.policy.past import lent_cards
from meadow_engine.policy.rules import GB, Rules, lendable_bytes


def rules_of(settings: Settings) -> Rules:
    """The rules that these settings mean; what they do not name keeps its default."""
    return Rules(
        mode=settings.mode,
        consent=settings.share,
        idle_s=settings.idle_s,
        only_on_mains=not settings.share_on_battery,
        only_unmetered=not settings.share_metered,
        not_beside_full_screen=not settings.share_full_screen,
        gpus=lent_gpus(settings.device),
        foreign_gpu=settings.foreign_gpu_percent / 100,
        foreign_cpu=settings.foreign_cpu_percent / 100 if settings.foreign_cpu_percent < 100 else float("inf"),
        quiet_s=settings.quiet_s,
        longest_quiet_s=max(Rules.longest_quiet_s, settings.quiet_s),
        hot_c=settings.too_hot_c,
        cool_c=settings.cool_again_c,
        lent_memory=settings.memory_share,
        kept_bytes=int(settings.memory_kept_gb * GB),
        least_disk_bytes=int(settings.disk_kept_gb * GB),
        windows=parse_schedule(settings.schedule),
    )


def lent_gpus(device: str) -> tuple[int, ...] | None:
    """Positions of the graphics cards that this device means: none for the processor, None for any."""
    if device == "cpu":
        return ()
    kind, _, number = device.partition(":")
    return (int(number),) if kind == "cuda" and number.isdecimal() else None


def lent_bytes(facts: Facts | None, rules: Rules) -> int:
    """How much memory sharing may take in all if it begins now, at least 1; 0 where the free memory is not known.

    Of the roomiest card that is lent, else of main memory.
    """
    if facts is None:
        return 0
    free = [card.free_bytes for card in lent_cards(facts, rules) if card.free_bytes is not None]
    if not free and facts.free_memory_bytes is not None:
        free = [facts.free_memory_bytes]
    return max(1, lendable_bytes(max(free), rules)) if free else 0


def upload_bytes_s(settings: Settings) -> float:
    """The most that may be sent for others in a second; 0: no limit."""
    return settings.upload_mbit * 1e6 / 8


def volume_bytes(settings: Settings) -> int:
    """The most that may be sent and received for others in a calendar month; 0: no limit."""
    return int(settings.monthly_volume_gb * GB)
