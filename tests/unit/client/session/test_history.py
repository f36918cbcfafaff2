"""A session's history: what goes in comes out again, after roll-backs and reorderings, too."""

from __future__ import annotations

import random

import pytest
import torch

from meadow_client.session.history import History

ROWS, WIDTH = 3, 4


def tokens(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(ROWS, count, WIDTH, generator=torch.Generator().manual_seed(seed))


def read(history: History, piece_tokens: int = 5, first: int = 0) -> torch.Tensor:
    pieces = [piece["hidden"] for _, piece in history.pieces(history.tokens, piece_tokens, first)]
    return torch.cat(pieces, dim=1)


def test_steps_come_back_in_pieces_that_join_to_what_went_in() -> None:
    history, whole = History(), tokens(12)
    for first, last in [(0, 7), (7, 8), (8, 12)]:
        history.put(first, {"hidden": whole[:, first:last]})
    assert [position for position, _ in history.pieces(12, 5)] == [0, 5, 10]
    assert torch.equal(read(history), whole)
    assert torch.equal(read(history, first=6), whole[:, 6:])


def test_a_step_at_an_earlier_position_replaces_what_lay_behind() -> None:
    history, first, second = History(), tokens(8), tokens(3, seed=1)
    history.put(0, {"hidden": first})
    history.put(4, {"hidden": second})
    assert history.tokens == 7
    assert torch.equal(read(history), torch.cat([first[:, :4], second], dim=1))


def test_a_gap_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot go on"):
        History().put(1, {"hidden": tokens(1)})


def test_hidden_states_of_two_codecs_lie_beside_each_other() -> None:
    history = History()
    history.put(0, {"hidden": tokens(4)})
    history.put(4, {"hidden": torch.ones(ROWS, 2, WIDTH, dtype=torch.int8), "scale": torch.ones(ROWS, 2)})
    pieces = dict(history.pieces(6, 100))
    assert pieces[0]["hidden"].dtype is torch.float32
    assert pieces[4].keys() == {"hidden", "scale"}


def test_the_latest_mask_covers_each_piece_up_to_its_end() -> None:
    history, mask = History(), torch.tensor([[0, 1, 1, 1, 1]] * ROWS).bool()
    history.put(0, {"hidden": tokens(4), "attention_mask": mask[:, :4]})
    history.put(4, {"hidden": tokens(1), "attention_mask": mask})
    assert [tuple(piece["attention_mask"].shape) for _, piece in history.pieces(5, 2)] == [(3, 2), (3, 4), (3, 5)]


def test_a_reordering_is_taken_once_however_often_it_comes() -> None:
    history, prompt, beams = History(), tokens(2), torch.tensor([2, 0, 0])
    history.put(0, {"hidden": prompt})
    for _ in range(2):
        history.put(2, {"hidden": tokens(1, 5), "beam_idx": beams}, order=1)
    assert torch.equal(read(history), torch.cat([prompt[beams], tokens(1, 5)], dim=1))
    assert history.order == 1


@pytest.mark.parametrize("seed", range(30))
def test_it_is_what_a_plain_tensor_would_be(seed: int) -> None:
    dice = random.Random(seed)
    history, plain = History(), torch.empty(ROWS, 0, WIDTH)
    for number in range(1, 12):
        position = max(0, plain.shape[1] - dice.choice([0, 0, 1, 3]))
        plain = plain[:, :position]
        step = {"hidden": tokens(dice.choice([1, 1, 5, 70]), number)}
        if position and dice.random() < 0.5:
            order = [dice.randrange(ROWS) for _ in range(ROWS)]
            step["beam_idx"] = torch.tensor(order)
            plain = plain[order]
        plain = torch.cat([plain, step["hidden"]], dim=1)
        history.put(position, step, order=number)
    assert history.tokens == plain.shape[1]
    assert torch.equal(read(history), plain)
