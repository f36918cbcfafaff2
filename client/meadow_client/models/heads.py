"""One pass over the output head's weights for all answers that wait for it.

A head is often the largest matrix on the client's computer. Where several threads generate with one model, those that
come while it is being read wait and are computed together by one of them. Answers that went through the swarm in one
pass come back together, so while others are about, the first one waits for them, for a fraction of the time that the
head takes; a thread alone never waits.

Shapes: B sequences, T tokens, D model width, V vocabulary.

    hidden  [B, T, D]
    logits  [B, T, V]
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from weakref import ref

import torch
from torch import nn
from transformers import PreTrainedModel

from meadow_client.models.products import apply_linear, choose_forms

MOST_TOKENS = 32
_GRACE = 0.2
_ABOUT_S = 1.0
_LONGEST_PASS_S = 0.05


@dataclass(eq=False)
class _Asker:
    hidden: torch.Tensor
    turn: threading.Event = field(default_factory=threading.Event)
    logits: torch.Tensor | None = None
    error: Exception | None = None


class SharedHead:
    """Stands in for a head's `forward`. Any thread may call it."""

    def __init__(self, forward: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._forward = forward
        self._lock = threading.Lock()
        self._waiting: list[_Asker] = []
        self._is_busy = False
        self._pass_s = 0.0
        self._met_at = -_ABOUT_S

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits [B, T, V]. What is long or needs a gradient goes by itself."""
        if torch.is_grad_enabled() or hidden.dim() != 3 or hidden.shape[0] * hidden.shape[1] > MOST_TOKENS:
            return self._forward(hidden)
        asker = _Asker(hidden)
        with self._lock:
            self._waiting.append(asker)
            leads = not self._is_busy
            self._is_busy = True
        if not leads:
            asker.turn.wait()
        if asker.logits is None and asker.error is None:
            self._lead()
        if asker.error is not None:
            raise asker.error
        if asker.logits is None:
            raise RuntimeError("a head gave nothing")
        return asker.logits

    def _lead(self) -> None:
        """Compute for all who wait now, and let the first of those who came meanwhile go on."""
        if time.monotonic() - self._met_at < _ABOUT_S:
            time.sleep(_GRACE * self._pass_s)
        with self._lock:
            together, self._waiting = self._waiting, []
        began = time.monotonic()
        if len(together) > 1:
            self._met_at = began
        try:
            self._run(together)
        except Exception as error:  # noqa: BLE001 - it belongs to everybody who asked
            for asker in together:
                asker.error = error
        self._pass_s = min(time.monotonic() - began, _LONGEST_PASS_S)
        with self._lock:
            successor = self._waiting[0] if self._waiting else None
            self._is_busy = successor is not None
        for asker in together:
            asker.turn.set()
        if successor is not None:
            successor.turn.set()

    def _run(self, together: Sequence[_Asker]) -> None:
        if len(together) == 1:
            together[0].logits = self._forward(together[0].hidden)
            return
        rows = torch.cat([asker.hidden.flatten(0, 1) for asker in together])
        sizes = [asker.hidden.shape[0] * asker.hidden.shape[1] for asker in together]
        parts = torch.split(self._forward(rows), sizes)
        for asker, part in zip(together, parts, strict=True):
            asker.logits = part.reshape(*asker.hidden.shape[:2], -1)


def share_head(model: nn.Module) -> None:
    """Let threads that generate with this model share its head's passes."""
    head = model.get_output_embeddings() if isinstance(model, PreTrainedModel) else None
    if not isinstance(head, nn.Linear):
        return
    forms = choose_forms([head.weight]) if type(head) is nn.Linear else {}
    own = ref(head)  # the head must not keep itself alive

    def forward(hidden: torch.Tensor) -> torch.Tensor:
        head = own()
        if head is None:
            raise RuntimeError("the model of this head is gone")
        return apply_linear(forms, head.weight, head.bias, hidden) if forms else type(head).forward(head, hidden)

    object.__setattr__(head, "forward", SharedHead(forward))
