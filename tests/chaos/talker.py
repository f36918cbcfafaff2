"""A client that generates what it is told to, one JSON line on stdin after the other, and reports on stdout.

    {"texts": [[5, 6, 7]], "tokens": 40, "kind": "greedy", "seed": 0}
    → {"token": 1, "peers": ["12D3…", …], "trips": 1}            whenever a token has come
    → {"text": [[5, 6, 7, …]], "recoveries": 1, "longest_gap_s": 0.2, "first_token_s": 0.3}
    → {"error": "…"}                                              instead of the text

`kind` is one of KINDS. `{"alone": true, …}` computes the same with the whole model in this process. `{"abort": 1}` is
obeyed while a generation runs: the stream to that server of the chain is broken off. `{"block": "12D3…"}` leaves a
server out of chains from now on. `{"report": true}` counts what the client has open. `--retain 0` lets servers keep
nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.generation.stopping_criteria import StoppingCriteria

from meadow_client.identity import new_identity
from meadow_client.models.auto import AutoDistributedModelForCausalLM
from meadow_client.models.description import describe
from meadow_client.routing.bans import Bans
from meadow_client.session.hop import Hop
from meadow_client.session.inference import InferenceSession
from meadow_client.session.pipeline import Pipeline
from meadow_client.session.swarm_client import ClientOptions, SwarmClient
from meadow_client.swarm.node import SwarmNode
from meadow_engine.cli.console import set_up_logging

KINDS = ("greedy", "sampled", "beams", "lookup", "batch")
_PADDING = 0


class _Report(StoppingCriteria):
    """Says that a token has come; beams, too, know this interface."""

    def __init__(self, session: InferenceSession | None) -> None:
        self.session = session
        self.times_s: list[float] = []

    def __call__(self, input_ids: torch.Tensor, _scores: Any, **_kwargs: Any) -> torch.Tensor:
        self.times_s.append(time.perf_counter())
        if self.session is not None:
            peers = [member.leg.peer for member in self.session.members]
            say({"token": len(self.times_s), "peers": peers, "trips": self.session.trips})
        return torch.zeros(input_ids.shape[0], dtype=torch.bool)


class BreakableClient(SwarmClient):
    """Remembers the streams of the latest chain. Every generation begins without grudges."""

    hops: Sequence[Hop] = ()

    def pipeline(self, hops: Sequence[Hop], *args: Any, **kwargs: Any) -> Pipeline:
        if sum(hop.leg.end - hop.leg.start for hop in hops) == self.num_layers:
            self.hops = hops
        return super().pipeline(hops, *args, **kwargs)

    def forgive(self) -> None:
        self._bans = Bans()


class Talker:
    """The two models, and the session that is open now."""

    def __init__(self, model: str, join: Sequence[str], options: ClientOptions) -> None:
        self._model, self._join = model, join
        self._blocked: set[str] = set()
        self._options = replace(options, blocked_servers=self._blocked)
        self._loop = asyncio.new_event_loop()
        self._client: BreakableClient
        self._local: Any = None
        self._ours: Any = None
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def connect(self) -> None:
        description = describe(self._model)
        starting = SwarmNode.start(new_identity(), self._join, listen=None)
        node = asyncio.run_coroutine_threadsafe(starting, self._loop).result()
        self._client = client = BreakableClient(
            node, self._loop, description.fingerprint, description.name, description.num_layers, self._options
        )
        self._ours = AutoDistributedModelForCausalLM.connect(description, client, dtype=torch.float32)

    @property
    def local(self) -> Any:
        if self._local is None:
            self._local = AutoModelForCausalLM.from_pretrained(self._model, dtype=torch.float32).eval()
        return self._local

    def generate(self, request: dict[str, Any]) -> dict[str, Any]:
        texts: list[list[int]] = request["texts"]
        length = max(map(len, texts))
        ids = torch.tensor([[_PADDING] * (length - len(text)) + text for text in texts])
        mask = torch.tensor([[0] * (length - len(text)) + [1] * len(text) for text in texts])
        tokens = request["tokens"]
        options = {"attention_mask": mask, "max_new_tokens": tokens, "min_new_tokens": tokens, "pad_token_id": _PADDING}
        options |= _options(request["kind"])
        torch.manual_seed(request["seed"])
        began_s = time.perf_counter()
        if request.get("alone"):
            text = self.local.generate(ids, **options)
            return {"text": text.tolist()}
        self._client.forgive()
        with self._ours.remote.inference_session(length + tokens + 16) as session:
            report = _Report(session)
            text = self._ours.generate(ids, stopping_criteria=[report], session=session, **options)
            recoveries = session.recoveries
            gaps = [later - earlier for earlier, later in pairwise(report.times_s)]
            answer = {
                "text": text.tolist(),
                "recoveries": len(recoveries),
                "trips": session.trips,
                "from_history": sum(recovery.is_from_history for recovery in recoveries),
                "longest_gap_s": max(gaps, default=0.0),
                "first_token_s": report.times_s[0] - began_s,
            }
        return answer

    def abort(self, place: int) -> None:
        """Break off the stream to one server of the chain."""

        def break_off() -> None:
            if hops := self._client.hops:
                hops[place % len(hops)].abort()

        self._loop.call_soon_threadsafe(break_off)

    def block(self, peer: str) -> None:
        self._blocked.add(peer)

    def count(self) -> dict[str, int]:
        async def tasks() -> int:
            return len(asyncio.all_tasks()) - 1

        return {
            "tasks": asyncio.run_coroutine_threadsafe(tasks(), self._loop).result(),
            "files": len(os.listdir("/proc/self/fd")),
        }


def _options(kind: str) -> dict[str, Any]:
    match kind:
        case "sampled":
            return {"do_sample": True, "temperature": 1.0, "top_k": 0}
        case "beams":
            return {"do_sample": False, "num_beams": 3}
        case "lookup":
            return {"do_sample": False, "prompt_lookup_num_tokens": 6}
        case _:
            return {"do_sample": False}


def say(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--join", action="append", default=[])
    parser.add_argument("--retain", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    parsed = parser.parse_args(arguments)
    torch.set_num_threads(1)
    set_up_logging(is_verbose=parsed.verbose)
    talker = Talker(parsed.model, parsed.join, ClientOptions(retain=bool(parsed.retain)))
    talker.connect()
    say({"event": "ready"})
    generating: threading.Thread | None = None

    def run(request: dict[str, Any]) -> None:
        try:
            say(talker.generate(request))
        except Exception as error:  # noqa: BLE001 - whoever asked judges it
            say({"error": f"{type(error).__name__}: {error}"})

    for line in sys.stdin:
        request = json.loads(line)
        if "abort" in request:
            talker.abort(request["abort"])
        elif "block" in request:
            talker.block(request["block"])
        elif "report" in request:
            say(talker.count())
        else:
            generating = threading.Thread(target=run, args=(request,))
            generating.start()
    if generating is not None:
        generating.join()
    return 0
