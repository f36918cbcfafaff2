"""A swarm to be broken: engines from the nursery with replicas of every span, and a client that talks to them.

Everything is on loopback, or everybody on an emulated host: host 0 is the meeting point and the client, host 1 + I is
engine I. An engine that is started again is another peer, and the client leaves the old one out of its chains: the
directory would name the dead for minutes, and hundreds of them would die in that time.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.netlab import Lab
from chaos.nursery import Fledgling, Nursery

TALK_TIMEOUT_S = 60.0
CLEAN_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Fault:
    """What goes wrong once `after` tokens have come (0: in mid-prompt), `delay_s` later.

    `act` is told the peers of the chain as they were then.
    """

    after: int
    act: Callable[[list[str]], object]
    delay_s: float = 0.0


class TalkFailedError(AssertionError):
    """The client gave no text."""


class Ground:
    """`spans` has an entry for every engine."""

    def __init__(
        self, nursery: Nursery, model: Path, spans: Sequence[tuple[int, int]], base: Path, lab: Lab | None = None
    ) -> None:
        self.model, self.spans, self.lab = model, list(spans), lab
        self.clock_shift_s = 0.0
        self._nursery, self._base = nursery, base
        self.meeting_point = self._start(0, "bootstrap").wait_ready()
        self.engines = [self._start_engine(index) for index in range(len(spans))]
        for engine in self.engines:
            engine.wait_ready()
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        self.client = self._start_client()

    def engine_of(self, peer: str) -> int:
        return next(index for index, engine in enumerate(self.engines) if engine.ready["peer"] == peer)

    def restart(self, index: int, *, clock_shift_s: float = 0.0, base: Path | None = None) -> None:
        """Kill an engine and start it again; returns when it is announced."""
        self._replace(index, clock_shift_s, base)
        self.engines[index].wait_ready()

    def restart_dead(self) -> None:
        """Start all engines again that are dead, at the same time."""
        dead = [index for index, engine in enumerate(self.engines) if not engine.is_alive]
        for index in dead:
            self._replace(index)
        for index in dead:
            self.engines[index].wait_ready()

    def restart_client(self) -> None:
        """Another client, which knows nothing of what was."""
        self.client.close()
        self._events = queue.Queue()
        self.client = self._start_client()

    def alone(self, request: dict[str, Any]) -> list[list[int]]:
        """What the whole model in one process says."""
        return list(self._ask({**request, "alone": True})["text"])

    def talk(self, request: dict[str, Any], faults: Sequence[Fault] = ()) -> dict[str, Any]:
        """Let the client generate, and let things go wrong meanwhile; what the client reports at the end."""
        timers: list[threading.Timer] = []
        peers: list[str] = []

        def let_go_wrong(tokens: int) -> None:
            for fault in faults:
                if fault.after == tokens:
                    timer = threading.Timer(fault.delay_s, fault.act, (list(peers),))
                    timers.append(timer)
                    timer.start()

        def on_token(event: dict[str, Any]) -> None:
            peers[:] = event["peers"]
            let_go_wrong(event["token"])

        let_go_wrong(0)
        try:
            answer = self._ask(request, on_token)
        finally:
            for timer in timers:
                timer.join()
        return answer

    def abort(self, place: int) -> None:
        self._tell({"abort": place})

    def report(self) -> dict[str, Any]:
        """How many tasks and files the client has open."""
        return self._ask({"report": True})

    def usage(self, index: int) -> dict[str, int]:
        """What clients hold on an engine."""
        return dict(json.loads((self._base / f"engine-{index}.json").read_text()))

    def wait_clean(self) -> None:
        """Wait until no engine holds anything for anybody.

        Raises:
            AssertionError: some do, a while after everybody left.
        """
        deadline_s = time.monotonic() + CLEAN_TIMEOUT_S
        while left := {
            index: usage
            for index, engine in enumerate(self.engines)
            if engine.is_alive and any((usage := self.usage(index)).values())
        }:
            assert time.monotonic() < deadline_s, f"left over on engines, by their numbers: {left}"
            time.sleep(0.02)

    def logs(self) -> str:
        """The last words of everybody, for whoever looks for the reason of a failure."""
        programs = {f"engine {index}": engine for index, engine in enumerate(self.engines)} | {"client": self.client}
        return "\n".join(f"--- {name}\n{program.log()[-3000:]}" for name, program in programs.items())

    def _ask(
        self, request: dict[str, Any], on_token: Callable[[dict[str, Any]], object] = lambda _event: None
    ) -> dict[str, Any]:
        while not self._events.empty():
            self._events.get()
        self._tell(request)
        deadline_s = time.monotonic() + TALK_TIMEOUT_S
        while True:
            try:
                event = self._events.get(timeout=max(0.0, deadline_s - time.monotonic()))
            except queue.Empty:
                raise TalkFailedError(f"no text within {TALK_TIMEOUT_S:.0f} s") from None
            if "token" in event:
                on_token(event)
            elif "error" in event:
                raise TalkFailedError(event["error"])
            else:
                return event

    def _tell(self, request: dict[str, Any]) -> None:
        self.client.stdin.write(json.dumps(request) + "\n")
        self.client.stdin.flush()

    def _listen_at(self, host: int) -> str:
        address = self.lab.address(host) if self.lab else "127.0.0.1"
        return f"/ip4/{address}/tcp/0"

    def _namespace(self, host: int) -> str:
        return self.lab.namespace(host) if self.lab else ""

    def _start(self, host: int, *arguments: str, name: str = "", clock_shift_s: float = 0.0) -> Fledgling:
        return self._nursery.start(
            "meadow_engine.cli.main",
            [*arguments, "--listen", self._listen_at(host)],
            name=name or arguments[0],
            namespace=self._namespace(host),
            clock_shift_s=clock_shift_s,
        )

    def _replace(self, index: int, clock_shift_s: float = 0.0, base: Path | None = None) -> None:
        self.engines[index].close()
        self._tell({"block": self.engines[index].ready["peer"]})
        self.engines[index] = self._start_engine(index, clock_shift_s, base)

    def _start_engine(self, index: int, clock_shift_s: float = 0.0, base: Path | None = None) -> Fledgling:
        start, end = self.spans[index]
        own = ["--layers", f"{start}:{end}", "--public-name", f"engine-{index}", "--base-dir", str(base or self._base)]
        own += ["--status-file", str(self._base / f"engine-{index}.json")]
        common = ["serve", str(self.model), "--device", "cpu", "--dtype", "float32", "--join"]
        (self._base / f"engine-{index}.json").unlink(missing_ok=True)
        return self._start(
            1 + index,
            *common,
            self.meeting_point.address,
            *own,
            name=f"engine {index}",
            clock_shift_s=clock_shift_s,
        )

    def _start_client(self) -> Fledgling:
        client = self._nursery.start(
            "chaos.talker",
            [str(self.model), "--join", self.meeting_point.address],
            name="client",
            namespace=self._namespace(0),
        ).wait_ready()

        client.is_read = True
        events = self._events

        def read() -> None:
            with client.stdout:
                for line in client.stdout:
                    events.put(json.loads(line))

        threading.Thread(target=read, daemon=True).start()
        return client
