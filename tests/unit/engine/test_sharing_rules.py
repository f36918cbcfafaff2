"""Settings mean what their words say to people."""

from __future__ import annotations

import math
from typing import Any

import pytest

from meadow_engine.api.settings import Settings
from meadow_engine.policy.facts import Facts, GpuFacts
from meadow_engine.policy.rules import GB, Rules
from meadow_engine.sharing_rules import lent_bytes, lent_gpus, rules_of, upload_bytes_s, volume_bytes


def test_the_default_settings_are_the_default_rules() -> None:
    assert rules_of(Settings()) == Rules()


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ({"share": True}, {"consent": True}),
        ({"mode": "never"}, {"mode": "never"}),
        ({"idle_s": 7}, {"idle_s": 7}),
        ({"share_on_battery": True}, {"only_on_mains": False}),
        ({"share_metered": True}, {"only_unmetered": False}),
        ({"share_full_screen": True}, {"not_beside_full_screen": False}),
        ({"foreign_gpu_percent": 25}, {"foreign_gpu": 0.25}),
        ({"foreign_cpu_percent": 99}, {"foreign_cpu": 0.99}),
        ({"foreign_cpu_percent": 100}, {"foreign_cpu": math.inf}),
        ({"quiet_s": 30}, {"quiet_s": 30}),
        ({"quiet_s": 3600}, {"quiet_s": 3600, "longest_quiet_s": 3600}),
        ({"too_hot_c": 90, "cool_again_c": 85}, {"hot_c": 90, "cool_c": 85}),
        ({"memory_share": 0.5}, {"lent_memory": 0.5}),
        ({"memory_kept_gb": 2.5}, {"kept_bytes": 2_500_000_000}),
        ({"disk_kept_gb": 0}, {"least_disk_bytes": 0}),
        ({"schedule": ["mon 22:00-23:00"]}, {"windows": ((22 * 60, 23 * 60),)}),
        ({"device": "cpu"}, {"gpus": ()}),
    ],
)
def test_every_setting_reaches_its_rule(setting: dict[str, Any], rule: dict[str, Any]) -> None:
    assert rules_of(Settings(**setting)) == Rules(**rule)


@pytest.mark.parametrize(
    ("device", "gpus"),
    [
        ("cpu", ()),
        ("auto", None),
        ("cuda", None),
        ("cuda:0", (0,)),
        ("cuda:12", (12,)),
        ("mps", None),
        ("cuda:x", None),
    ],
)
def test_a_device_names_the_cards_that_count(device: str, gpus: tuple[int, ...] | None) -> None:
    assert lent_gpus(device) == gpus


ROOMY = GpuFacts("FAKE GPU", free_bytes=20 * GB)
SMALL = GpuFacts("FAKE GPU", free_bytes=6 * GB)
SILENT = GpuFacts("FAKE GPU")


@pytest.mark.parametrize(
    ("facts", "gpus", "lent"),
    [
        pytest.param(None, None, 0, id="before the first look nobody knows"),
        pytest.param(Facts(0), None, 0, id="a system that tells nothing"),
        pytest.param(Facts(0, gpus=(ROOMY,), free_memory_bytes=4 * GB), None, 16 * GB, id="of a card, four fifths"),
        pytest.param(Facts(0, gpus=(SMALL, ROOMY)), None, 16 * GB, id="of several, the roomiest"),
        pytest.param(Facts(0, gpus=(SMALL, ROOMY)), (0,), int(4.5 * GB), id="of the one that is named, 1.5 GB kept"),
        pytest.param(Facts(0, gpus=(ROOMY,), free_memory_bytes=10 * GB), (), 8 * GB, id="of main memory"),
        pytest.param(Facts(0, gpus=(SILENT,), free_memory_bytes=10 * GB), None, 8 * GB, id="a card that does not tell"),
    ],
)
def test_memory_is_lent_from_where_the_layers_go(facts: Facts | None, gpus: tuple[int, ...] | None, lent: int) -> None:
    assert lent_bytes(facts, Rules(gpus=gpus)) == lent


def test_where_nothing_is_left_to_lend_that_does_not_mean_no_limit() -> None:
    assert lent_bytes(Facts(0, free_memory_bytes=GB), Rules(gpus=())) == 1


def test_limits_are_given_in_bytes() -> None:
    settings = Settings(upload_mbit=8, monthly_volume_gb=1.5)
    assert (upload_bytes_s(settings), volume_bytes(settings)) == (1_000_000, 1_500_000_000)
    assert (upload_bytes_s(Settings()), volume_bytes(Settings())) == (0, 0)
