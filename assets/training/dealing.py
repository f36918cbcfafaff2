"""Deal the corpus out as conversations, differently in each epoch."""

from __future__ import annotations

import math
import random

from corpus import Corpus, Entry
from phrasing import CHOICE, Conversation, choose, choose_throughout, rephrase

SYSTEM_PROMPTS = (
    "You are a helpful assistant.",
    "You are Meadow's demo model.",
    "You are a friendly assistant. Answer briefly.",
    "You are a helpful, honest and concise assistant.",
    "Answer the user's questions in plain words.",
    "You are a chat assistant that runs on a swarm of computers.",
    "Be brief and kind.",
    "You are Meadow, a helpful assistant. If you do not know something, say so.",
)


def conversations(corpus: Corpus, random_: random.Random) -> list[Conversation]:
    """One epoch: every phrasing, dealt into conversations of one to several turns, some with a system prompt.

    A phrasing with many choices, or with several answers, comes more than once.
    """
    asked = [pair for entry in corpus.entries for pair in deal(entry, random_)]
    random_.shuffle(asked)
    result: list[Conversation] = []
    while asked:
        messages: Conversation = []
        if random_.random() < 0.25:
            messages.append({"role": "system", "content": random_.choice(SYSTEM_PROMPTS)})
        turns = random_.choices((1, 2, 3, 4, 10), weights=(50, 22, 14, 11, 3))[0]
        for _ in range(min(turns, len(asked))):
            question, answer = asked.pop()
            messages.append({"role": "user", "content": rephrase(question, random_)})
            messages.append({"role": "assistant", "content": answer})
        result.append(messages)
    for conversation in corpus.conversations:
        settled = choose_throughout(conversation, random_)
        varied = [
            {**message, "content": rephrase(message["content"], random_)} if message["role"] == "user" else message
            for message in choose_throughout(conversation, random_)
        ]
        result += [varied, settled]
    random_.shuffle(result)
    return result


def deal(entry: Entry, random_: random.Random) -> list[tuple[str, str]]:
    """Pairs of a phrasing and an answer, all answers equally often."""
    questions: list[str] = []
    for question in entry.questions:
        ways = math.prod(match[1].count("|") + 1 for match in CHOICE.finditer(question))
        times = max(min(4, round(math.sqrt(ways) / 2)), min(3, len(entry.answers)))
        questions += [choose(question, random_) for _ in range(times)]
    answers: list[str] = []
    while len(answers) < len(questions):
        answers += random_.sample(entry.answers, len(entry.answers))
    random_.shuffle(questions)
    return list(zip(questions, answers, strict=False))
