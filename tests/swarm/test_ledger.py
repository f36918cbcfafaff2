"""Two engines share a model and chat with it: what one has earned, the other has spent, and both remember it.

The rule by which they agree: a token counts once for each server whose layers it has passed, if its answer arrived. So
an answer of N tokens to a prompt of P takes at least P + N - 1 of them, as the last token is not computed any further;
guesses that were wrong come on top. A server that is killed has not told what it did in the last half second.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fakes.processes import run_meadow, wait_until
from fakes.volunteer import Volunteer, running_volunteer
from meadow_assets import demo_model_path
from meadow_client.models.description import describe
from meadow_client.models.parameters import layer_parameters
from meadow_engine.api.contributions import ContributionRow, Contributions

HALVES = {"one": (0, 4), "other": (4, 8)}
TOLD_S = 5.0
QUESTION = (
    "I have a desktop computer with a graphics card that does nothing at night, and I would like to give it to people"
    " who cannot buy one. Please tell me in a few words: what is Meadow, and what do I have to do to take part?"
)


def ask(engine: Volunteer, *turns: str, tokens: int = 20) -> dict[str, Any]:
    """The answer to a conversation whose turns alternate between person and assistant."""
    roles = ("user", "assistant")
    messages = [{"role": roles[index % 2], "content": turn} for index, turn in enumerate(turns)]
    body = {"model": "meadow-demo", "messages": messages, "max_tokens": tokens, "temperature": 0}
    reply = engine.ask("POST", "/v1/chat/completions", body)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


def words(answer: dict[str, Any]) -> str:
    return str(answer["choices"][0]["message"]["content"])


def needed(answer: dict[str, Any]) -> int:
    """How many tokens have to pass through the layers for an answer whose prompt nobody knew."""
    return int(answer["usage"]["prompt_tokens"] + answer["usage"]["completion_tokens"] - 1)


def rows(engine: Volunteer, direction: str) -> list[ContributionRow]:
    reply = engine.ask("GET", f"/api/contributions/rows?direction={direction}")
    return [ContributionRow.model_validate(row) for row in reply.json()]


def totals(engine: Volunteer) -> Contributions:
    return Contributions.model_validate_json(engine.ask("GET", "/api/contributions").content)


def assert_they_agree(earner: Volunteer, spender: Volunteer, host_peer: str, layers: tuple[int, int]) -> int:
    """Of one direction; how many tokens there were."""
    (spent,) = rows(spender, "spent")
    wait_until(lambda: [row.tokens for row in rows(earner, "earned")] == [spent.tokens], TOLD_S, "the same count")
    (earned,) = rows(earner, "earned")
    assert (earned.peer, spent.peer) == (spender.status().peer, host_peer)
    assert (earned.model, spent.model) == ("meadow-demo", "meadow-demo")
    assert earned.conversations == spent.conversations
    parameters = sum(layer_parameters(describe(str(demo_model_path())))[slice(*layers)])
    for row in (earned, spent):  # it is rounded to a billionth whenever it is written down
        assert row.credits == pytest.approx(row.tokens * parameters / 10**12, rel=0.01)
    return spent.tokens


@contextmanager
def two_engines(folder: Path, *, share: bool) -> Iterator[tuple[Volunteer, Volunteer]]:
    """In one swarm; each holds a half of the model if they share."""
    one_layers, other_layers = (f"{start}:{end}" for start, end in HALVES.values())
    with running_volunteer(folder / "one", "", layers=one_layers, initial_peers=[], share=share) as one:
        address = one.status().address[0]
        with running_volunteer(folder / "other", address, layers=other_layers, share=share) as other:
            yield one, other


def test_what_one_has_earned_the_other_has_spent_and_both_remember_it(tmp_path: Path) -> None:
    with two_engines(tmp_path, share=True) as (one, other):
        one.until("sharing")
        other.until("sharing")

        first = ask(one, QUESTION)
        assert [(link["start"], link["end"]) for link in first["meadow"]["chain"]] == list(HALVES.values())
        own_host, other_host = (link["peer"] for link in first["meadow"]["chain"])
        tokens = assert_they_agree(other, one, other_host, HALVES["other"])
        assert tokens >= needed(first)
        assert rows(one, "earned") == rows(other, "spent") == []  # what its own host did is for nobody else

        second = ask(one, QUESTION, words(first), "And who pays?")
        cached = second["usage"]["prompt_tokens_details"]["cached_tokens"]
        assert cached > 0
        more = assert_they_agree(other, one, other_host, HALVES["other"]) - tokens
        assert more >= needed(second) - cached
        assert [row.conversations for row in rows(one, "spent")] == [1]  # the session was kept for it

        back = ask(other, "Who pays for that?", tokens=10)
        assert assert_they_agree(one, other, own_host, HALVES["one"]) >= needed(back)

        known = [totals(engine) for engine in (one, other)]
        for engine, now in zip((one, other), known, strict=True):
            assert now.balance == pytest.approx(now.earned_credits - now.spent_credits)
            assert (now.conversations, now.explanation) == (1, "")
            assert sum(day.earned_credits for day in now.days) == pytest.approx(now.earned_credits)
            said = run_meadow("credits", "--base-dir", str(engine.base))
            assert "about 1 answer to others since" in said.stdout, said.stderr

    with two_engines(tmp_path, share=False) as again:
        assert [totals(engine) for engine in again] == known
