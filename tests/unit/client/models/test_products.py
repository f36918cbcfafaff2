"""A few rows times a matrix give the same in every form, and forms are used only where they were found faster."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from meadow_client.models import products
from meadow_client.models.products import apply_linear, by_columns, choose_forms, plain_linears, use_forms

FORMS = {rows: by_columns for rows in range(2, products.MOST_ROWS + 1)}


@pytest.mark.parametrize("rows", range(1, 11))
@pytest.mark.parametrize("has_bias", [False, True])
def test_every_number_of_rows_gives_what_a_linear_layer_gives(rows: int, has_bias: bool) -> None:
    layer = nn.Linear(24, 40, bias=has_bias)
    hidden = torch.randn(1, rows, 24)
    with torch.inference_mode():
        output = apply_linear(FORMS, layer.weight, layer.bias, hidden)
        torch.testing.assert_close(output, layer(hidden))
    assert output.is_contiguous()


def test_gradients_take_the_usual_form() -> None:
    layer = nn.Linear(8, 8)
    hidden = torch.randn(1, 2, 8, requires_grad=True)
    apply_linear(FORMS, layer.weight, layer.bias, hidden).sum().backward()
    assert hidden.grad is not None


def test_a_form_is_chosen_where_it_was_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    def take(form: object, pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
        rows = pairs[0][0].shape[0]
        return 1.0 if form is by_columns or rows > 4 else 2.0

    monkeypatch.setattr(products, "_time", take)
    assert sorted(choose_forms([torch.randn(8, 8)])) == [2, 3, 4]


def test_without_matrices_nothing_is_chosen() -> None:
    assert choose_forms([]) == {}


def test_only_plain_layers_are_changed() -> None:
    class Other(nn.Linear):
        pass

    module = nn.Sequential(nn.Linear(4, 4), Other(4, 4), nn.LayerNorm(4))
    assert plain_linears(module) == [module[0]]
    use_forms(module, FORMS)
    assert "forward" in vars(module[0])
    assert "forward" not in vars(module[1])
    hidden = torch.randn(1, 3, 4)
    with torch.inference_mode():
        torch.testing.assert_close(module[0](hidden), nn.functional.linear(hidden, module[0].weight, module[0].bias))
