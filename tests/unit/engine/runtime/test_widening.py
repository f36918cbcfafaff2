"""Products of many rows with 16-bit weights are the same in float32, and taken where they are faster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn.functional import linear

from meadow_client.models import products
from meadow_client.models.description import describe
from meadow_client.models.products import apply_linear, by_columns
from meadow_engine.runtime import span as span_module
from meadow_engine.runtime import widening
from meadow_engine.runtime.packing import Part
from meadow_engine.runtime.span import LoadOptions, Span
from meadow_engine.runtime.widening import WideForms, by_slices, least_count, widen

CPU = torch.device("cpu")


@pytest.fixture
def rows() -> torch.Tensor:
    return torch.randn(12, 40, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def weight() -> torch.Tensor:
    return torch.randn(70, 40, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("slice_bytes", [1, 4 * 40 * 32, 1 << 20])
def test_slices_give_the_product_as_exactly_as_the_dtype_can_say_it(
    rows: torch.Tensor,
    weight: torch.Tensor,
    dtype: torch.dtype,
    slice_bytes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(widening, "_SLICE_BYTES", slice_bytes)
    found = by_slices(rows.to(dtype), weight.to(dtype))
    exact = linear(rows.to(dtype).double(), weight.to(dtype).double())
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), exact, rtol=torch.finfo(dtype).eps, atol=1e-5)


@pytest.mark.parametrize(
    ("faster_at", "expected"), [({64, 32, 16, 8}, 8), ({64, 32}, 32), ({64, 16, 8}, 64), ({32, 16, 8}, None)]
)
def test_slices_begin_where_they_are_faster_from_there_on(faster_at: set[int], expected: int | None) -> None:
    assert least_count((64, 32, 16, 8), faster_at.__contains__) == expected


def test_few_rows_keep_their_forms_and_many_take_slices() -> None:
    forms = WideForms({2: by_columns, 8: by_columns}, least=8)
    assert [forms.get(count) for count in (1, 2, 3, 8, 9, 4096)] == [
        None,
        by_columns,
        None,
        by_slices,
        by_slices,
        by_slices,
    ]
    assert list(forms) == [2, 8]
    assert len(forms) == 2


def test_a_linear_layer_takes_slices_for_many_rows(rows: torch.Tensor, weight: torch.Tensor) -> None:
    rows, weight = rows.bfloat16(), weight.bfloat16()
    bias = torch.ones(70, dtype=torch.bfloat16)
    with torch.inference_mode():
        found = apply_linear(WideForms({}, least=12), weight, bias, rows.reshape(3, 4, 40))
    assert torch.equal(found, (by_slices(rows, weight) + bias).reshape(3, 4, 70))


def test_slices_are_taken_if_and_only_if_they_are_faster(weight: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    half, seconds = weight.bfloat16(), {by_slices: 1.0, linear: 2.0}
    monkeypatch.setattr(products, "_time", lambda form, _pairs: seconds[form])
    assert widen({}, [half]).get(8) is by_slices
    seconds[linear] = 1.0
    assert widen({}, [half]) == {}


@pytest.mark.parametrize("make", [torch.Tensor.float, lambda weight: weight.bfloat16().to("meta")])
def test_float32_and_other_devices_keep_the_usual_form(
    weight: torch.Tensor, make: Callable[[torch.Tensor], torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(widening, "is_faster", lambda _form, _weights, _count: True)
    assert widen({}, [make(weight)]) == {}
    assert widen({}, []) == {}


def test_a_prompt_on_a_slow_cpu_goes_through_slices_and_means_the_same(
    tiny_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def watched(rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        seen.append(rows.shape[0])
        return by_slices(rows, weight)

    monkeypatch.setattr(widening, "is_faster", lambda _form, _weights, count: count >= 16)
    monkeypatch.setattr(widening, "by_slices", watched)
    span = Span.load(describe(str(tiny_model("llama"))), 0, 2, CPU, LoadOptions("bfloat16"))
    monkeypatch.setattr(span_module, "widen", lambda forms, _weights: forms)
    usual = Span.load(describe(str(tiny_model("llama"))), 0, 2, CPU, LoadOptions("bfloat16"))
    seen.clear()
    hidden = torch.randn(1, 20, span.width, generator=torch.Generator().manual_seed(3)).bfloat16()
    outputs = []
    for each in (span, usual):
        view = each.view(0, 2)
        outputs += view.step_together([Part(view.new_cache(), hidden, 0, None, None)])
    assert seen
    assert set(seen) == {20}
    torch.testing.assert_close(outputs[0], outputs[1], rtol=0.03, atol=0.03)
