"""A draft model: a small one on this computer that guesses tokens, which the large model in the swarm then confirms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer

from meadow_client.errors import ModelUnusableError, WeightsUnreadableError
from meadow_client.models.description import ModelDescription, describe

_FIRST_GUESS = 5  # tokens


class DraftMismatchError(ModelUnusableError):
    code = "draft-mismatch"
    advice = "Choose a small model of the same family for --draft, or leave --draft out."

    def __init__(self, draft: str, model: str) -> None:
        super().__init__(f"The draft model {draft} does not have the same tokens as {model}")


@dataclass(frozen=True)
class DraftModel:
    """A whole model, as Transformers' `assistant_model`. Several answers may use it at once."""

    model: Any
    context_length: int

    @classmethod
    def load(cls, source: str, target: ModelDescription, tokenizer: Any) -> DraftModel:
        """Load `source`, a folder or a name, for a model with this tokenizer. Takes a while.

        Raises:
            ModelNotFoundError, ModelUnusableError: the draft model cannot be read.
            DraftMismatchError: it has other tokens.
        """
        description = describe(source)
        if description.text_config.vocab_size != target.text_config.vocab_size:
            raise DraftMismatchError(description.name, target.name)
        try:
            same_tokens = AutoTokenizer.from_pretrained(source).get_vocab() == tokenizer.get_vocab()
        except (OSError, ValueError, KeyError) as error:
            raise ModelUnusableError(
                f"The draft model {description.name} has no tokenizer", "Put its tokenizer.json beside its config.json."
            ) from error
        if not same_tokens:
            raise DraftMismatchError(description.name, target.name)
        try:
            model = AutoModelForCausalLM.from_pretrained(source, dtype="auto").eval()
        except (OSError, RuntimeError, ValueError, SafetensorError) as error:
            raise WeightsUnreadableError(f"the draft model {description.name}") from error
        return cls(prepare(model), description.context_length)


def prepare(model: Any) -> Any:
    """Set how many tokens it guesses: more where guesses are right. Each answer counts for itself.

    Transformers' schedule "heuristic" would write what one answer learned into the shared model, while others use it.
    """
    model.generation_config.num_assistant_tokens = _FIRST_GUESS
    model.generation_config.num_assistant_tokens_schedule = "heuristic_transient"
    return model
