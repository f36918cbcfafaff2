"""The file that says what clients hold on an engine."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from meadow_engine.serving.usage import Usage, keep_written


def said(path: Path) -> Any:
    return json.loads(path.read_text())


async def test_the_file_is_there_at_once_and_follows(tmp_path: Path) -> None:
    path, now = tmp_path / "status.json", Usage()
    async with keep_written(path, lambda: now):
        assert said(path) == {
            "sessions": 0,
            "streams": 0,
            "pages": 0,
            "host_pages": 0,
            "waiting": 0,
            "retained_bytes": 0,
        }
        now = Usage(sessions=2, pages=5)
        async with asyncio.timeout(5):
            while said(path)["sessions"] != 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert said(path)["pages"] == 5


async def test_a_file_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    async with keep_written(tmp_path / "no" / "such" / "folder", Usage):
        await asyncio.sleep(0)


def test_without_a_file_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def host() -> None:
        async with keep_written(None, Usage):
            await asyncio.sleep(0)

    monkeypatch.chdir(tmp_path)
    asyncio.run(host())
    assert list(tmp_path.iterdir()) == []
