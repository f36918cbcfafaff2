"""Which steps and pages of a session fit what came before them. Pure, and sees headers only.

An epoch counts the changes of a session's chain: what belongs to an earlier one is dropped, not refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from meadow_client.errors import MeadowError
from meadow_client.wire.messages import Pages, Resend, Step
from meadow_engine.serving.hand_over import goes_on, is_first, is_last


class RefusedError(MeadowError):
    """Something a client asked for and does not get; only the code goes to it."""

    def __init__(self, code: str) -> None:
        super().__init__(f"refused: {code}")
        self.code = code


@dataclass
class Acceptance:
    """What was accepted adds up to `tokens` tokens of `rows` sequences, in epoch `epoch`; 0 before the first."""

    layers: int
    epoch: int = 0
    rows: int = 0
    tokens: int = 0
    _filled_with: Pages | None = None
    """The latest pages, as long as more are to follow."""

    def is_current(self, request: Step | Resend | Pages) -> bool:
        return request.epoch >= self.epoch

    def begin_epoch(self, request: Step | Resend | Pages) -> bool:
        """Whether a current request is the first of its epoch."""
        is_new, self.epoch = request.epoch > self.epoch, request.epoch
        return is_new

    def accept_step(self, step: Step) -> None:
        """A step leaves no gap, and has the same batch as those before.

        Raises:
            RefusedError: it does not.
        """
        self._filled_with = None
        hidden = next(header for header in step.tensors if header.name == "hidden")
        rows, tokens, _width = hidden.shape
        if step.position and (step.position > self.tokens or rows != self.rows):
            raise RefusedError("position-gap")
        self.rows, self.tokens = rows, step.position + tokens

    def accept_pages(self, pages: Pages) -> None:
        """Pages come one after the other; only with the last of them there is more than before.

        Raises:
            RefusedError: these leave something out.
        """
        rows, before = pages.tensors[0].shape[0], self._filled_with
        if is_first(pages):
            if pages.first > self.tokens or (pages.first and rows != self.rows):
                raise RefusedError("position-gap")
            self.rows, self.tokens = rows, pages.first
        elif before is None or not goes_on(pages, before):
            raise RefusedError("position-gap")
        self._filled_with = pages
        if is_last(pages, self.layers):
            self.tokens, self._filled_with = pages.end, None
