"""A session says to its servers what they cannot know by themselves, and keeps count of its tokens."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError
from typing import Any

import pytest
import torch

from meadow_client.errors import (
    ContextExceededError,
    LayersMissingError,
    ServerLostError,
    ServerRefusedError,
    SessionClosedError,
    UsageError,
)
from meadow_client.session.cache import RemoteCache
from meadow_client.session.inference import InferenceSession
from meadow_client.session.swarm_client import ClientOptions


def open_session(client: Any, max_length: int = 64) -> InferenceSession:
    return InferenceSession(client, 0, 6, max_length)


def hidden(batch: int = 1, tokens: int = 1) -> torch.Tensor:
    return torch.randn(batch, tokens, 4)


def test_a_step_gives_what_the_servers_computed_and_moves_on(client: Any) -> None:
    with open_session(client) as session:
        entering = hidden(tokens=3)
        assert torch.equal(session.step(entering), entering * 2)
        assert session.position == 3
        session.step(hidden())
        assert session.position == 4
    assert [position for position, _ in client.steps_through.steps] == [0, 3]


def test_the_servers_are_opened_by_the_first_step_for_its_batch(client: Any) -> None:
    with open_session(client, max_length=32) as session:
        assert client.opened == []
        assert session.members == []
        session.step(hidden(batch=2))
        session.step(hidden(batch=2))
        assert [member.name for member in session.members] == ["computer"]
        assert session.trips == 1
    assert client.opened == [(0, 6, 2, 32)]


def test_only_hidden_states_are_sent_where_servers_can_assume_the_rest(client: Any) -> None:
    with open_session(client) as session:
        session.step(hidden(2, 3), torch.arange(3).expand(2, 3), torch.ones(2, 3))
        session.step(hidden(2, 1), torch.tensor([[3]]), torch.ones(2, 4, dtype=torch.int64))
    assert [set(tensors) for _, tensors in client.steps_through.steps] == [{"hidden"}, {"hidden"}]


def test_positions_and_padding_that_servers_cannot_assume_are_sent(client: Any) -> None:
    with open_session(client) as session:
        session.step(hidden(2, 3), torch.tensor([[0, 1, 2], [0, 0, 1]]), torch.tensor([[1, 1, 1], [0, 1, 1]]))
        session.step(hidden(2, 1), torch.tensor([[3], [2]]), torch.tensor([[1, 1, 1, 1], [0, 1, 1, 1]]))
    first, second = (tensors for _, tensors in client.steps_through.steps)
    assert first["position_ids"].tolist() == [[0, 1, 2], [0, 0, 1]]
    assert first["attention_mask"].tolist() == [[True, True, True], [False, True, True]]
    assert second["position_ids"].dtype == torch.int64
    assert second["attention_mask"].shape == (2, 4)


def test_positions_for_all_sequences_together_are_sent_for_each(client: Any) -> None:
    with open_session(client) as session:
        session.step(hidden(2, 2), torch.tensor([[5, 6]]))
    assert client.steps_through.steps[0][1]["position_ids"].tolist() == [[5, 6], [5, 6]]


def test_a_mask_that_does_not_cover_all_tokens_is_refused(client: Any) -> None:
    with open_session(client) as session:
        session.step(hidden(1, 3))
        with pytest.raises(UsageError, match="cover all tokens"):
            session.step(hidden(), None, torch.tensor([[0]]))


def test_only_the_last_outputs_come_back_where_no_more_are_wanted(client: Any) -> None:
    entering = hidden(2, 5)
    with open_session(client) as session:
        assert torch.equal(session.step(entering, keep=1), entering[:, -1:] * 2)
        assert torch.equal(session.step(entering, keep=9), entering * 2)
        assert torch.equal(session.step(entering, keep=0), entering[:, :0])
        assert session.position == 15
    assert [job.keep_from for job in client.steps_through.jobs] == [4, 5, 15]


def test_a_beam_order_is_sent_once_with_the_next_step(client: Any) -> None:
    with open_session(client) as session:
        session.step(hidden(3, 1))
        session.reorder(torch.tensor([2, 0, 1]))
        session.step(hidden(3, 2))
        session.step(hidden(3, 1))
    orders = [
        tensors["beam_idx"].tolist() if "beam_idx" in tensors else None for _, tensors in client.steps_through.steps
    ]
    assert orders == [None, [2, 0, 1], None]
    assert [job.order for job in client.steps_through.jobs] == [0, 1, 1]


def test_two_beam_orders_before_a_step_are_taken_one_after_the_other(client: Any) -> None:
    rows = torch.tensor([10, 11, 12])
    first, second = torch.tensor([2, 0, 1]), torch.tensor([1, 1, 0])
    with open_session(client) as session:
        session.step(hidden(3, 1))
        session.tokens = rows[:, None]
        session.reorder(first)
        session.reorder(second)
        assert session.tokens[:, 0].tolist() == rows[first][second].tolist()
        session.step(hidden(3, 1))
    assert rows[client.steps_through.steps[1][1]["beam_idx"]].tolist() == rows[first][second].tolist()


def test_a_session_goes_back_and_never_forward(client: Any) -> None:
    with open_session(client) as session:
        session.step(hidden(tokens=5))
        session.tokens = torch.arange(5)[None]
        session.position = 2
        assert session.position == 2
        assert session.tokens.tolist() == [[0, 1]]
        for wrong in (3, -1):
            with pytest.raises(UsageError, match="only back"):
                session.position = wrong
        session.step(hidden())
    assert [position for position, _ in client.steps_through.steps] == [0, 2]


def test_a_session_has_room_for_as_many_tokens_as_it_was_opened_for(client: Any) -> None:
    with open_session(client, max_length=4) as session:
        session.step(hidden(tokens=3))
        with pytest.raises(ContextExceededError) as caught:
            session.step(hidden(tokens=2))
        assert (caught.value.tokens, caught.value.limit) == (5, 4)
        session.step(hidden())
        assert session.position == 4


def test_a_session_without_room_for_a_token_cannot_be_opened(client: Any) -> None:
    with pytest.raises(UsageError):
        open_session(client, max_length=0)


@pytest.mark.parametrize("kind", [ServerLostError, ServerRefusedError])
def test_a_failed_server_is_avoided_and_the_step_is_taken_by_others(client: Any, kind: Any) -> None:
    client.steps_through.fails_with = [kind("12D3KooWlost", 0, 6, "reason")]
    entering = hidden()
    with open_session(client) as session:
        assert torch.equal(session.step(entering), entering * 2)
        assert session.position == 1
    assert client.banned == ["12D3KooWlost"]


def test_a_server_that_ends_with_its_answer_is_not_to_blame(client: Any) -> None:
    client.steps_through.ends_with = ServerLostError("12D3KooWlost", 0, 6, "reason")
    entering = hidden(tokens=2)
    with open_session(client) as session:
        assert torch.equal(session.step(entering), entering * 2)
        assert session.position == 2
    assert client.banned == []
    assert len(client.steps_through.steps) == 1


@pytest.mark.parametrize("kind", [ServerLostError, ServerRefusedError])
def test_a_session_is_over_when_one_server_after_the_other_failed(client: Any, kind: Any) -> None:
    client.options = ClientOptions(max_retries=3)
    client.steps_through.fails_with = [kind(f"12D3KooW{number}", 0, 6, "reason") for number in range(9)]
    session = open_session(client)
    with pytest.raises(kind) as caught:
        session.step(hidden())
    assert caught.value.peer == "12D3KooW3"
    assert client.banned == [f"12D3KooW{number}" for number in range(4)]
    assert client.is_closed
    with pytest.raises(SessionClosedError):
        session.step(hidden())


def test_what_fails_for_another_reason_is_not_tried_again(client: Any) -> None:
    client.steps_through.fails_with = [LayersMissingError("demo", [(0, 6)]), LayersMissingError("demo", [(0, 6)])]
    session = open_session(client)
    with pytest.raises(LayersMissingError):
        session.step(hidden())
    assert len(client.steps_through.fails_with) == 1
    assert client.is_closed


def test_a_closed_session_gives_its_servers_back_and_takes_no_steps(client: Any) -> None:
    session = open_session(client)
    with session:
        session.step(hidden())
    assert client.is_closed
    session.close()
    with pytest.raises(SessionClosedError):
        session.step(hidden())


def test_a_session_that_never_stepped_closes_quietly(client: Any) -> None:
    open_session(client).close()
    assert client.opened == []


def test_a_step_under_way_is_cancelled_from_another_thread(client: Any) -> None:
    client.steps_through.blocks = True
    session = open_session(client)
    ended: list[BaseException] = []

    def step() -> None:
        try:
            session.step(hidden())
        except CancelledError as error:
            ended.append(error)

    thread = threading.Thread(target=step)
    thread.start()
    while not client.steps_through.steps:
        thread.join(0.001)
    session.cancel()
    thread.join(10)
    assert len(ended) == 1
    assert client.is_closed


def test_a_session_that_is_closed_while_it_opens_leaves_no_servers_behind(client: Any) -> None:
    session = open_session(client)

    def step() -> None:
        with pytest.raises((CancelledError, SessionClosedError)):
            session.step(hidden())

    thread = threading.Thread(target=step)

    def close_before_it_is_open() -> None:
        session.cancel()
        thread.join(0.2)  # by then it waits for this loop to close what was opened

    client.on_opened = close_before_it_is_open
    thread.start()
    thread.join(10)
    client.wait_for(asyncio.sleep(0))
    assert client.is_closed


def test_the_servers_time_for_the_latest_step_can_be_asked_for(client: Any) -> None:
    with open_session(client) as session:
        assert session.compute_s == 0.0
        session.step(hidden())
        assert session.compute_s == 0.25


def test_transformers_sees_the_session_as_a_cache(client: Any) -> None:
    with open_session(client) as session:
        cache = RemoteCache(session)
        assert cache.get_seq_length() == 0
        session.step(hidden(2, 5))
        assert cache.get_seq_length() == 5
        cache.crop(3)
        assert session.position == 3
        cache.crop(-1)
        assert session.position == 2
        cache.crop(9)
        assert session.position == 2
        cache.reorder_cache(torch.tensor([1, 0]))
        session.step(hidden(2, 1))
        assert client.steps_through.steps[-1][1]["beam_idx"].tolist() == [1, 0]
        cache.reset()
        assert session.position == 0


def test_a_remote_cache_takes_no_keys(client: Any) -> None:
    with open_session(client) as session, pytest.raises(RuntimeError, match="no keys"):
        RemoteCache(session).update(torch.zeros(1), torch.zeros(1), 0)
