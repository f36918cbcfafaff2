"""The client's end of a model for commands that need one: a node without listening, and an answerer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from meadow_client.errors import UsageError
from meadow_client.identity import new_identity
from meadow_client.invitation import read_addresses
from meadow_client.models.answering import Answerer
from meadow_client.models.auto import make_client
from meadow_client.models.description import describe
from meadow_client.session.codec_choice import CodecSetting
from meadow_client.session.swarm_client import ClientOptions
from meadow_client.swarm.node import SwarmNode


@asynccontextmanager
async def joined_answerer(
    model: str,
    join: Sequence[str],
    patience_s: float,
    dtype: str = "auto",
    draft: str | None = None,
    codec: CodecSetting = "raw",
) -> AsyncIterator[Answerer]:
    """Join the swarm at `join` and load the client's end of the model, and all of the draft model if there is one.

    Raises:
        UsageError: no address was given.
        MeadowError: the model cannot be read, or nobody answers.
    """
    addresses = read_addresses(join)
    description = await asyncio.to_thread(describe, model)
    if not addresses:
        raise UsageError("No swarm was named", "Give --join with the address or invitation of a computer in the swarm.")
    async with SwarmNode.running(new_identity(), addresses, listen=None) as node:
        options = ClientOptions(connect_timeout_s=patience_s, codec=codec)
        client = make_client(description, node, asyncio.get_running_loop(), options)
        answerer = await asyncio.to_thread(Answerer.load, description, client, dtype, draft)
        try:
            yield answerer
        finally:
            await answerer.aclose()
