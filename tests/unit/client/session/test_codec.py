"""Hidden states that travel as int8 come back within half a scale of what they were, token by token."""

from __future__ import annotations

import pytest
import torch

from meadow_client.session.codec import pack, unpack

CPU = torch.device("cpu")


def there_and_back(hidden: torch.Tensor, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    packed = pack(hidden, "int8")
    assert packed["hidden"].dtype == torch.int8
    assert packed["scale"].dtype == torch.float32
    assert packed["scale"].shape == hidden.shape[:2]
    return unpack(packed, dtype, CPU), packed["scale"]


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [1e-30, 1e-6, 1.0, 1e6, 1e30], ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_no_value_is_off_by_more_than_half_its_tokens_scale(size: float, seed: int) -> None:
    hidden = noise(2, 7, 64, seed=seed) * size
    hidden[0, 3, 5] *= 1000  # an outlier
    back, scale = there_and_back(hidden)
    worst = (back - hidden).abs().amax(dim=-1)
    assert torch.all(worst <= scale / 2 + hidden.abs().amax(dim=-1) * torch.finfo(torch.float32).eps * 2)


def test_one_tokens_outlier_does_not_coarsen_another_token() -> None:
    hidden = noise(1, 2, 64)
    alone, _ = there_and_back(hidden[:, 1:])
    hidden[0, 0, 0] = 1e6
    together, _ = there_and_back(hidden)
    assert torch.equal(together[:, 1:], alone)


def test_the_error_is_small_beside_the_values() -> None:
    hidden = noise(4, 16, 512)
    back, _ = there_and_back(hidden)
    assert (back - hidden).norm() / hidden.norm() < 0.01


def test_zeros_stay_zeros() -> None:
    back, _ = there_and_back(torch.zeros(2, 3, 8))
    assert torch.equal(back, torch.zeros(2, 3, 8))


def test_values_too_small_for_a_scale_become_zeros_and_not_numbers_that_are_none() -> None:
    back, _ = there_and_back(torch.full((1, 1, 8), 1e-44))
    assert torch.all(back.abs() <= 1e-37)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_floats_lose_no_more_than_wide_ones_but_for_their_own_rounding(dtype: torch.dtype) -> None:
    hidden = noise(2, 5, 32).to(dtype)
    back, scale = there_and_back(hidden, dtype)
    assert back.dtype == dtype
    allowed = scale[..., None] / 2 + hidden.float().abs() * torch.finfo(dtype).eps * 2
    assert torch.all((back.float() - hidden.float()).abs() <= allowed)


def test_the_largest_narrow_float_stays_finite() -> None:
    largest = torch.finfo(torch.float16).max
    back, _ = there_and_back(torch.tensor([[[largest, -largest, 1.0]]], dtype=torch.float16), torch.float16)
    assert back[0, 0, :2].tolist() == [largest, -largest]


@pytest.mark.parametrize("strange", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_spoils_its_own_token_only(strange: float) -> None:
    hidden = noise(1, 3, 16)
    usual, _ = there_and_back(hidden)
    hidden[0, 1, 4] = strange
    back, _ = there_and_back(hidden)
    assert torch.equal(back[:, [0, 2]], usual[:, [0, 2]])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_raw_hidden_states_travel_as_they_are(dtype: torch.dtype) -> None:
    hidden = noise(2, 3, 8).to(dtype)
    packed = pack(hidden, "raw")
    assert set(packed) == {"hidden"}
    assert torch.equal(unpack(packed, dtype, CPU), hidden)


def test_no_tokens_need_no_scale() -> None:
    packed = pack(torch.zeros(2, 0, 8), "int8")
    assert set(packed) == {"hidden"}
    assert unpack(packed, torch.float32, CPU).shape == (2, 0, 8)


def test_half_the_bytes_travel() -> None:
    hidden = noise(1, 10, 512).bfloat16()
    assert sum(tensor.nbytes for tensor in pack(hidden, "int8").values()) < hidden.nbytes * 0.51
