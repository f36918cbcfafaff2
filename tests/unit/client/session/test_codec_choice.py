"""Hidden states become int8 while a link is slower than every server, and raw again when that is clearly over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import pytest
import torch

from meadow_client.session.codec import pack
from meadow_client.session.codec_choice import (
    LONG_STEP_TOKENS,
    MEASURED_BYTES,
    CodecChoice,
    Passage,
    body_bytes,
)
from meadow_client.wire.messages import Codec, Timing

MB = 1_000_000
TOKENS = 256


def passage(
    links_s: Sequence[float] = (0.0, 0.0, 0.0),
    compute_s: Sequence[float] = (0.1, 0.1),
    tokens: int = TOKENS,
    link_bytes: int = MB,
) -> Passage:
    """A step through two servers: seconds on its three links, the one back to the client last."""
    step = Passage(tokens, [link_bytes] * len(links_s))
    step.add([Timing(0.0, *pair) for pair in zip(compute_s, links_s[:-1], strict=True)], links_s[-1])
    return step


def after(*passages: Passage) -> CodecChoice:
    choice = CodecChoice()
    for step in passages:
        choice.observe(step)
    return choice


def chosen(choice: CodecChoice, tokens: int = TOKENS, link_bytes: int = MB) -> Codec:
    return choice.choose(tokens, [link_bytes] * 3)


def test_nothing_known_means_raw() -> None:
    assert chosen(CodecChoice()) == "raw"


@pytest.mark.parametrize("slow", range(3))
def test_one_slow_link_anywhere_makes_int8(slow: int) -> None:
    assert chosen(after(passage([0.2 if link == slow else 0.01 for link in range(3)]))) == "int8"


def test_links_that_together_but_not_alone_are_slower_stay_raw() -> None:
    assert chosen(after(passage([0.09, 0.09, 0.09]))) == "raw"


@pytest.mark.parametrize("slow", range(2))
def test_one_server_slower_than_all_links_keeps_raw(slow: int) -> None:
    compute_s = [0.3 if server == slow else 0.01 for server in range(2)]
    assert chosen(after(passage([0.2, 0.2, 0.2], compute_s))) == "raw"


def test_a_body_that_is_small_on_the_slow_link_makes_it_no_bottleneck() -> None:
    choice = after(passage([0.01, 0.01, 5.0]))
    assert choice.choose(TOKENS, [MB, MB, 1000]) == "raw"  # of a prompt, only the last token comes back
    assert choice.choose(TOKENS, [MB, MB, MB]) == "int8"


def test_small_bodies_say_nothing_about_a_links_speed() -> None:
    small = passage([9.0, 9.0, 9.0], link_bytes=MEASURED_BYTES - 1)
    assert chosen(after(small)) == "raw"
    assert chosen(after(passage([9.0, 9.0, 9.0], link_bytes=MEASURED_BYTES))) == "int8"
    choice = after(passage([0.2, 0.0, 0.0]), *[passage([0.0, 0.0, 0.0], link_bytes=10)] * 50)
    assert chosen(choice) == "int8"


def test_int8_ends_only_when_raw_would_need_less_than_half_the_computing() -> None:
    choice = after(passage([0.2, 0.0, 0.0]))
    assert chosen(choice, link_bytes=int(0.49 * MB)) == "raw"
    assert chosen(choice, link_bytes=int(0.51 * MB)) == "int8"
    assert chosen(choice, link_bytes=int(0.3 * MB)) == "int8"
    assert chosen(choice, link_bytes=int(0.24 * MB)) == "raw"
    assert chosen(choice, link_bytes=int(0.3 * MB)) == "raw"


def test_a_link_that_wavers_around_the_servers_pace_does_not_flap() -> None:
    choice, seen = CodecChoice(), []
    for index in range(40):
        choice.observe(passage([0.13 if index % 2 else 0.08, 0.0, 0.0]))
        seen.append(chosen(choice))
    assert sum(one != following for one, following in pairwise(seen)) == 1


def test_a_link_that_recovers_is_believed_after_some_bodies() -> None:
    choice, steps = after(passage([0.4, 0.0, 0.0])), 0
    while chosen(choice) == "int8":
        choice.observe(passage([0.01, 0.0, 0.0], link_bytes=MB // 4))  # packed bodies measure links as well
        steps += 1
    assert 2 <= steps <= 20


def test_long_steps_compare_by_the_token() -> None:
    choice = after(passage([0.2, 0.0, 0.0], (0.1, 0.1), tokens=256))
    assert chosen(choice, tokens=512, link_bytes=MB * 2) == "int8"
    assert chosen(choice, tokens=512, link_bytes=MB // 2 - 1) == "raw"


def test_short_steps_take_as_long_whatever_they_bring() -> None:
    choice = after(passage([0.2, 0.0, 0.0]), passage(compute_s=(0.1, 0.1), tokens=1, link_bytes=4000))
    for tokens in (1, 10, LONG_STEP_TOKENS - 1):
        assert chosen(choice, tokens, MB // 3) == "raw"


def test_long_and_short_steps_do_not_speak_for_each_other() -> None:
    choice = after(passage([0.2, 0.0, 0.0]))
    assert chosen(choice) == "int8"
    assert chosen(choice, tokens=1) == "raw"  # no such step has been computed yet
    choice.observe(passage(compute_s=(1.0, 1.0), tokens=1, link_bytes=4000))
    assert chosen(choice, tokens=1, link_bytes=4000) == "raw"
    assert chosen(choice) == "int8"


def test_only_the_latest_computing_counts() -> None:
    choice = after(passage([0.2, 0.0, 0.0], (9.0, 9.0)))  # the first step of a process may be slow
    assert chosen(choice) == "raw"
    choice.observe(passage([0.2, 0.0, 0.0], (0.1, 0.1)))
    assert chosen(choice) == "int8"


@pytest.mark.parametrize("strange", [math.nan, math.inf, -math.inf, -1.0])
def test_what_cannot_be_is_not_believed(strange: float) -> None:
    choice = after(passage([strange] * 3, (strange, strange)))
    assert chosen(choice) == "raw"
    choice.observe(passage([0.2, 0.0, 0.0]))
    assert chosen(choice) == "int8"
    choice.observe(passage([strange] * 3, (strange, strange)))
    assert chosen(choice) == "int8"


def test_the_parts_of_a_step_are_added_up() -> None:
    step = Passage(4, [100, 100, 100])
    step.add([Timing(0.5, 1.0, 2.0), Timing(0.5, 3.0, 4.0)], 5.0)
    step.add([Timing(0.0, 0.0), Timing(0.5, 6.0)], 7.0)
    assert (step.compute_s, step.receive_s) == ([1.0, 9.0], [2.0, 4.0, 12.0])


@pytest.mark.parametrize("count", [0, 1, 5])
def test_servers_that_say_more_or_less_than_expected_do_no_harm(count: int) -> None:
    step = Passage(4, [100, 100, 100])
    step.add([Timing(0.0, 1.0, 2.0)] * count, 0.5)
    assert (len(step.compute_s), len(step.receive_s), step.receive_s[-1]) == (2, 3, 0.5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("codec", ["raw", "int8"])
def test_bytes_are_those_that_travel(dtype: torch.dtype, codec: Codec) -> None:
    packed = pack(torch.zeros(2, 3, 8, dtype=dtype), codec)
    name = str(dtype).removeprefix("torch.")
    assert body_bytes(2 * 3, 8, name, codec) == sum(tensor.nbytes for tensor in packed.values())
