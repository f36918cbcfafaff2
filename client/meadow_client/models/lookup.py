"""Guess the next tokens from what the text said before, so that one trip through the swarm can give several tokens.

Transformers' assisted decoding computes a guess in one step and keeps the tokens that the model would have chosen
itself, so the text stays what it would have been. When to guess, and how much, is decided in `lookup_pace.py`.

Source: A. Saxena, Prompt Lookup Decoding (2023), https://github.com/apoorvumang/prompt-lookup-decoding.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.generation.candidate_generator import CandidateGenerator

from meadow_client.models.lookup_pace import LookupPace

# Of the keys that Transformers' configs name in `layer_types`: the layers whose cache is keys and values.
_FORGETTING_KINDS = {"full_attention", "sliding_attention", "chunked_attention"}
_LONGEST_MATCH = 16


class AdaptiveLookup(CandidateGenerator):
    """Transformers' prompt lookup, but it guesses more where guesses were right, and less where they were wrong.

    Other than Transformers' own it takes the latest of the longest matches, goes on copying into its own guess (a text
    that repeats "ab" is guessed as "ababab…"), and does not ask logits processors about guesses: the model does anyway,
    and top-p means nothing without real logits.
    """

    def __init__(
        self,
        most: int,
        max_length: int,
        longest_match: int | None = None,
        ends: torch.Tensor | None = None,
    ) -> None:
        """Guess at most `most` tokens.

        Args:
            max_length: how long the text may become, in tokens.
            longest_match: how many tokens of the text's end are compared; a shorter match than `LookupPace` wants is
                enough if it is this long.
            ends: token ids that end a text; they are never guessed.
        """
        self._pace = LookupPace(most)
        self._max_length = max_length
        self._longest_match = longest_match or _LONGEST_MATCH
        self._ends = set() if ends is None else set(ends.reshape(-1).tolist())
        self._guessed = 0

    def get_candidates(self, input_ids: torch.LongTensor, **_kwargs: Any) -> tuple[torch.LongTensor, None]:
        """The text [1, L] with a guess behind it, [1, L + guess]."""
        text = input_ids[0].cpu()
        guess = self._guess(text)
        self._guessed = len(guess)
        if not guess:
            return input_ids, None
        more = torch.tensor([guess], dtype=input_ids.dtype, device=input_ids.device)
        return torch.cat([input_ids, more], dim=1), None  # type: ignore[return-value]

    def update_candidate_strategy(self, input_ids: torch.LongTensor, scores: torch.Tensor, num_matches: int) -> None:
        """`num_matches` tokens of the latest guess were right."""
        self._pace.learn(self._guessed, int(num_matches))

    def _guess(self, text: torch.Tensor) -> list[int]:
        wanted = min(self._pace.next(), self._max_length - len(text) - 1)  # the step itself gives one token more
        if wanted < 1:
            return []
        start = find_match(text, min(self._pace.least_match, self._longest_match), self._longest_match)
        if start is None:
            return []
        guess: list[int] = text[start : start + wanted].tolist()
        period = len(text) - start
        while len(guess) < wanted:
            guess.append(guess[len(guess) - period])
        first_end = next((place for place, token in enumerate(guess) if token in self._ends), wanted)
        return guess[:first_end]


def find_match(text: torch.Tensor, least: int, most: int) -> int | None:
    """Where the text [L] goes on after it last said what it ends with now.

    The longest match wins, the latest among equals. None where fewer than `least` tokens match; `most` are compared.
    """
    last = len(text) - 1
    if last < 1:
        return None
    matches = (text[:last] == text[last]).nonzero()[:, 0]  # where each match has its last token
    found = None
    for length in range(1, most + 1):
        if length > 1:
            matches = matches[matches >= length - 1]
            matches = matches[text[matches - length + 1] == text[last - length + 1]]
        if len(matches) == 0:
            break
        if length >= least:
            found = int(matches[-1]) + 1
    return found


def can_forget(model: PreTrainedModel, config: PreTrainedConfig) -> bool:
    """Whether the servers' caches can drop tokens that were guessed wrong; recurrent states cannot.

    `config` is the text config of the whole model; that of its client's end knows one layer only.
    """
    kinds = getattr(config, "layer_types", None) or []
    return not getattr(model, "_is_stateful", False) and set(kinds) <= _FORGETTING_KINDS
