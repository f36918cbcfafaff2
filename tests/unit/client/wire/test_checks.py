"""Messages are held to what was agreed when the stream was opened."""

from __future__ import annotations

import pytest

from meadow_client.errors import BrokenFrameError
from meadow_client.wire.checks import (
    Terms,
    check_opened,
    check_opening,
    check_request,
    check_result,
    check_session_reply,
)
from meadow_client.wire.messages import (
    Address,
    Backward,
    Failure,
    Forward,
    Join,
    Notice,
    Open,
    Opened,
    Ping,
    Pong,
    Queued,
    Reached,
    Reply,
    Request,
    Resend,
    Result,
    Step,
    TensorHeader,
)

SESSION = Terms("session", batch=2, max_length=10, width=8, dtype="bfloat16", max_step_tokens=6)
STATELESS = Terms("stateless", batch=2, max_length=10, width=8, dtype="bfloat16", max_step_tokens=6)
OPENED = Opened(8, "bfloat16", 6)
ID = "0123456789abcdef" * 2


def hidden(*shape: int, dtype: str = "bfloat16", name: str = "hidden") -> TensorHeader:
    return TensorHeader(name, dtype, shape)  # type: ignore[arg-type]


def positions(*shape: int, dtype: str = "int64") -> TensorHeader:
    return hidden(*shape, dtype=dtype, name="position_ids")


def mask(*shape: int, dtype: str = "bool") -> TensorHeader:
    return hidden(*shape, dtype=dtype, name="attention_mask")


def beams(*shape: int, dtype: str = "int64") -> TensorHeader:
    return hidden(*shape, dtype=dtype, name="beam_idx")


def scale(*shape: int, dtype: str = "float32") -> TensorHeader:
    return hidden(*shape, dtype=dtype, name="scale")


def grad(*shape: int, dtype: str = "bfloat16") -> TensorHeader:
    return hidden(*shape, dtype=dtype, name="grad")


@pytest.mark.parametrize(
    "tensors",
    [
        (hidden(1, 1, 8),),
        (hidden(2, 3, 8),),
        (hidden(1, 6, 8),),
        (hidden(2, 3, 8), positions(2, 3)),
        (hidden(2, 3, 8), mask(2, 7)),
        (beams(2), hidden(2, 1, 8)),
        (hidden(2, 3, 8), positions(2, 3), mask(2, 7), beams(2)),
        (hidden(2, 3, 8, dtype="float32"),),
        (hidden(2, 3, 8, dtype="float16"),),
        (hidden(2, 3, 8, dtype="int8"), scale(2, 3)),
        (scale(2, 3), hidden(2, 3, 8, dtype="int8"), positions(2, 3), mask(2, 7), beams(2)),
    ],
)
def test_a_step_within_the_terms_is_accepted(tensors: tuple[TensorHeader, ...]) -> None:
    check_request(Step(4, tensors), SESSION)


@pytest.mark.parametrize(
    "tensors",
    [
        pytest.param((), id="nothing"),
        pytest.param((mask(2, 7),), id="no hidden states"),
        pytest.param((hidden(2, 8),), id="two dimensions"),
        pytest.param((hidden(),), id="a number"),
        pytest.param((hidden(1, 1, 7),), id="another width"),
        pytest.param((hidden(1, 1, 8, dtype="bool"),), id="bits"),
        pytest.param((hidden(1, 1, 8, dtype="int8"),), id="int8 without scales"),
        pytest.param((hidden(2, 3, 8), scale(2, 3)), id="scales without int8"),
        pytest.param((hidden(2, 3, 8, dtype="int8"), scale(2, 2)), id="too few scales"),
        pytest.param((hidden(2, 3, 8, dtype="int8"), scale(2, 3, 1)), id="scales of another shape"),
        pytest.param((hidden(2, 3, 8, dtype="int8"), scale(2, 3, dtype="float16")), id="scales of another dtype"),
        pytest.param((hidden(2, 3, 8, dtype="int8"), scale(2, 3), scale(2, 3)), id="scales twice"),
        pytest.param((hidden(1, 1, 8, dtype="int64"),), id="whole numbers"),
        pytest.param((hidden(0, 1, 8),), id="no sequence"),
        pytest.param((hidden(1, 0, 8),), id="no token"),
        pytest.param((hidden(3, 1, 8),), id="more sequences than agreed"),
        pytest.param((hidden(2, 4, 8),), id="more tokens than one step may have"),
        pytest.param((hidden(1, 7, 8),), id="more tokens than agreed"),
        pytest.param((hidden(2, 3, 8), positions(1, 3)), id="positions of one sequence"),
        pytest.param((hidden(2, 3, 8), positions(2, 4)), id="too many positions"),
        pytest.param((hidden(2, 3, 8), positions(2, 3, dtype="bool")), id="positions of another dtype"),
        pytest.param((hidden(2, 3, 8), mask(2, 3)), id="a mask without the cached tokens"),
        pytest.param((hidden(2, 3, 8), mask(2, 8)), id="a mask that is too long"),
        pytest.param((hidden(2, 3, 8), mask(1, 7)), id="a mask for one sequence"),
        pytest.param((hidden(2, 3, 8), mask(2, 7, dtype="int64")), id="a mask of another dtype"),
        pytest.param((hidden(2, 1, 8), beams(1)), id="too few beams"),
        pytest.param((hidden(2, 1, 8), beams(2, 1)), id="beams in a table"),
        pytest.param((hidden(2, 1, 8), beams(2, dtype="bool")), id="beams of another dtype"),
        pytest.param((hidden(1, 1, 8), grad(1, 1, 8)), id="a gradient"),
    ],
)
def test_a_step_beyond_the_terms_is_refused(tensors: tuple[TensorHeader, ...]) -> None:
    with pytest.raises(BrokenFrameError):
        check_request(Step(4, tensors), SESSION)


NEXT = (Address("12D3KooWnext", ID),)


def test_a_session_may_ask_for_what_it_has_and_whether_somebody_is_there() -> None:
    check_request(Ping(), SESSION)
    check_request(Resend(10, 1, NEXT, 256), SESSION)
    with pytest.raises(BrokenFrameError, match="sent again"):
        check_request(Resend(11, 1, NEXT, 256), SESSION)
    with pytest.raises(BrokenFrameError):
        check_request(Resend(10, 1, NEXT, 256), STATELESS)


def test_a_session_may_be_filled_to_its_last_token_and_no_further() -> None:
    check_request(Step(7, (hidden(1, 3, 8),)), SESSION)
    with pytest.raises(BrokenFrameError, match="beyond"):
        check_request(Step(8, (hidden(1, 3, 8),)), SESSION)


@pytest.mark.parametrize(
    "message",
    [
        Forward((hidden(2, 3, 8),)),
        Forward((hidden(2, 3, 8), positions(2, 3), mask(2, 3))),
        Backward((hidden(2, 3, 8), grad(2, 3, 8))),
        Backward((grad(2, 3, 8), hidden(2, 3, 8), positions(2, 3), mask(2, 3))),
    ],
)
def test_a_stateless_request_within_the_terms_is_accepted(message: Request) -> None:
    check_request(message, STATELESS)


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(Forward((hidden(2, 1, 8), beams(2))), id="beams in a forward"),
        pytest.param(Forward((hidden(2, 1, 8), grad(2, 1, 8))), id="gradient in a forward"),
        pytest.param(Forward((hidden(3, 1, 8),)), id="too many sequences"),
        pytest.param(Forward((hidden(2, 1, 8, dtype="float32"),)), id="another dtype"),
        pytest.param(Forward((hidden(2, 1, 8, dtype="int8"), scale(2, 1))), id="int8"),
        pytest.param(Backward((hidden(2, 3, 8),)), id="no gradient"),
        pytest.param(Backward((grad(2, 3, 8),)), id="no hidden states"),
        pytest.param(Backward((hidden(2, 3, 8), grad(2, 2, 8))), id="gradient of another shape"),
        pytest.param(Backward((hidden(2, 3, 8), grad(2, 3, 8, dtype="float32"))), id="gradient of another dtype"),
        pytest.param(Backward((hidden(2, 3, 8), grad(2, 3, 8), beams(2))), id="beams in a backward"),
    ],
)
def test_a_stateless_request_beyond_the_terms_is_refused(message: Request) -> None:
    with pytest.raises(BrokenFrameError):
        check_request(message, STATELESS)


@pytest.mark.parametrize(
    ("message", "terms"),
    [
        (Step(0, (hidden(1, 1, 8),)), STATELESS),
        (Forward((hidden(1, 1, 8),)), SESSION),
        (Backward((hidden(1, 1, 8), grad(1, 1, 8))), SESSION),
        (Open(1, "session", "m", 0, 1, 1, 1, ID), SESSION),
        (Join(1, ID), SESSION),
        (Join(1, ID), STATELESS),
        (Open(1, "stateless", "m", 0, 1, 1, 1), STATELESS),
    ],
)
def test_a_request_of_another_kind_of_stream_is_refused(message: Request, terms: Terms) -> None:
    with pytest.raises(BrokenFrameError, match="belong"):
        check_request(message, terms)


def test_the_largest_correct_step_fits_in_the_largest_body() -> None:
    tensors = (hidden(2, 3, 8), positions(2, 3), mask(2, 10), beams(2))
    check_request(Step(7, tensors), SESSION)
    assert sum(header.nbytes for header in tensors) <= SESSION.max_body_bytes


def test_the_largest_correct_step_of_wider_floats_or_of_int8_fits_in_the_largest_body() -> None:
    for first in ((hidden(2, 3, 8, dtype="float32"),), (hidden(2, 3, 8, dtype="int8"), scale(2, 3))):
        tensors = (*first, positions(2, 3), mask(2, 10), beams(2))
        check_request(Step(7, tensors), SESSION)
        assert sum(header.nbytes for header in tensors) <= SESSION.max_body_bytes


def test_the_largest_correct_backward_fits_in_the_largest_body_in_float32() -> None:
    terms = Terms("stateless", batch=1, max_length=6, width=8, dtype="float32", max_step_tokens=6)
    tensors = (
        hidden(1, 6, 8, dtype="float32"),
        grad(1, 6, 8, dtype="float32"),
        positions(1, 6),
        mask(1, 6),
    )
    check_request(Backward(tensors), terms)
    assert sum(header.nbytes for header in tensors) <= terms.max_body_bytes


def test_an_opening_asks_for_at_least_one_layer() -> None:
    check_opening(Open(1, "session", "m", 3, 4, 1, 1, ID))
    for start, end in ((4, 4), (5, 4)):
        with pytest.raises(BrokenFrameError, match="no layers"):
            check_opening(Open(1, "session", "m", start, end, 1, 1, ID))


def test_a_session_has_an_id_and_stateless_streams_have_none() -> None:
    check_opening(Open(1, "stateless", "m", 3, 4, 1, 1))
    for kind, session in (("session", None), ("stateless", ID)):
        with pytest.raises(BrokenFrameError, match="has an id"):
            check_opening(Open(1, kind, "m", 3, 4, 1, 1, session))  # type: ignore[arg-type]


def test_a_stream_of_another_server_begins_by_joining() -> None:
    check_opening(Join(1, ID))


@pytest.mark.parametrize("message", [Step(0, ()), Forward(()), Backward(())])
def test_a_stream_begins_with_an_opening(message: Request) -> None:
    with pytest.raises(BrokenFrameError, match="first message"):
        check_opening(message)


def test_an_opening_is_answered_by_agreement_or_failure_only() -> None:
    check_opened(OPENED)
    check_opened(Failure("layers-not-here"))
    for reply in (Result(()), Queued(1, 60.0)):
        with pytest.raises(BrokenFrameError):
            check_opened(reply)


def test_a_result_of_the_agreed_shape_or_a_failure_is_accepted() -> None:
    check_result(Result((hidden(2, 3, 8),)), "hidden", (2, 3, 8), STATELESS)
    check_result(Result((grad(2, 3, 8),)), "grad", (2, 3, 8), STATELESS)
    check_result(Failure("failed"), "hidden", (2, 3, 8), STATELESS)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(OPENED, id="an agreement"),
        pytest.param(Queued(1, 60.0), id="a place in line"),
        pytest.param(Result(()), id="no tensor"),
        pytest.param(Result((hidden(2, 2, 8),)), id="another shape"),
        pytest.param(Result((hidden(2, 3, 8, dtype="float32"),)), id="another dtype"),
        pytest.param(Result((grad(2, 3, 8),)), id="another name"),
        pytest.param(Result((hidden(2, 3, 8), grad(2, 3, 8))), id="two tensors"),
    ],
)
def test_a_result_that_was_not_asked_for_is_refused(reply: Reply) -> None:
    with pytest.raises(BrokenFrameError):
        check_result(reply, "hidden", (2, 3, 8), STATELESS)


@pytest.mark.parametrize(
    "reply",
    [
        Failure("server-full"),
        Queued(1, 60.0),
        Pong(),
        Notice("not-retained", 0),
        Reached(Address("next", "0" * 32), is_linked=True),
        Result((hidden(2, 3, 8),), (), 4, 3),
        Result((hidden(1, 6, 8, dtype="float32"),), (), 4, 6),
        Result((hidden(2, 1, 8),), ((0.1, 0.2), (0.3, 0.4)), 4, 3),
        Result((hidden(2, 0, 8),), (), 4, 3),
        Result((hidden(2, 3, 8, dtype="int8"), scale(2, 3)), (), 4, 3),
    ],
)
def test_what_a_sessions_client_may_hear_is_accepted(reply: Reply) -> None:
    check_session_reply(reply, SESSION)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(OPENED, id="an agreement"),
        pytest.param(Result((), (), 4, 3), id="no tensor"),
        pytest.param(Result((hidden(2, 4, 8),), (), 4, 3), id="more outputs than tokens"),
        pytest.param(Result((hidden(3, 1, 8),), (), 4, 1), id="more sequences than agreed"),
        pytest.param(Result((hidden(0, 1, 8),), (), 4, 1), id="no sequence"),
        pytest.param(Result((hidden(2, 1, 8),), (), 4, 4), id="more tokens than one step may have"),
        pytest.param(Result((hidden(2, 3, 7),), (), 4, 3), id="another width"),
        pytest.param(Result((hidden(2, 3),), (), 4, 3), id="two dimensions"),
        pytest.param(Result((hidden(2, 3, 8, dtype="int64"),), (), 4, 3), id="whole numbers"),
        pytest.param(Result((hidden(2, 3, 8, dtype="int8"),), (), 4, 3), id="int8 without scales"),
        pytest.param(Result((hidden(2, 3, 8), scale(2, 3)), (), 4, 3), id="scales without int8"),
        pytest.param(Result((grad(2, 3, 8),), (), 4, 3), id="a gradient"),
        pytest.param(Result((hidden(2, 3, 8), positions(2, 3)), (), 4, 3), id="positions"),
    ],
)
def test_what_a_sessions_client_may_not_hear_is_refused(reply: Reply) -> None:
    with pytest.raises(BrokenFrameError):
        check_session_reply(reply, SESSION)
