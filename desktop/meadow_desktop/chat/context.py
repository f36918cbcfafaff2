"""How much of what the model can hold a conversation takes, and what is left out when it takes more. Pure.

Tokens are exact where the gateway counted them, and otherwise estimated: four characters for a token, one for a
character of a script that is written without spaces; corrected by what the last answer's count turned out to be.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from meadow_desktop.chat.conversation import Answer, Conversation, Question, request_messages

_CHARACTERS_PER_TOKEN = 4
_WIDE = re.compile("[\u2e80-\U0010ffff]+")  # where the scripts of East Asia begin, and all beyond
_TOKENS_PER_MESSAGE = 4  # role and separators of chat templates
_MOST_RESERVED = 1024
_SQUEEZE = 0.7


@dataclass(frozen=True)
class ContextUse:
    """Tokens that the next request takes before its answer. `limit_tokens` None: nobody said yet."""

    used_tokens: int
    limit_tokens: int | None
    is_estimate: bool
    left_out: int = 0


@dataclass(frozen=True)
class Fitted:
    """The messages of a request, and how many of the oldest are not among them."""

    messages: list[dict[str, str]]
    left_out: int


def estimate_tokens(text: str) -> int:
    """A guess; what it is off by depends on the model and the language."""
    if text.isascii():
        return -(-len(text) // _CHARACTERS_PER_TOKEN)
    wide = sum(map(len, _WIDE.findall(text)))
    return wide + -(-(len(text) - wide) // _CHARACTERS_PER_TOKEN)


def estimate_request(messages: Sequence[dict[str, str]]) -> int:
    """The same for messages in OpenAI's form."""
    return sum(estimate_tokens(each["content"]) + _TOKENS_PER_MESSAGE for each in messages)


def measure_context(conversation: Conversation | None, unsent: str, limit_tokens: int | None) -> ContextUse:
    """What the shown branch and the text that is not sent yet take."""
    messages = conversation.messages if conversation is not None else ()
    counted = _last_counted(messages)
    new = estimate_tokens(unsent) + _TOKENS_PER_MESSAGE if unsent.strip() else 0
    if counted is None:
        prompt = conversation.settings.system_prompt if conversation is not None else ""
        used = estimate_request(request_messages(messages, prompt)) + new
        return ContextUse(used, limit_tokens, is_estimate=used > 0)
    place, answer = counted
    usage = answer.usage
    known = usage.prompt_tokens + usage.completion_tokens if usage is not None else 0
    later = estimate_request(request_messages(messages[place + 1 :])) + new
    return ContextUse(known + later, limit_tokens, is_estimate=later > 0, left_out=answer.left_out)


def reserve_for_answer(limit_tokens: int, max_tokens: int | None) -> int:
    """Tokens that are kept free for the answer."""
    return min(max_tokens or _MOST_RESERVED, limit_tokens // (2 if max_tokens else 4))


def fit(
    conversation: Conversation, path: Sequence[Question | Answer], limit_tokens: int | None, squeezes: int = 0
) -> Fitted:
    """The request for the answer that follows `path`, without its oldest turns if the conversation allows that.

    The system prompt and the last question are never left out. `squeezes` counts how often the gateway refused this
    request as too long: each makes it smaller by a third.
    """
    settings = conversation.settings
    messages = request_messages(path, settings.system_prompt)
    if not settings.leaves_out_oldest:
        return Fitted(messages, 0)
    per_estimate = _tokens_per_estimate(conversation)
    total = estimate_request(messages) * per_estimate
    if limit_tokens is None:
        budget = total
    else:
        budget = float(limit_tokens - reserve_for_answer(limit_tokens, settings.sampling.max_tokens))
    if squeezes:
        budget = min(budget, total) * _SQUEEZE**squeezes
    return _drop_oldest(messages, total, budget, per_estimate)


def _drop_oldest(messages: list[dict[str, str]], total: float, budget: float, per_estimate: float) -> Fitted:
    head = 1 if messages and messages[0]["role"] == "system" else 0
    first = head
    while total > budget:
        following = next((place for place in range(first + 1, len(messages)) if _is_question(messages[place])), None)
        if following is None:
            break
        total -= estimate_request(messages[first:following]) * per_estimate
        first = following
    return Fitted(messages[:head] + messages[first:], first - head)


def _tokens_per_estimate(conversation: Conversation) -> float:
    """How far the estimate was off the last time, within reason."""
    messages = conversation.messages
    counted = _last_counted(messages)
    if counted is None or counted[1].usage is None:
        return 1.0
    place, answer = counted
    sent = request_messages(messages[:place], conversation.settings.system_prompt)
    head = 1 if sent and sent[0]["role"] == "system" else 0
    estimate = estimate_request(sent[:head] + sent[head + answer.left_out :])
    return max(0.5, min(counted[1].usage.prompt_tokens / max(estimate, 1), 4.0))


def _last_counted(messages: Sequence[Question | Answer]) -> tuple[int, Answer] | None:
    for place in range(len(messages) - 1, -1, -1):
        message = messages[place]
        if isinstance(message, Answer) and message.usage is not None:
            return place, message
    return None


def _is_question(message: dict[str, str]) -> bool:
    return message["role"] == "user"
