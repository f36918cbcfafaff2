"""Text appears as soon as it is certain, whole characters only, and ends before a stop string."""

from __future__ import annotations

import random

import pytest
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from meadow_client.models.text import PieceDecoder, StopStrings

END = "<|end|>"


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    """One token for each byte, as byte-level tokenizers have for whatever they never saw."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe = Tokenizer(BPE({symbol: index for index, symbol in enumerate(alphabet)}, []))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens([END])
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=END)


@pytest.fixture(scope="module")
def spaced() -> PreTrainedTokenizerFast:
    """Words that begin with ▁ for a space, which is left out at the beginning of a text (as Llama 2 does)."""
    words = ["<unk>", "▁Hello", "▁there", "▁and", "▁good", "bye", "▁"]
    bpe = Tokenizer(BPE({word: index for index, word in enumerate(words)}, [], unk_token="<unk>"))
    bpe.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    return PreTrainedTokenizerFast(tokenizer_object=bpe)


def pieces(tokenizer: PreTrainedTokenizerFast, ids: list[int]) -> list[str]:
    decoder = PieceDecoder(tokenizer)
    return [*[decoder.push(token) for token in ids], decoder.finish()]


def test_plain_text_appears_token_by_token(tokenizer: PreTrainedTokenizerFast) -> None:
    assert pieces(tokenizer, tokenizer("abc")["input_ids"]) == ["a", "b", "c", ""]


def test_a_character_of_several_tokens_appears_once_it_is_whole(tokenizer: PreTrainedTokenizerFast) -> None:
    assert pieces(tokenizer, tokenizer("a🌱b")["input_ids"]) == ["a", "", "", "", "🌱", "b", ""]


@pytest.mark.parametrize("text", ["Grüße, 世界! 👩‍🌾🌾", "\n\n  two  spaces\t", "é" * 5, "🏳️‍🌈", "…—“”"])
def test_the_pieces_together_are_the_text(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    assert "".join(pieces(tokenizer, tokenizer(text)["input_ids"])) == text


def test_a_text_that_ends_in_the_middle_of_a_character_shows_that_something_is_missing(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    assert pieces(tokenizer, tokenizer("a🌱")["input_ids"][:-1])[-1] == "\N{REPLACEMENT CHARACTER}"


def test_bytes_that_are_no_character_do_not_stop_what_follows(tokenizer: PreTrainedTokenizerFast) -> None:
    broken = tokenizer("🌱")["input_ids"][:2]
    shown = pieces(tokenizer, [*broken, *tokenizer("ok")["input_ids"]])
    assert "".join(shown).endswith("ok")


def test_special_tokens_are_not_shown(tokenizer: PreTrainedTokenizerFast) -> None:
    assert "".join(pieces(tokenizer, [*tokenizer("a")["input_ids"], tokenizer.eos_token_id])) == "a"


def test_spaces_between_words_are_kept(spaced: PreTrainedTokenizerFast) -> None:
    assert pieces(spaced, [1, 2, 3, 4, 5]) == ["Hello", " there", " and", " good", "bye", ""]


@pytest.mark.parametrize("seed", range(10))
def test_any_bytes_in_pieces_are_what_they_are_at_once(tokenizer: PreTrainedTokenizerFast, seed: int) -> None:
    rng = random.Random(seed)
    text = "".join(rng.choice("ab é世🌱👍🏽\n") for _ in range(30))
    ids = tokenizer(text)["input_ids"]
    assert "".join(pieces(tokenizer, ids)) == tokenizer.decode(ids, clean_up_tokenization_spaces=False)


def show(stops: list[str], texts: list[str]) -> tuple[list[str], bool]:
    watch = StopStrings(stops)
    shown = [watch.push(text) for text in texts]
    return [*shown, watch.finish()], watch.is_met


def test_without_stop_strings_text_passes_at_once() -> None:
    assert show([], ["one", " two"]) == (["one", " two", ""], False)


def test_text_ends_before_a_stop_string() -> None:
    assert show(["END"], ["one END two", "three"]) == (["one ", "", ""], True)


def test_a_stop_string_over_several_pieces_is_found() -> None:
    assert show(["END"], ["one E", "N", "D two"]) == (["one ", "", "", ""], True)


def test_what_only_began_like_a_stop_string_is_shown_later() -> None:
    assert show(["END"], ["one E", "N", "ough"]) == (["one ", "", "ENough", ""], False)


def test_what_began_like_a_stop_string_at_the_end_is_shown_at_the_end() -> None:
    assert show(["END"], ["one EN"]) == (["one ", "EN"], False)


def test_the_first_of_several_stop_strings_counts() -> None:
    assert show(["later", "now"], ["a now later"])[0][0] == "a "


def test_a_stop_string_at_the_beginning_leaves_nothing() -> None:
    assert show(["\n"], ["\n", "text"]) == (["", "", ""], True)


def test_an_empty_stop_string_stops_nothing() -> None:
    assert show([""], ["text"]) == (["text", ""], False)


def test_a_stop_string_that_repeats_its_beginning_is_found() -> None:
    assert show(["aab"], ["a", "a", "a", "b"]) == (["", "", "a", "", ""], True)


@pytest.mark.parametrize("seed", range(50))
def test_however_text_is_cut_it_ends_at_the_same_place(seed: int) -> None:
    rng = random.Random(seed)
    stops = ["".join(rng.choice("ab") for _ in range(rng.randint(1, 4))) for _ in range(rng.randint(1, 3))]
    text = "".join(rng.choice("abc") for _ in range(20))
    ends = [place for stop in stops if (place := text.find(stop)) >= 0]
    cuts = sorted(rng.sample(range(21), 5))
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, 20], strict=True)]
    shown, is_met = show(stops, parts)
    assert is_met == bool(ends)
    # Of two stop strings the one that is complete first is met first, even where the other began earlier.
    complete = min((text.find(stop) + len(stop) for stop in stops if stop in text), default=20)
    assert text.startswith("".join(shown))
    assert len("".join(shown)) <= complete
    if not ends:
        assert "".join(shown) == text
