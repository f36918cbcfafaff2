"""Drawn tokens follow the model's probabilities, and a seed repeats them."""

from __future__ import annotations

import torch

from meadow_client.models.sampling import GumbelDraw, Sampling, processors

LOGITS = torch.tensor([[2.0, 1.0, 0.0, -1.0, -20.0]])
DRAWS = 20_000
# 99.9 % of the chi-square distribution with 3 degrees of freedom (the fifth token is as good as impossible).
CHI_SQUARE_BOUND = 16.27
NO_TOKENS = torch.zeros((1, 0), dtype=torch.int64)


def draw(sampling: Sampling, times: int) -> list[int]:
    chosen = processors(sampling)
    scores = LOGITS.expand(times, -1)
    ids = NO_TOKENS.expand(times, -1)
    return chosen(ids, scores.clone()).argmax(dim=-1).tolist()


def chi_square(counts: torch.Tensor, expected: torch.Tensor) -> float:
    return float(((counts - expected) ** 2 / expected).sum())


def test_the_same_seed_draws_the_same_tokens() -> None:
    assert draw(Sampling(1.0, seed=5), 50) == draw(Sampling(1.0, seed=5), 50)


def test_other_seeds_draw_other_tokens() -> None:
    assert draw(Sampling(1.0, seed=5), 50) != draw(Sampling(1.0, seed=6), 50)


def test_without_a_seed_every_answer_draws_anew() -> None:
    assert draw(Sampling(1.0), 200) != draw(Sampling(1.0), 200)


def test_negative_and_very_large_seeds_are_seeds_too() -> None:
    for seed in (-1, 1 << 64, -(1 << 70), (1 << 64) - 1):
        assert draw(Sampling(1.0, seed=seed), 50) == draw(Sampling(1.0, seed=seed), 50)


def test_a_seed_does_not_touch_torchs_own_random_numbers() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    draw(Sampling(1.0, seed=9), 10)
    assert torch.equal(torch.rand(3), expected)


def test_tokens_come_as_often_as_the_softmax_says() -> None:
    counts = torch.bincount(torch.tensor(draw(Sampling(1.0, seed=1), DRAWS)), minlength=5).double()
    expected = LOGITS[0].double().softmax(0) * DRAWS
    assert counts[4] == 0
    assert chi_square(counts[:4], expected[:4]) < CHI_SQUARE_BOUND


def test_tokens_of_one_text_come_as_often_as_the_softmax_says() -> None:
    noisy = GumbelDraw(seed=1)
    text = torch.zeros((1, DRAWS), dtype=torch.int64)
    drawn = [int(noisy(text[:, :position], LOGITS).argmax()) for position in range(DRAWS)]  # type: ignore[arg-type]
    counts = torch.bincount(torch.tensor(drawn), minlength=5).double()
    assert chi_square(counts[:4], LOGITS[0].double().softmax(0)[:4] * DRAWS) < CHI_SQUARE_BOUND
    pairs = torch.zeros((4, 4))
    for earlier, later in zip(drawn[::2], drawn[1::2], strict=True):
        pairs[earlier, later] += 1
    likely = LOGITS[0, :4].double().softmax(0)
    # 99.9 % of the chi-square distribution with 15 degrees of freedom.
    assert chi_square(pairs, likely[:, None] * likely * DRAWS / 2) < 37.7


def test_a_token_depends_on_seed_and_position_and_not_on_what_was_drawn_before() -> None:
    ids = torch.arange(9)[None]
    noisy = GumbelDraw(seed=3)
    one_by_one = [noisy(ids[:, :position], LOGITS) for position in range(9)]  # type: ignore[arg-type]
    again = GumbelDraw(seed=3)
    backwards = [again(ids[:, :position], LOGITS) for position in reversed(range(9))]  # type: ignore[arg-type]
    assert all(torch.equal(*pair) for pair in zip(one_by_one, reversed(backwards), strict=True))
    assert not torch.equal(one_by_one[0], one_by_one[1])


def test_texts_side_by_side_draw_apart() -> None:
    drawn = GumbelDraw(seed=1)(NO_TOKENS.expand(2, -1), torch.zeros((2, 5000)))  # type: ignore[arg-type]
    correlation = torch.corrcoef(drawn)[0, 1]
    assert abs(float(correlation)) < 0.06


def test_temperature_changes_the_probabilities() -> None:
    counts = torch.bincount(torch.tensor(draw(Sampling(0.5, seed=2), DRAWS)), minlength=5).double()
    expected = (LOGITS[0].double() / 0.5).softmax(0) * DRAWS
    assert chi_square(counts[:4], expected[:4]) < CHI_SQUARE_BOUND


def test_temperature_zero_takes_the_likeliest_token() -> None:
    assert len(processors(Sampling(0.0, 0.5, seed=3))) == 0
    assert set(draw(Sampling(0.0), 100)) == {0}


def test_top_p_leaves_unlikely_tokens_out() -> None:
    assert set(draw(Sampling(1.0, 0.7, seed=4), 2000)) == {0, 1}


def test_a_token_that_was_ruled_out_is_never_drawn() -> None:
    scores = LOGITS.clone()
    scores[0, 0] = float("-inf")
    drawn = GumbelDraw(seed=1)(NO_TOKENS.expand(5000, -1), scores.expand(5000, -1)).argmax(dim=-1)
    assert 0 not in drawn.tolist()


def test_scores_in_half_precision_are_drawn_from_in_full() -> None:
    noisy = GumbelDraw(seed=1)(NO_TOKENS, LOGITS.bfloat16())
    assert noisy.dtype == torch.float32
