"""`meadow chat`: one question, or a conversation in the terminal."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from meadow_client.errors import MeadowError, describe_layers
from meadow_engine.cli.console import DONE, note, read_line, run_loop
from meadow_engine.cli.options import add_codec, add_draft, add_join, add_json, add_model, model_of

if TYPE_CHECKING:
    from meadow_client.models.answering import Answerer, End
    from meadow_client.models.sampling import Sampling
    from meadow_client.session.chain import Member
    from meadow_client.session.upkeep import Recovery

HELP = "talk to a model in a swarm"
PATIENCE_S = 30.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_join(parser)
    add_draft(parser)
    add_codec(parser)
    add_question(parser)
    add_json(parser)


def add_question(parser: argparse.ArgumentParser) -> None:
    """Options that say what to ask and how to answer."""
    parser.add_argument("--prompt", metavar="TEXT", help="ask this and end; without it a conversation begins")
    parser.add_argument("--system", metavar="TEXT", help="instructions before the conversation")
    parser.add_argument("--max-new-tokens", type=_positive, default=512, metavar="N")
    parser.add_argument("--greedy", action="store_true", help="always take the likeliest token")


def run(arguments: argparse.Namespace) -> int:
    return run_loop(_chat(arguments))


async def _chat(arguments: argparse.Namespace) -> int:
    from meadow_engine.cli.client_end import joined_answerer

    joined = joined_answerer(
        model_of(arguments), arguments.join, PATIENCE_S, draft=arguments.draft, codec=arguments.codec
    )
    async with joined as answerer:
        return await converse(answerer, arguments)


async def converse(answerer: Answerer, arguments: argparse.Namespace) -> int:
    """Answer `--prompt`, or lines from the terminal until it ends."""
    from meadow_client.models.sampling import Sampling

    sampling = Sampling() if arguments.greedy else answerer.default_sampling()
    messages = [{"role": "system", "content": arguments.system}] if arguments.system else []
    if arguments.prompt is not None:
        messages.append({"role": "user", "content": arguments.prompt})
        is_json = getattr(arguments, "json", False)
        text, end = await _answer(answerer, messages, sampling, arguments.max_new_tokens, is_shown=not is_json)
        if is_json:
            print(json.dumps(_as_json(text, end)))
        else:
            _note_recoveries(end)
        return DONE
    note(f"Talking to {answerer.description.name}. An empty line ends the conversation.")
    while True:
        question = await read_line("> ")
        if question is None or not question.strip():
            return DONE
        messages.append({"role": "user", "content": question})
        try:
            text, end = await _answer(answerer, messages, sampling, arguments.max_new_tokens, is_shown=True)
        except MeadowError as error:
            messages.pop()
            note(f"\n{error}. {error.advice}")
            continue
        messages.append({"role": "assistant", "content": text})
        _note_recoveries(end)
        note(f"  {_footer(end)}")


async def _answer(
    answerer: Answerer,
    messages: list[dict[str, str]],
    sampling: Sampling,
    max_new_tokens: int,
    *,
    is_shown: bool,
) -> tuple[str, End]:
    from meadow_client.models.answering import End, Piece, Question

    ids = answerer.chat_ids(messages)
    room = max(1, min(max_new_tokens, answerer.context_length - len(ids)))
    text = ""
    async with aclosing(answerer.answer(Question(ids, room, sampling))) as events:  # type: ignore[type-var]
        async for event in events:
            if isinstance(event, Piece):
                text += event.text
                if is_shown:
                    sys.stdout.write(event.text)
                    sys.stdout.flush()
            elif isinstance(event, End):
                if is_shown:
                    print()
                return text, event
            else:
                note(f"{event}.")
    raise AssertionError("an answer ended without its end")


def _note_recoveries(end: End) -> None:
    """One dim line, if computers were replaced while they answered."""
    text = describe_recoveries(end.recoveries)
    if text:
        note(f"\x1b[2m  {text}\x1b[0m" if sys.stderr.isatty() else f"  {text}")


def describe_recoveries(recoveries: Sequence[Recovery]) -> str:
    """Who left, who took over, and how long that took; empty if nobody was replaced."""
    replaced = [recovery for recovery in recoveries if recovery.lost or recovery.instead]
    return " · ".join(map(_describe_recovery, replaced))


def _describe_recovery(recovery: Recovery) -> str:
    left = f"{_names(recovery.lost)} left" if recovery.lost else ""
    followed = f"{_names(recovery.instead)} took over" if recovery.instead else ""
    return f"{'; '.join(filter(None, [left, followed]))}, {recovery.seconds:.1f} s"


def _names(members: Sequence[Member]) -> str:
    return " and ".join(member.name for member in members)


def _footer(end: End) -> str:
    chain = " → ".join(f"{m.name} ({describe_layers([(m.leg.start, m.leg.end)])})" for m in end.chain)
    return f"{end.tokens_per_second:.1f} tokens/s · {chain}"


def _as_json(text: str, end: End) -> dict[str, object]:
    from meadow_client.gateway.replies import origin, usage

    return {"answer": text, "finish_reason": end.finish_reason, "usage": usage(end), **origin(end)}


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value
