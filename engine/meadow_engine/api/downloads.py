"""Fetching a model's files from huggingface.co: what it will cost, and how far it is.

`GET /api/downloads/size?model=ID` comes first, so that nobody is surprised; `POST /api/downloads` begins, and
`POST /api/downloads/pause` and `/resume` hold and continue, and `/remove` gives up. `GET /api/downloads` lists what was
begun since the engine started, and what was not done before: it outlives the engine.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

DownloadState = Literal["downloading", "paused", "done", "failed"]

LONGEST_MODEL = 256


class FetchModel(BaseModel):
    """The body of `POST /api/downloads` and of `pause`, `resume` and `remove` below it."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(min_length=1, max_length=LONGEST_MODEL, description="A name on huggingface.co, such as a/b.")


class DownloadSize(BaseModel):
    """What chatting with a model needs on this computer: config, tokenizer, and what holds embeddings and head."""

    model: str
    total_bytes: int = Field(description="All of it.")
    here_bytes: int = Field(description="What of it lies here already, unfinished files too.")
    fetch_bytes: int = Field(description="What would be fetched: the rest.")
    free_bytes: int = Field(description="Free space on the disk where it would lie.")
    folder: str = Field(description="Where it would lie; empty for a model that is in a folder of its own.")


class Download(BaseModel):
    """One model that is being fetched, or was."""

    model: str
    state: DownloadState
    done_bytes: int
    total_bytes: int
    problem: str = Field(default="", description="Why it failed; one sentence for people.")
    advice: str = Field(default="", description="What the person can do about it.")
