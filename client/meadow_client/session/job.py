"""A step on its way through a chain: what goes in, and what has come back of it so far.

Shapes: B sequences, T new tokens, K <= T wanted ones, D model width.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from meadow_client.session.hop import Tensors

FIRST_PIECE_TOKENS = 32


@dataclass
class Job:
    """Take `hidden` [B, T, D] through the layers at token `position`; outputs at `keep_from` and later are wanted.

    What was answered stays answered when a server is lost: the rest goes on through another chain. `order` is the
    number of the latest reordering of rows, this step's included.
    """

    position: int
    tensors: Tensors
    keep_from: int = 0
    order: int = 0
    done: int = 0
    outputs: list[torch.Tensor] = field(default_factory=list)

    @property
    def batch(self) -> int:
        return int(self.tensors["hidden"].shape[0])

    @property
    def next_position(self) -> int:
        """Where the first token stands that was not answered yet."""
        return self.position + self.done

    @property
    def is_answered(self) -> bool:
        return self.done == self.tensors["hidden"].shape[1]

    def rest(self) -> Tensors:
        """The tensors of the tokens that were not answered yet."""
        tokens = self.tensors["hidden"].shape[1]
        return slice_step(self.tensors, self.done, tokens) if self.done else self.tensors

    def answered(self, tokens: int, output: torch.Tensor) -> None:
        """The next `tokens` tokens are done; `output` is what is wanted of theirs."""
        self.done += tokens
        self.outputs.append(output)

    def output(self) -> torch.Tensor:
        """[B, K, D]."""
        return self.outputs[0] if len(self.outputs) == 1 else torch.cat(self.outputs, dim=1)


def cut_in_pieces(tokens: int, piece_tokens: int, most: int) -> list[int]:
    """How a prompt is cut: small pieces first, so that the last server begins soon, then pieces of `piece_tokens`.

    `most` is what servers take in one message; with `piece_tokens` 0 only they cut.
    """
    largest = min(piece_tokens or most, most)
    sizes: list[int] = []
    size = min(largest, FIRST_PIECE_TOKENS) if piece_tokens else largest
    while (left := tokens - sum(sizes)) > 0:
        sizes.append(min(size, left))
        size = min(2 * size, largest)
    return sizes


def slice_step(tensors: Tensors, first: int, last: int) -> Tensors:
    """Tokens [first, last) of a step's T tokens. The beams' order goes with the first of them."""
    tokens = tensors["hidden"].shape[1]
    part: dict = {}
    for name, tensor in tensors.items():
        if name in ("hidden", "scale", "position_ids"):
            part[name] = tensor[:, first:last]
        elif name == "attention_mask":
            part[name] = tensor[:, : tensor.shape[1] - tokens + last]
        elif first == 0:
            part[name] = tensor
    return part
