"""The person comes back while others' conversations are computed here: they move on, and everything is given back."""

from __future__ import annotations

import json
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import torch
from transformers.generation.streamers import BaseStreamer

from fakes.long_answers import generate
from fakes.processes import (
    LOOPBACK,
    Program,
    close,
    running_swarm,
    serve_arguments,
    start_meadow,
    wait_ready,
    wait_until,
)
from meadow_assets import demo_model_path
from meadow_client import AutoDistributedModelForCausalLM
from meadow_engine.api.status import EngineStatus

CHATS, PROMPT, TOKENS, MOVED_AT = 4, 200, 120, 20
SETTINGS = {
    "listen": [LOOPBACK],
    "device": "cpu",
    "dtype": "float32",
    "layers": "4:8",
    "share": True,
    "mode": "always",
    "foreign_cpu_percent": 100,
    "memory_kept_gb": 0,
    "disk_kept_gb": 0,
    "share_on_battery": True,
    "too_hot_c": 110,
    "cool_again_c": 105,
}


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


class Volunteer:
    """A computer that shares layers 4 to 7 with the swarm at `join`."""

    def __init__(self, base: Path, join: str) -> None:
        self.base = base
        (base / "config").mkdir(parents=True)
        lines = [f"{name} = {json.dumps(value)}" for name, value in {**SETTINGS, "initial_peers": [join]}.items()]
        (base / "config" / "settings.toml").write_text("\n".join(lines))
        self.program: Program = wait_ready(start_meadow("--no-gui", "--base-dir", str(base)))
        wait_until(lambda: self.status().sharing == "sharing", 60, "sharing")

    def status(self) -> EngineStatus:
        return EngineStatus.model_validate_json(self.ask("GET", "/api/status").content)

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        running = json.loads((self.base / "run" / "engine.json").read_text())
        headers = {"Authorization": f"Bearer {running['token']}"}
        return httpx.request(method, running["url"] + path, json=body, headers=headers, timeout=20)

    def host(self) -> psutil.Process:
        children = psutil.Process(self.program.process.pid).children()
        return next(child for child in children if child.name() != "p2pd")


@pytest.mark.timeout(240)
def test_four_conversations_move_on_when_the_person_is_back(tmp_path: Path) -> None:
    model_path = demo_model_path()
    with running_swarm(model_path, [(0, 4)]) as swarm:
        volunteer = Volunteer(tmp_path, swarm.address)
        replica: Program | None = None
        sessions: list[Any] = []
        try:
            model = AutoDistributedModelForCausalLM.from_pretrained(str(model_path), initial_peers=[swarm.address])
            prompts = [
                torch.randint(5, 300, (1, PROMPT), generator=torch.Generator().manual_seed(seed))
                for seed in range(CHATS)
            ]
            expected = []
            for ids in prompts:
                with model.remote.inference_session(400) as session:
                    expected.append(generate(model, ids, session, TOKENS))
            sessions = [model.remote.inference_session(400) for _ in prompts]
            have_begun = threading.Barrier(CHATS + 1)
            paces = [Pace(have_begun) for _ in prompts]
            texts: dict[int, torch.Tensor] = {}

            def answer(index: int) -> None:
                texts[index] = generate(model, prompts[index], sessions[index], TOKENS, paces[index])

            chats = [threading.Thread(target=answer, args=(index,)) for index in range(CHATS)]
            for chat in chats:
                chat.start()
            wait_until(lambda: have_begun.n_waiting == CHATS, 60, "four conversations")
            assert volunteer.status().sessions == CHATS
            # Only now is there another computer that could take over: the conversations are here for certain.
            replica = wait_ready(start_meadow(*serve_arguments(model_path, (4, 8), [swarm.address], name="replica")))
            host = volunteer.host()
            have_begun.wait(60)
            began_s = time.monotonic()
            volunteer.ask("POST", "/api/pause", {"length": "1h"})
            wait_until(lambda: not host.is_running() or host.status() == psutil.STATUS_ZOMBIE, 10, "the host's end")
            released_s = time.monotonic() - began_s
            for chat in chats:
                chat.join(60)
            assert [torch.equal(texts[index], expected[index]) for index in range(CHATS)] == [True] * CHATS
            lost = [len(session.recoveries) for session in sessions]
            assert all(count >= 1 for count in lost)
            assert max(pace.longest_gap_s() for pace in paces) < 3.0
            assert released_s < 2.5
            assert volunteer.status().sharing == "paused"
        finally:
            for session in sessions:
                session.close()
            if replica is not None:
                close(replica)
            close(volunteer.program)
