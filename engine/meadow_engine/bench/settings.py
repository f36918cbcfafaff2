"""What can be measured, and every number that a measurement takes. Pure: no torch.

A setting is a field here, with its words and its bounds; the command line's flags and the checks follow from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

from meadow_client.errors import UsageError

DTYPES = ("auto", "float32", "bfloat16", "float16")
CODECS = ("", "raw", "int8", "auto")
RECOVERIES = ("all", "kills", "hang", "hand-over", "failures", "retention")
TEXTS = ("random", "repetitive", "prompt")
FAILURES_PROMPT = 8
"""Tokens of the prompt of texts with failures."""
_T = TypeVar("_T", int, float)


@dataclass(frozen=True)
class Words:
    """What a setting means, and what it may be: at least `minimum`, or one of `choices`."""

    help: str
    minimum: int = 0
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class BenchSettings:
    """What every measurement needs to know."""

    engines: Annotated[int, Words("without --join: start so many engines here", 1)] = 3
    runs: Annotated[int, Words("runs of each side, in turn", 1)] = 5
    dtype: Annotated[str, Words("of the weights, on both sides", choices=DTYPES)] = "float32"
    threads: Annotated[int, Words("torch threads of each process", 1)] = 1
    codec: Annotated[str, Words("how hidden states travel; default: as clients do", choices=CODECS)] = ""
    piece_tokens: Annotated[int, Words("tokens of a prompt that travel together; 0: all of them")] = 256

    @property
    def longest_text(self) -> int:
        """Tokens of the longest text that is measured, prompt and answer together."""
        raise NotImplementedError


@dataclass(frozen=True)
class DecodeSettings(BenchSettings):
    """One chat, token by token."""

    tokens: Annotated[int, Words("new tokens of one run", 3)] = 32
    prompt_tokens: Annotated[int, Words("tokens of the prompt", 1)] = 16
    text: Annotated[
        str, Words("random ids, the model's own text (which goes in circles), or a question", choices=TEXTS)
    ] = "random"
    prompt: Annotated[str, Words("with --text prompt: the question; default: one that asks for a quotation")] = ""
    lookup: Annotated[int, Words("guess so many tokens from the text so far; 0 guesses none")] = 0
    count_bytes: Annotated[str, Words("count what a token sends through this network device, such as eth0")] = ""

    @property
    def longest_text(self) -> int:
        return self.prompt_tokens + self.tokens


@dataclass(frozen=True)
class PrefillSettings(BenchSettings):
    """The time to the first token of a long prompt."""

    prompt_tokens: Annotated[int, Words("tokens of the prompt", 2)] = 2048

    @property
    def longest_text(self) -> int:
        return self.prompt_tokens + 1


@dataclass(frozen=True)
class ConcurrentSettings(BenchSettings):
    """Several chats at once, or what a long prompt does to them."""

    clients: Annotated[int, Words("chats at once", 1)] = 8
    tokens: Annotated[int, Words("new tokens of one chat", 4)] = 32
    prompt_tokens: Annotated[int, Words("tokens of each chat's prompt", 1)] = 16
    long_prompt: Annotated[int, Words("send a prompt of so many tokens meanwhile; 0 sends none")] = 0

    @property
    def longest_text(self) -> int:
        return max(self.prompt_tokens + self.tokens, self.long_prompt + 1)


@dataclass(frozen=True)
class ForwardSettings(BenchSettings):
    """Batches of whole texts through the layers, without a cache, and gradients back."""

    batch: Annotated[int, Words("texts of a batch", 1)] = 4
    tokens: Annotated[int, Words("tokens of each text", 1)] = 128

    @property
    def longest_text(self) -> int:
        return self.tokens


@dataclass(frozen=True)
class RecoverSettings(BenchSettings):
    """What a chat notices when servers are lost."""

    engines: Annotated[int, Words("servers of a chain; each has a second one with the same layers", 2)] = 4
    runs: Annotated[int, Words("losses of each kind, and runs at each failure rate", 1)] = 3
    what: Annotated[
        str,
        Words(
            "servers that are killed, hang or leave, streams that break at random, or what it costs to be prepared",
            choices=RECOVERIES,
        ),
    ] = "all"
    context: Annotated[int, Words("tokens of the prompt before servers are lost", 2)] = 512
    tokens: Annotated[int, Words("new tokens of a text during which servers are lost", 8)] = 40
    failure_rate: Annotated[str, Words("chances that a server's stream breaks at a step; several with commas")] = (
        "0,0.0001,0.001,0.01"
    )
    lengths: Annotated[str, Words("new tokens of texts with failures; several with commas")] = "128,1024"
    quick: Annotated[bool, Words("few and short: only shows that it works")] = False

    @property
    def failure_rates(self) -> list[float]:
        return _numbers(self.failure_rate, "--failure-rate", float)

    @property
    def text_lengths(self) -> list[int]:
        return _numbers(self.lengths, "--lengths", int)

    @property
    def longest_text(self) -> int:
        with_failures = FAILURES_PROMPT + max(self.text_lengths) if self.what in ("all", "failures") else 0
        return max(self.context + self.tokens, with_failures)

    def shortened(self) -> RecoverSettings:
        """What is measured: all that was asked for, or with `quick` little of it."""
        if not self.quick:
            return self
        few = {"runs": 1, "context": 64, "tokens": 16, "failure_rate": "0,0.02", "lengths": "32"}
        return replace(self, **few)  # type: ignore[arg-type]


KINDS: Mapping[str, tuple[type[BenchSettings], str]] = {
    "decode": (DecodeSettings, "tokens per second of one chat"),
    "prefill": (PrefillSettings, "the time to the first token of a long prompt"),
    "concurrent": (ConcurrentSettings, "several chats at once, or chats beside a long prompt"),
    "forward": (ForwardSettings, "whole texts through the layers and gradients back"),
    "recover": (RecoverSettings, "what a chat notices when servers are lost"),
}


def describe_settings(kind: type[BenchSettings]) -> Iterator[tuple[str, type, Any, Words]]:
    """Name, type, default and words of every setting of a kind."""
    hints = get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        value_type, words = get_args(hints[field.name])
        yield field.name, value_type, field.default, words


def check_settings(settings: BenchSettings) -> None:
    """Refuse what cannot be measured.

    Raises:
        UsageError: which setting, and what it has to be.
    """
    for name, value_type, _default, words in describe_settings(type(settings)):
        value = getattr(settings, name)
        flag = flag_of(name)
        if value_type is int and value < words.minimum:
            raise UsageError(f"{flag} is {value} and has to be at least {words.minimum}")
        if words.choices and value not in words.choices:
            raise UsageError(f"{flag} is {value} and has to be one of {', '.join(filter(None, words.choices))}")
    if isinstance(settings, RecoverSettings):
        _check_recover(settings)
    if isinstance(settings, DecodeSettings) and settings.prompt and settings.text != "prompt":
        raise UsageError("--prompt is said with --text prompt only")
    if isinstance(settings, DecodeSettings) and settings.text == "repetitive" and settings.prompt_tokens < 16:
        raise UsageError("--text repetitive needs --prompt-tokens of at least 16")


def _check_recover(settings: RecoverSettings) -> None:
    if any(not 0 <= rate < 0.5 for rate in settings.failure_rates):
        raise UsageError(f"--failure-rate is {settings.failure_rate} and has to be at least 0 and less than 0.5")
    if any(length < 8 for length in settings.text_lengths):
        raise UsageError(f"--lengths is {settings.lengths} and has to be at least 8")


def _numbers(text: str, flag: str, kind: Callable[[str], _T]) -> list[_T]:
    try:
        return [kind(word) for word in text.split(",")]
    except ValueError as error:
        raise UsageError(f"{flag} is {text} and has to be numbers with commas between them") from error


def check_length(settings: BenchSettings, context_length: int) -> None:
    """Refuse texts that the model was not made for.

    Raises:
        UsageError: the longest text has more than `context_length` tokens.
    """
    if settings.longest_text > context_length:
        raise UsageError(
            f"A text of {settings.longest_text} tokens is longer than this model's context of {context_length}"
        )


def flag_of(name: str) -> str:
    """The flag of a setting: `prompt_tokens` is `--prompt-tokens`."""
    return "--" + name.replace("_", "-")
