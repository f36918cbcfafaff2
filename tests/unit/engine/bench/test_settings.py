"""What `meadow bench` understands, and what it refuses with one sentence."""

from __future__ import annotations

import pytest

from meadow_client.errors import UsageError
from meadow_engine.bench.settings import (
    ConcurrentSettings,
    DecodeSettings,
    ForwardSettings,
    PrefillSettings,
    RecoverSettings,
    check_length,
    check_settings,
)
from meadow_engine.cli import main as main_module
from meadow_engine.cli.bench import read_settings
from meadow_engine.cli.main import build_parser, main


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main_module, "set_up_logging", lambda **_: None)


@pytest.mark.parametrize(
    ("typed", "settings"),
    [
        (["decode", "m"], DecodeSettings()),
        (
            ["decode", "m", "--text", "repetitive", "--lookup", "8", "--count-bytes", "eth0"],
            DecodeSettings(text="repetitive", lookup=8, count_bytes="eth0"),
        ),
        (["prefill", "m", "--prompt-tokens", "4096", "--threads", "2"], PrefillSettings(prompt_tokens=4096, threads=2)),
        (["concurrent", "m", "--clients", "4", "--codec", "int8"], ConcurrentSettings(clients=4, codec="int8")),
        (["concurrent", "m", "--long-prompt", "4096"], ConcurrentSettings(long_prompt=4096)),
        (
            ["recover", "m", "--what", "failures", "--failure-rate", "0,0.02", "--lengths", "64", "--quick"],
            RecoverSettings(what="failures", failure_rate="0,0.02", lengths="64", quick=True),
        ),
        (["forward", "m", "--batch", "2", "--dtype", "bfloat16"], ForwardSettings(batch=2, dtype="bfloat16")),
    ],
)
def test_flags_become_settings(typed: list[str], settings: object) -> None:
    assert read_settings(build_parser().parse_args(["bench", *typed])) == settings


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (["decode", "demo", "--runs", "0"], "--runs is 0 and has to be at least 1"),
        (["decode", "demo", "--tokens", "1"], "--tokens is 1 and has to be at least 3"),
        (["decode", "demo", "--lookup", "-1"], "--lookup is -1 and has to be at least 0"),
        (["decode", "demo", "--prompt", "Hi"], "--prompt is said with --text prompt only"),
        (["decode", "demo", "--text", "repetitive", "--prompt-tokens", "8"], "needs --prompt-tokens of at least 16"),
        (["prefill", "demo", "--engines", "0"], "--engines is 0 and has to be at least 1"),
        (["prefill", "demo", "--join", "nowhere"], "nowhere"),
        (["prefill", "demo", "--prompt-tokens", "9999"], "A text of 10000 tokens is longer"),
        (["concurrent", "demo", "--clients", "0"], "--clients is 0 and has to be at least 1"),
        (["forward", "demo", "--batch", "-2"], "--batch is -2 and has to be at least 1"),
        (["recover", "demo", "--failure-rate", "often"], "--failure-rate is often and has to be numbers"),
        (["recover", "demo", "--failure-rate", "0.01,0.7"], "has to be at least 0 and less than 0.5"),
        (["recover", "demo", "--lengths", "4"], "--lengths is 4 and has to be at least 8"),
        (["recover", "demo", "--engines", "1"], "--engines is 1 and has to be at least 2"),
        (["recover", "demo", "--engines", "9"], "8 layers are too few for 9 servers"),
        (["recover", "demo", "--join", "/ip4/127.0.0.1/tcp/1"], "--what all kills servers"),
        (["make-model", "x", "--layers", "0"], "--layers is 0 and has to be at least 1"),
        (["make-model", "x", "--hidden", "100"], "--hidden is 100 and has to be a multiple of 64"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_measured_is_refused_in_a_sentence(
    typed: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *typed]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert sentence in said.err.splitlines()[0]
    assert len(said.err.splitlines()) <= 2


@pytest.mark.parametrize("typed", [["decode"], ["nothing", "m"], ["decode", "m", "--text", "song"]])
def test_what_is_no_measurement_is_refused(typed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", *typed])
    assert ended.value.code == 2
    assert capsys.readouterr().err


def test_choices_are_checked_for_programs_too() -> None:
    with pytest.raises(UsageError, match=r"--codec is zip and has to be one of raw, int8, auto$"):
        check_settings(DecodeSettings(codec="zip"))


def test_the_longest_text_has_to_fit_the_models_context() -> None:
    check_length(PrefillSettings(prompt_tokens=511), 512)
    with pytest.raises(UsageError, match="A text of 513 tokens is longer than this model's context of 512"):
        check_length(ConcurrentSettings(prompt_tokens=8, tokens=8, long_prompt=512), 512)


def test_a_quick_look_at_recovery_is_short_and_the_longest_text_counts() -> None:
    settings = RecoverSettings(quick=True).shortened()
    assert (settings.runs, settings.text_lengths, settings.longest_text) == (1, [32], 80)
    assert RecoverSettings().shortened() == RecoverSettings()
    assert RecoverSettings().longest_text == 1032
    assert RecoverSettings(what="kills").longest_text == 552
