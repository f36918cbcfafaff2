"""Stores of conversations as somebody has after years: many of them, and a very long one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from meadow_desktop.chat.conversation import Answer, Conversation, Question, begin_conversation, new_id
from meadow_desktop.chat.keeping.store import ConversationStore

CONVERSATIONS, TURNS = 300, 17  # 10,200 messages
PARAGRAPH = "The café by the river opens at seven; its owner repairs bicycles, too. " * 14  # about 1 kB
NEEDLE = "A needle in the Straße."
LONG_TURNS = 1000
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)

_CODE = "```python\ndef forward(hidden):\n    return [layer(hidden) for layer in span]\n```\n\n"
_TABLE = "| part | where it runs |\n|---|---|\n| embedding | on your computer |\n| layers 0–2 | `volunteer-a` |\n\n"


def fill_store(folder: Path) -> None:
    """300 conversations of 34 messages, and "The last", which ends with `NEEDLE`."""
    store = ConversationStore(folder)
    for number in range(CONVERSATIONS):
        begun = _begin(f"Conversation {number}", number)
        nodes: list[Question | Answer] = []
        for turn in range(TURNS):
            parent = nodes[-1].id if nodes else ""
            nodes.append(Question(id=new_id(), parent=parent, text=f"Question {turn} of {number}? {PARAGRAPH[:300]}"))
            nodes.append(Answer(id=new_id(), parent=nodes[-1].id, text=f"{turn}. {PARAGRAPH}", phase="complete"))
        store.save(replace(begun, nodes=tuple(nodes)))
    last = nodes[-1].model_copy(update={"text": PARAGRAPH + NEEDLE})
    store.save(replace(_begin("The last", CONVERSATIONS), nodes=(*nodes[:-1], last)))
    store.close()


def add_long_conversation(folder: Path) -> None:
    """One of 2,000 messages, the latest of all; its answers have prose, code and tables of several lengths."""
    nodes: list[Question | Answer] = []
    for turn in range(LONG_TURNS):
        parent = nodes[-1].id if nodes else ""
        nodes.append(Question(id=new_id(), parent=parent, text=f"Long question {turn}"))
        text = f"**Answer {turn}.** " + PARAGRAPH[: 200 + turn % 7 * 120] + "\n\n" + (_CODE, _TABLE, "")[turn % 3]
        nodes.append(Answer(id=new_id(), parent=nodes[-1].id, text=text, phase="complete"))
    store = ConversationStore(folder)
    store.save(replace(_begin("A very long one", CONVERSATIONS + 1), nodes=tuple(nodes)))
    store.close()


def _begin(title: str, minute: int) -> Conversation:
    return begin_conversation(title, _BEGAN + timedelta(minutes=minute))
