"""Downloads are shown while they are under way, and can be held and continued."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtWidgets import QProgressBar, QPushButton

from fakes.desktop_qt import settle, wait_until
from meadow_desktop.downloads import desk as downloads_desk
from meadow_desktop.downloads.desk import DownloadsDesk
from meadow_desktop.downloads.view import present_download
from meadow_desktop.engine.link import EngineLink
from meadow_desktop.engine.link_state import Connected
from meadow_desktop.fake_engine import FakeEngine
from meadow_desktop.windows.downloads_bar import DownloadsBar
from meadow_engine.api.downloads import Download, FetchModel
from meadow_engine.api.places import Places

StartEngine = Callable[..., FakeEngine]
HALF = Download(model="meadow/large", state="downloading", done_bytes=500_000_000, total_bytes=1_000_000_000)


def test_a_download_says_how_far_it_is_and_what_can_be_done() -> None:
    view = present_download(HALF)
    assert view is not None
    assert (view.words, view.percent, view.action) == ("Fetching large: 500 MB of 1.0 GB", 50, "pause")
    paused = present_download(HALF.model_copy(update={"state": "paused"}))
    assert paused is not None
    assert paused.action == "resume"
    failed = present_download(
        HALF.model_copy(update={"state": "failed", "problem": "the disk is full", "advice": "Make room"})
    )
    assert failed is not None
    assert failed.words == "large was not fetched. The disk is full. Make room."
    assert present_download(HALF.model_copy(update={"state": "done"})) is None


def test_a_download_is_followed_held_and_continued(
    places: Places, start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads_desk, "LOOK_MS", 30)
    engine = start_engine("off")
    engine.downloads.obey("/api/downloads", FetchModel(model="meadow/large"))
    link = EngineLink(places, None)
    desk = DownloadsDesk(link, parent=link)
    bar = DownloadsBar(desk)
    link.begin()
    wait_until(lambda: isinstance(link.state, Connected) and not bar.isHidden())
    progress, button = bar.findChild(QProgressBar), bar.findChild(QPushButton, "download-action")
    remove = bar.findChild(QPushButton, "download-remove")
    assert remove is not None
    assert remove.isHidden()  # one that runs can only be paused
    assert progress is not None
    assert button is not None
    first = progress.value()
    wait_until(lambda: progress.value() > first)
    button.click()
    wait_until(lambda: button.text() == "Go on")
    held = progress.value()
    settle()
    assert progress.value() == held
    button.click()
    wait_until(bar.isHidden)  # fetched
    engine.downloads.obey("/api/downloads", FetchModel(model="meadow/other"))
    engine.downloads.obey("/api/downloads/pause", FetchModel(model="meadow/other"))
    desk.look()
    wait_until(lambda: not bar.isHidden())
    lines = bar.findChildren(QPushButton, "download-remove")
    lines[-1].click()
    wait_until(bar.isHidden)
    assert engine.downloads.list()[0].model == "meadow/large"
    assert len(engine.downloads.list()) == 1
    link.close()
    bar.deleteLater()
    settle()
