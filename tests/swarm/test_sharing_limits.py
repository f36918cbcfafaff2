"""A host process keeps to the limits it was ordered to, and counts what it sends and receives for others."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from secrets import token_hex

import pytest

from fakes.engine_folder import ANY_MACHINE, EngineFolder
from fakes.processes import LOOPBACK, wait_until
from meadow_assets import demo_model_path
from meadow_client.identity import new_identity
from meadow_client.models.description import ModelDescription, describe
from meadow_client.swarm.node import Stream, SwarmNode
from meadow_client.wire import frames
from meadow_client.wire.messages import PROTOCOL, VERSION, Open, Opened, Ping, Pong, Result, Step, TensorHeader
from meadow_engine.host.child import HostChild, running_host
from meadow_engine.host.protocol import Limits, Order, Served, Serving

SETTINGS = {**ANY_MACHINE, "share": True, "mode": "always", "keep_awake": True, "monthly_volume_gb": 1}
RATE = 125_000.0
TOKENS = 400
MANY = 1 << 30


async def served_by(child: HostChild) -> Serving:
    async with asyncio.timeout(60):
        async for report in child.reports():
            if isinstance(report, Serving):
                return report
    raise AssertionError("it ended")


async def counted_until_it_left(child: HostChild) -> Served:
    told = Served(0, 0)
    async with asyncio.TaskGroup() as group:
        group.create_task(child.leave(10))
        async for report in child.reports():
            if isinstance(report, Served):
                told = report
    return told


@asynccontextmanager
async def opened(node: SwarmNode, peer: str, description: ModelDescription) -> AsyncIterator[Stream]:
    stream = await node.open(peer, PROTOCOL)
    try:
        length = TOKENS + 8
        opening = Open(VERSION, "session", description.fingerprint, 0, description.num_layers, 1, length, token_hex(16))
        stream.writer.writelines(frames.encode(opening))
        reply, _ = await frames.read(stream.reader, frames.reply_decoder, lambda _: None, 0)
        assert isinstance(reply, Opened)
        yield stream
    finally:
        await stream.aclose()


async def step(stream: Stream, position: int, width: int) -> tuple[int, float]:
    """Bytes of the result, and seconds until all of it was here; a ping on the way is answered first, if it can be."""
    header = TensorHeader("hidden", "float32", (1, TOKENS if position == 0 else 1, width))
    began_s = time.monotonic()
    stream.writer.writelines(frames.encode(Step(position, (header,)), [bytes(header.nbytes)]))
    stream.writer.writelines(frames.encode(Ping()))
    pongs, result_bytes = 0, 0
    async with asyncio.timeout(60):
        while not result_bytes or not pongs:
            reply, data = await frames.read(stream.reader, frames.reply_decoder, lambda _: None, MANY)
            pongs += isinstance(reply, Pong)
            if isinstance(reply, Result):
                result_bytes = len(data["hidden"])
    return result_bytes, time.monotonic() - began_s


async def test_what_goes_to_others_is_limited_and_counted_and_what_goes_to_the_own_engine_is_not(
    tmp_path: Path,
) -> None:
    description = describe(str(demo_model_path()))
    layers = f"0:{description.num_layers}"
    async with (
        SwarmNode.running(new_identity(), listen=[LOOPBACK]) as engine,
        SwarmNode.running(new_identity(), engine.address, listen=None) as stranger,
    ):
        order = Order(
            str(demo_model_path()),
            layers,
            "cpu",
            "float32",
            "none",
            "limited",
            engine.address,
            [LOOPBACK],
            str(tmp_path / "host-identity"),
            compute_share=0.5,
            upload_bytes_s=RATE,
            own_peer=engine.peer,
        )
        async with running_host(order) as child:
            host = await served_by(child)
            async with opened(engine, host.peer, description) as own:
                own_bytes, own_s = await step(own, 0, description.width)
            async with opened(stranger, host.peer, description) as others:
                sent_bytes, limited_s = await step(others, 0, description.width)
            child.order(Limits(1.0, 0.0))
            async with opened(stranger, host.peer, description) as others:
                more_bytes, unlimited_s = await step(others, 0, description.width)
            told = await counted_until_it_left(child)
    assert own_bytes == sent_bytes == more_bytes
    least_s = 0.8 * (sent_bytes / RATE - 0.1)
    assert limited_s > least_s > 0.5
    assert max(own_s, unlimited_s) < limited_s / 2
    assert 2 * sent_bytes < told.sent_bytes < 2.2 * sent_bytes
    assert 2 * sent_bytes < told.received_bytes < 2.2 * sent_bytes


def test_a_month_that_is_used_up_ends_sharing_and_a_higher_limit_brings_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAKEPY_FAKE_SUCCESS", "yes")
    counted = {"month": f"{datetime.now():%Y-%m}", "sent_bytes": 700_000_000, "received_bytes": 300_000_000}
    folder = EngineFolder(tmp_path)
    folder.write_settings(SETTINGS)
    folder.write("data/volume.json", json.dumps(counted))
    with folder.engine() as program, folder.client() as api:

        def codes() -> list[str]:
            return [reason["code"] for reason in api.get("/api/status").json()["reasons"]]

        wait_until(lambda: codes() == ["volume-used"], 20, "the reason")
        status = api.get("/api/status").json()
        assert (status["sent_bytes"], status["received_bytes"]) == (700_000_000, 300_000_000)
        assert 0 < status["may_begin_s"] <= 31 * 24 * 3600
        changed = api.patch("/api/settings", json={"values": {"monthly_volume_gb": 2}})
        assert changed.status_code == 200, changed.text
        wait_until(lambda: api.get("/api/status").json()["sharing"] == "sharing", 60, "sharing")
        wait_until(lambda: "kept awake while it shares" in program.log(), 10, "the line about keeping awake")
    assert json.loads((tmp_path / "data" / "volume.json").read_text())["sent_bytes"] >= 700_000_000
