"""What a fake engine has to lend, and what it says of the commands of the first start."""

from __future__ import annotations

from meadow_desktop.fakes_of_engine.asked import Routes
from meadow_engine.api.computer import ComputerOverview, GraphicsCard
from meadow_engine.api.downloads import DownloadSize


def computer_routes() -> Routes:
    """Who answers what."""
    return {("GET", "/api/computer"): lambda asked: fake_computer()}


def fake_computer() -> ComputerOverview:
    """As `GET /api/computer` has it: a gaming PC."""
    return ComputerOverview(
        graphics=[GraphicsCard(name="NVIDIA GeForce RTX 4070", total_bytes=12_884_901_888, free_bytes=11_600_000_000)],
        lends_graphics=True,
        lent_bytes=9_280_000_000,
        free_disk_bytes=212_000_000_000,
        idle_s=180,
        tells_presence=True,
        has_battery=False,
    )


def fake_size(model: str) -> DownloadSize:
    """As `GET /api/downloads/size` has it."""
    return DownloadSize(
        model=model,
        total_bytes=2_490_000_000,
        here_bytes=0,
        fetch_bytes=2_490_000_000,
        free_bytes=212_000_000_000,
        folder="/home/somebody/.cache/huggingface/hub",
    )
