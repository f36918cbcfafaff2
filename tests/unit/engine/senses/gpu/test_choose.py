"""Which provider tells about the cards of a computer."""

from __future__ import annotations

from pathlib import Path

from fakes.graphics_cards import add_amd_card, add_card
from meadow_engine.senses.gpu.amd import AmdSense
from meadow_engine.senses.gpu.apple import AppleGpuSense
from meadow_engine.senses.gpu.choose import choose_gpu_sense
from meadow_engine.senses.gpu.nvidia import NvidiaSense


def chosen(sys_root: Path, platform: str = "linux") -> type:
    return type(choose_gpu_sense(lambda: False, sys_root=sys_root, platform=platform))


def test_the_card_that_is_there_decides(tmp_path: Path) -> None:
    add_amd_card(tmp_path)
    assert chosen(tmp_path) is AmdSense


def test_beside_an_nvidia_card_the_processors_own_graphics_do_not_count(tmp_path: Path) -> None:
    add_amd_card(tmp_path)
    add_card(tmp_path, "nvidia")
    assert chosen(tmp_path) is NvidiaSense


def test_a_card_that_belongs_to_a_virtual_machine_is_not_ours(tmp_path: Path) -> None:
    add_card(tmp_path, "vfio-pci")
    add_amd_card(tmp_path)
    assert chosen(tmp_path) is AmdSense


def test_where_nothing_is_listed_the_nvidia_library_is_asked(tmp_path: Path) -> None:
    assert chosen(tmp_path) is NvidiaSense
    assert chosen(tmp_path, "win32") is NvidiaSense


def test_a_mac_is_asked_its_own_way(tmp_path: Path) -> None:
    assert chosen(tmp_path, "darwin") is AppleGpuSense
