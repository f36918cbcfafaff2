"""A download in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from meadow_desktop.engine_words import told
from meadow_desktop.language import _
from meadow_desktop.phrases import as_sentence, short_model_name
from meadow_desktop.welcome.view import describe_size
from meadow_engine.api.downloads import Download


@dataclass(frozen=True)
class DownloadView:
    """One line: words, how much of a hundred, and the one button."""

    model: str
    words: str
    percent: int
    action: Literal["", "pause", "resume"]


def present_download(download: Download) -> DownloadView | None:
    """None for one that is done: there is nothing more to say."""
    model = short_model_name(download.model)
    done, total = describe_size(download.done_bytes), describe_size(download.total_bytes)
    percent = round(100 * download.done_bytes / download.total_bytes) if download.total_bytes else 0
    match download.state:
        case "done":
            return None
        case "downloading":
            words = _("Fetching {model}: {done} of {total}").format(model=model, done=done, total=total)
            return DownloadView(download.model, words, percent, "pause")
        case "paused":
            words = _("Paused: {model}, {done} of {total}").format(model=model, done=done, total=total)
            return DownloadView(download.model, words, percent, "resume")
        case "failed":
            words = _("{model} was not fetched. {problem} {advice}").format(
                model=model, problem=as_sentence(told(download.problem)), advice=as_sentence(told(download.advice))
            )
            return DownloadView(download.model, words, percent, "resume")
