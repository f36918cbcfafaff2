"""Products of a few rows with a large matrix, each in the form that this computer does fastest.

A matrix that is read from memory for one row could serve a few more in the same time. On CPUs the usual form,
rows x transposed matrix, does so only from some sixteen rows on, while matrix x columns does it for two to four;
which one is faster is measured here, on the very matrices, and not assumed. GPUs keep the usual form.

Shapes: N rows, I values in and O values out of a linear layer.

    rows    [..., I]   N in all
    weight  [O, I]
    output  [..., O]
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import torch
from torch import nn
from torch.nn.functional import linear

MOST_ROWS = 8
# How many columns the fast form takes at a time.
_COLUMNS = 4
_MEASURED_BYTES = 64 * 1024 * 1024
_WORTH_IT = 0.9

Form = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def by_columns(rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """[N, O] from [N, I], as a matrix times a few columns, four at a time."""
    if rows.shape[0] <= _COLUMNS:
        return torch.mm(weight, rows.t()).t().contiguous()
    return torch.cat([torch.mm(weight, part.t()).t() for part in rows.split(_COLUMNS)])  # type: ignore[no-untyped-call]


def choose_forms(weights: Sequence[torch.Tensor]) -> dict[int, Form]:
    """The numbers of rows for which `by_columns` is faster with these matrices; empty where it never is."""
    sample: list[torch.Tensor] = []
    room = _MEASURED_BYTES
    for weight in weights:
        outputs = min(weight.shape[0], room // (weight.shape[1] * weight.element_size()))
        if outputs > 0:
            sample.append(weight[:outputs])
            room -= sample[-1].nbytes
    if not sample or sample[0].device.type != "cpu":
        return {}
    with torch.inference_mode():
        return {n: by_columns for n in range(2, MOST_ROWS + 1) if is_faster(by_columns, sample, n)}


def use_forms(module: nn.Module, forms: Mapping[int, Form]) -> None:
    """Let every plain linear layer of `module` use these forms where no gradient is asked for."""
    if forms:
        for child in plain_linears(module):
            object.__setattr__(child, "forward", partial(apply_linear, forms, child.weight, child.bias))


def plain_linears(module: nn.Module) -> list[nn.Linear]:
    """The linear layers that are neither quantised nor changed by others."""
    return [child for child in module.modules() if type(child) is nn.Linear]


def apply_linear(
    forms: Mapping[int, Form], weight: torch.Tensor, bias: torch.Tensor | None, rows: torch.Tensor
) -> torch.Tensor:
    """A linear layer's output [..., O] from [..., I]."""
    form = forms.get(rows.numel() // rows.shape[-1]) if not torch.is_grad_enabled() else None
    if form is None:
        return linear(rows, weight, bias)
    output = form(rows.reshape(-1, rows.shape[-1]), weight)
    return (output if bias is None else output + bias).reshape(*rows.shape[:-1], -1)


def is_faster(form: Form, weights: Iterable[torch.Tensor], count: int) -> bool:
    """Whether `count` rows go through these weights in clearly less time than with `linear`; measured now."""
    pairs = [(torch.ones(count, weight.shape[1], dtype=weight.dtype), weight) for weight in weights]
    return _time(form, pairs) < _WORTH_IT * _time(linear, pairs)


def _time(form: Form, pairs: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> float:
    best = float("inf")
    for _ in range(2):
        began = time.perf_counter()
        for rows, weight in pairs:
            form(rows, weight)
        best = min(best, time.perf_counter() - began)
    return best
