"""Layers whose states do not forget a token: whoever rolls a session back has their caches filled anew.

The swarm holds a tiny qwen3_next: "a" has one layer of that kind and nothing else, "b" and "c" have both kinds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import torch

from fakes.conversations import (
    PROMPT,
    SCRIPTS,
    TOKENS,
    Faults,
    Script,
    beams,
    close,
    hidden,
    kill,
    live,
    names,
    text,
    text_that_goes_back,
    undisturbed,
)
from fakes.span_servers import Network, swarm_of
from meadow_client.models.description import describe
from meadow_client.session.inference import InferenceSession
from meadow_engine.runtime.caches import CannotGoBackError, SessionCache
from meadow_engine.runtime.span import LoadOptions, Span
from meadow_engine.serving import span_server

FAMILY = "qwen3_next"
LAYERS = {"a": (0, 1), "b": (1, 4), "c": (4, 6)}


@pytest.fixture(scope="session")
def forgetful_spans(tiny_model: Callable[[str], Path]) -> dict[str, Span]:
    description, cpu = describe(str(tiny_model(FAMILY))), torch.device("cpu")
    return {
        name: Span.load(description, start, end, cpu, LoadOptions("float32")) for name, (start, end) in LAYERS.items()
    }


@pytest.fixture
async def forgetful(forgetful_spans: dict[str, Span]) -> AsyncIterator[Network]:
    async with swarm_of(forgetful_spans) as network:
        yield network


@pytest.mark.parametrize("goes_back_by", [1, 3, PROMPT - 1, PROMPT])
async def test_a_session_that_is_rolled_back_goes_on_from_there(forgetful: Network, goes_back_by: int) -> None:
    expected = await undisturbed(forgetful, text, FAMILY)
    position = PROMPT - goes_back_by

    def script(session: InferenceSession, _faults: Faults) -> torch.Tensor:
        entering = hidden()
        session.step(torch.cat([entering[:, :position], hidden(tokens=goes_back_by, seed=4)], dim=1))
        session.position = position
        return torch.cat([session.step(entering[:, p : p + 2]) for p in range(position, TOKENS - 1, 2)], dim=1)

    output, recoveries = await live(forgetful.client(), script)
    close(output, expected[:, position : position + output.shape[1]])
    assert recoveries == []  # nobody was lost


async def test_a_session_that_is_rolled_back_again_and_again_goes_on(forgetful: Network) -> None:
    expected = await undisturbed(forgetful, text, FAMILY)
    output, recoveries = await live(forgetful.client(), text_that_goes_back)
    close(output, expected[:, : output.shape[1]])
    assert recoveries == []


LOST = [["a1"], ["b1"], ["c1"], ["a1", "c1"]]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
@pytest.mark.parametrize("lost", LOST, ids="+".join)
async def test_servers_that_are_lost_between_two_steps_are_replaced(
    forgetful: Network, lost: list[str], script: Script
) -> None:
    expected = await undisturbed(forgetful, script, FAMILY)
    output, recoveries = await live(forgetful.client(), script, {PROMPT + 1: kill(forgetful, *lost)})
    close(output, expected)
    assert [names(recovery) for recovery in recoveries] == [(lost, [f"{name[0]}2" for name in lost])]


@pytest.mark.parametrize("script", [text, beams], ids=lambda script: script.__name__)
@pytest.mark.parametrize("watched", ["a1", "b1", "c1"])
@pytest.mark.parametrize("lost", [["a1"], ["b1"], ["c1"]], ids="+".join)
async def test_servers_that_are_lost_in_the_middle_of_a_step_are_replaced(
    forgetful: Network, lost: list[str], watched: str, script: Script
) -> None:
    """Some have taken the step already, and have to begin again."""
    expected = await undisturbed(forgetful, script, FAMILY)
    server, rows = forgetful.servers[watched], 3 if script is beams else 1
    faults = {PROMPT + 1: lambda: server.after(rows, kill(forgetful, *lost))}
    output, recoveries = await live(forgetful.client(), script, faults)
    close(output, expected)
    assert [names(recovery)[0] for recovery in recoveries] == [lost]


@pytest.mark.parametrize("lost", ["a1", "b1", "c1"])
async def test_servers_that_are_lost_in_the_middle_of_a_prompt_are_replaced(forgetful: Network, lost: str) -> None:
    expected = await undisturbed(forgetful, text, FAMILY)
    forgetful.servers["a1"].after(17, kill(forgetful, lost))
    output, recoveries = await live(forgetful.client(piece_tokens=4), text)
    close(output, expected)
    assert [names(recovery)[0] for recovery in recoveries] == [[lost]]


async def test_such_caches_are_not_handed_over_but_the_session_goes_on(
    forgetful: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(span_server, "_QUIET_S", 0.1)
    expected = await undisturbed(forgetful, text, FAMILY)
    output, recoveries = await live(forgetful.client(), text, {PROMPT + 1: lambda: forgetful.leave("b1")})
    close(output, expected)
    assert [(*names(recovery), recovery.is_planned) for recovery in recoveries] == [(["b1"], ["b2"], False)]


@pytest.mark.parametrize("layers", [(0, 1), (0, 2), (1, 3), (2, 3)])
def test_a_part_of_a_span_says_that_it_cannot_go_back(
    tiny_model: Callable[[str], Path], layers: tuple[int, int]
) -> None:
    """Also where none of its layers knows how long the text is."""
    span = Span.load(describe(str(tiny_model(FAMILY))), 0, 3, torch.device("cpu"), LoadOptions("float32"))
    view = span.view(*layers)
    cache, entering = view.new_cache(), hidden(tokens=12)
    assert not isinstance(cache, SessionCache)
    whole = torch.cat([view.step(entering[:, :8], cache, 0), view.step(entering[:, 8:], cache, 8)], dim=1)
    close(whole, view.forward(entering))
    assert cache.get_seq_length() == 12
    for position in (11, 1):
        with pytest.raises(CannotGoBackError):
            view.prepare(cache, position)
