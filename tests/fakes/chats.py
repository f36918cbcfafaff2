"""Several conversations at the same time, all in mid-answer when something happens to the computer that helps them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.generation.streamers import BaseStreamer

from fakes.long_answers import generate
from fakes.processes import wait_until
from meadow_client import AutoDistributedModelForCausalLM

CHATS, PROMPT, TOKENS, MOVED_AT = 4, 200, 120, 20


class Pace(BaseStreamer):
    """When each token came; the first `MOVED_AT` ones of all chats are waited for."""

    def __init__(self, have_begun: threading.Barrier) -> None:
        self._have_begun = have_begun
        self.times_s: list[float] = []

    def put(self, _tokens: torch.Tensor) -> None:
        self.times_s.append(time.monotonic())
        if len(self.times_s) == MOVED_AT:
            self._have_begun.wait(60)

    def end(self) -> None:
        pass

    def longest_gap_s(self) -> float:
        later = self.times_s[MOVED_AT:]  # what came before waited for the others
        return max(after - before for before, after in pairwise(later))


class Chats:
    """Conversations with the bundled model in a swarm. Create them with `waiting_chats`."""

    def __init__(self, model_path: Path, join: str) -> None:
        self._model = AutoDistributedModelForCausalLM.from_pretrained(
            str(model_path), initial_peers=[join], dtype="float32"
        )
        seeds = [torch.Generator().manual_seed(seed) for seed in range(CHATS)]
        self.prompts = [torch.randint(5, 300, (1, PROMPT), generator=seed) for seed in seeds]
        self.sessions: list[Any] = [self._model.remote.inference_session(400) for _ in self.prompts]
        self._have_begun = threading.Barrier(CHATS + 1)
        self.paces = [Pace(self._have_begun) for _ in self.prompts]
        self._texts: dict[int, torch.Tensor] = {}
        self._threads = [threading.Thread(target=self._answer, args=(index,)) for index in range(CHATS)]

    def begin(self) -> None:
        """Start all; returns when every one has its first tokens and waits for `go_on`."""
        for thread in self._threads:
            thread.start()
        wait_until(lambda: self._have_begun.n_waiting == CHATS, 60, "four conversations")

    def go_on(self) -> None:
        self._have_begun.wait(60)

    def are_the_local_ones(self, model_path: Path) -> list[bool]:
        """Wait for the ends; whether each text is what the model says on one computer, token for token."""
        for thread in self._threads:
            thread.join(60)
        local = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32).eval()
        return [
            index in self._texts
            and torch.equal(
                self._texts[index],
                local.generate(ids, max_new_tokens=TOKENS, min_new_tokens=TOKENS, do_sample=False, pad_token_id=0),
            )
            for index, ids in enumerate(self.prompts)
        ]

    def longest_gap_s(self) -> float:
        """The longest that a reader waited for a token after `go_on`."""
        return max(pace.longest_gap_s() for pace in self.paces)

    def recoveries(self) -> list[int]:
        """How often each conversation has lost a server."""
        return [len(session.recoveries) for session in self.sessions]

    def close(self) -> None:
        self._have_begun.abort()
        for session in self.sessions:
            session.close()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(60)

    def _answer(self, index: int) -> None:
        self._texts[index] = generate(self._model, self.prompts[index], self.sessions[index], TOKENS, self.paces[index])


@contextmanager
def waiting_chats(model_path: Path, join: str) -> Iterator[Chats]:
    """Conversations that have begun, and wait in mid-answer for `go_on`."""
    chats = Chats(model_path, join)
    try:
        chats.begin()
        yield chats
    finally:
        chats.close()
