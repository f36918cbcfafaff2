"""Products of many rows with 16-bit weights, on CPUs that have no instructions for them.

Such a CPU is quick at one row, which is bound by reading the weights, and they are half as many bytes. Many rows it
computes several times slower than in float32. So the weights stay as they are, and a prompt's products take them in
float32 a slice at a time, small enough for the CPU's cache. Whether and from how many rows on that is faster is
measured, on the very matrices.

Shapes: N rows, I values in and O values out of a linear layer, as in `meadow_client/models/products.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch

from meadow_client.models.products import Form, is_faster

_SLICE_BYTES = 2 * 1024 * 1024
_COUNTS = (64, 32, 16, 8)
_MEASURED_WEIGHTS = 8 * 1024 * 1024

IsFaster = Callable[[int], bool]


def by_slices(rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """[N, O] from [N, I] in their own dtype, computed in float32."""
    outputs = max(1, _SLICE_BYTES // (4 * weight.shape[1]))
    wide = rows.float()
    parts = weight.split(outputs)  # type: ignore[no-untyped-call]
    return torch.cat([torch.mm(wide, part.float().t()) for part in parts], dim=1).to(rows.dtype)


class WideForms(Mapping[int, Form]):
    """The forms for a few rows, and `by_slices` for `least` rows and more."""

    def __init__(self, few: Mapping[int, Form], least: int) -> None:
        self._few, self._least = {count: form for count, form in few.items() if count < least}, least

    def __getitem__(self, count: int) -> Form:
        return by_slices if count >= self._least else self._few[count]

    def __iter__(self) -> Iterator[int]:
        """Every count that has a form, but of those from `least` on just the first, as there is no end of them."""
        return iter([*self._few, self._least])

    def __len__(self) -> int:
        return len(self._few) + 1


def widen(forms: Mapping[int, Form], weights: Sequence[torch.Tensor]) -> Mapping[int, Form]:
    """These forms, and `by_slices` where it is faster with these matrices."""
    sample: list[torch.Tensor] = []
    room = _MEASURED_WEIGHTS
    for weight in weights:
        outputs = min(weight.shape[0], room // weight.shape[1])
        if outputs > 0:
            sample.append(weight[:outputs])
            room -= sample[-1].numel()
    if not sample or sample[0].device.type != "cpu" or sample[0].dtype not in (torch.bfloat16, torch.float16):
        return forms
    with torch.inference_mode():
        least = least_count(_COUNTS, lambda count: is_faster(by_slices, sample, count))
    return forms if least is None else WideForms(forms, least)


def least_count(counts: Sequence[int], is_faster: IsFaster) -> int | None:
    """The last of the falling `counts` before one that is not faster; None if the very first is not."""
    least = None
    for count in counts:
        if not is_faster(count):
            break
        least = count
    return least
