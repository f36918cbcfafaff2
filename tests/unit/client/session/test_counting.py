"""A client counts what servers compute for its sessions as they do themselves, also when some of them are lost."""

from __future__ import annotations

from collections import Counter

import pytest

from fakes.conversations import PROMPT, SCRIPTS, TOKENS, Script, kill, live, text
from fakes.span_servers import Network, Served
from meadow_client.session.swarm_client import Computed, SwarmClient

CHAIN = {"a1": (0, 2), "b1": (2, 4), "c1": (4, 6)}
Counts = dict[tuple[str, int, int], tuple[int, int]]  # by server and layers: tokens, conversations


def counting(client: SwarmClient) -> list[Computed]:
    heard: list[Computed] = []
    client.on_computed = heard.append
    return heard


def of_client(heard: list[Computed]) -> Counts:
    return _sums([(told.peer, told.start, told.end, told.tokens, told.is_first) for told in heard])


def of_servers(everybody: list[Served]) -> Counts:
    return _sums([(s.name, told.start, told.end, told.tokens, told.is_first) for s in everybody for told in s.helped])


def _sums(told: list[tuple[str, int, int, int, bool]]) -> Counts:
    tokens: Counter[tuple[str, int, int]] = Counter()
    conversations: Counter[tuple[str, int, int]] = Counter()
    for peer, start, end, count, is_first in told:
        tokens[peer, start, end] += count
        conversations[peer, start, end] += is_first
    return {key: (tokens[key], conversations[key]) for key in tokens}


async def test_every_token_of_a_text_is_counted_once_for_each_server(swarm: Network) -> None:
    client = swarm.client(piece_tokens=4)
    heard = counting(client)
    await live(client, text)
    assert of_client(heard) == {(peer, *layers): (TOKENS, 1) for peer, layers in CHAIN.items()}


async def test_each_session_is_a_conversation_of_its_own(swarm: Network) -> None:
    client = swarm.client()
    heard = counting(client)
    await live(client, text)
    await live(client, text)
    assert of_client(heard) == {(peer, *layers): (2 * TOKENS, 2) for peer, layers in CHAIN.items()}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
@pytest.mark.parametrize("lost", [[], ["a1"], ["b1"], ["c1"], ["b1", "c1"]], ids="+".join)
@pytest.mark.parametrize("link", [True, False], ids=["linked", "apart"])
async def test_client_and_servers_count_alike(swarm: Network, script: Script, lost: list[str], link: bool) -> None:
    everybody = list(swarm.servers.values())
    client = swarm.client(piece_tokens=4, link_servers=link)
    heard = counting(client)
    await live(client, script, {PROMPT + 1: kill(swarm, *lost)} if lost else {})
    assert of_client(heard) == of_servers(everybody)
    replaced = {name for told in heard if (name := told.peer).endswith("2")}
    assert replaced == {f"{name[0]}2" for name in lost}


async def test_what_a_lost_server_did_not_answer_is_counted_by_itself_alone(swarm: Network) -> None:
    everybody = list(swarm.servers.values())
    client = swarm.client(piece_tokens=4)
    heard = counting(client)
    swarm.servers["a1"].after(17, kill(swarm, "c1"))
    await live(client, text)
    ours, theirs = of_client(heard), of_servers(everybody)
    assert all(ours[key][0] <= theirs[key][0] for key in ours)
    assert sum(tokens for (name, *_), (tokens, _) in ours.items() if name in ("c1", "c2")) >= TOKENS
