"""Conversations that lie on the disk before the desktop starts: what the small bundled model has not learnt to write.

The texts are made up, and so are the computers below them; the file is the one that the desktop writes and reads.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from meadow_desktop.chat.conversation import Answer, Conversation, Question, Usage, begin_conversation, new_id
from meadow_desktop.chat.keeping.store import ConversationStore
from meadow_engine.api.answers import AnswerOrigin, ChainLink, Replacement
from meadow_engine.api.places import find_places

MARKDOWN, BRANCHES, FULL = "How does attention work", "A name for the boat", "The history of the canal"
_OTHERS = (
    "Bread without kneading",
    "Which tree is this?",
    "Letters to the council",
    "Bicycle to Ghent",
    "Rain barrels",
)
_NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)

_ATTENTION = r"""Every token asks all tokens before it what they have to say, and takes a **weighted mean** of it:

$$ A = \mathrm{softmax}\left(\frac{Q K^\top}{\sqrt{d}}\right) V $$

where $Q$ holds the questions, $K$ the keys and $V$ the values. In a few lines:

```python
def attend(queries, keys, values):
    scores = queries @ keys.transpose(-1, -2) / keys.shape[-1] ** 0.5
    return scores.softmax(dim=-1) @ values  # [B, T, D]
```

| part | shape | grows with the text |
|---|---|---|
| `queries` | T × D | no |
| `keys`, `values` | (P + T) × D | yes, it is the *cache* |

> A swarm keeps the cache of each layer on the computer that holds the layer.
"""
_BOAT = (
    "*Heron*, because she waits for hours and then is gone.",
    "What about **Second Wind**? She was a fishing boat before.",
    "*Marigold*. It is painted quickly, and everybody can spell it over the radio.",
)
_CANAL = (
    (
        "Who dug the canal?",
        "Some four hundred people, most of them from the villages along it, between 1772 and 1779. The clay for its "
        "bed came by barge, on the part that was already full.",
    ),
    (
        "And who paid for it?",
        "Two mill owners and the town. The mills had their share back after nine years; the town, which took its toll "
        "in coal, never said when.",
    ),
    (
        "How was it kept full?",
        "By a reservoir in the hills above the ninth lock. In dry summers boats waited below it until there were ten "
        "of them, so that one filling served all.",
    ),
)
_CHAIN = (("anna-desk", 0, 3), ("attic", 3, 6), ("mill-lane", 6, 8))


def keep_conversations(base: Path) -> None:
    """Write them all."""
    store = ConversationStore(find_places(base).conversations)
    for age, title in enumerate(_OTHERS):
        store.save(_talk(title, age + 3, Question(id=new_id(), text=title), "It depends on the weather."))
    store.save(_full())
    store.save(_branched())
    store.save(_talk(MARKDOWN, 0, Question(id=new_id(), text="How does attention work? Please with code."), _ATTENTION))
    store.close()


def _talk(title: str, hours_ago: int, question: Question, text: str) -> Conversation:
    return replace(_begin(title, hours_ago), nodes=(question, _answer(question, text)))


def _branched() -> Conversation:
    """A question in two versions; the second one was answered three times, once in spite of a loss."""
    first = Question(id=new_id(), text="A name for a boat?")
    second = Question(id=new_id(), text="A name for a small green boat that used to fish?")
    lost = Replacement(lost=["lab-2"], instead=["attic"], seconds=0.4)
    answers = [
        _answer(second, _BOAT[0]),
        _answer(second, _BOAT[1], replacements=[lost]),
        _answer(second, _BOAT[2]),
    ]
    chosen = {"": second.id, second.id: answers[1].id}
    nodes = (first, _answer(first, "*Ferdinand*."), second, *answers)
    return replace(_begin(BRANCHES, 1), nodes=nodes, chosen=chosen)


def _full() -> Conversation:
    """The model has room for little more, and the oldest messages were left out."""
    nodes: list[Question | Answer] = []
    for turn, (words, text) in enumerate(_CANAL):
        question = Question(id=new_id(), parent=nodes[-1].id if nodes else "", text=words)
        nodes += [question, _answer(question, text, left_out=2 * turn, used_tokens=1700 + 110 * turn)]
    return replace(_begin(FULL, 2), nodes=tuple(nodes))


def _answer(
    question: Question,
    text: str,
    *,
    left_out: int = 0,
    used_tokens: int = 300,
    replacements: list[Replacement] | None = None,
) -> Answer:
    chain = [ChainLink(peer=f"12D3KooW{name}", name=name, start=start, end=end) for name, start, end in _CHAIN]
    origin = AnswerOrigin(chain=chain, tokens_per_second=24.1, first_token_s=0.42, recoveries=replacements or [])
    return Answer(
        id=new_id(),
        parent=question.id,
        text=text,
        phase="complete",
        origin=origin,
        model="meadow-demo",
        usage=Usage(prompt_tokens=used_tokens - 90, completion_tokens=90),
        left_out=left_out,
    )


def _begin(title: str, hours_ago: int) -> Conversation:
    return begin_conversation(title, _NOW - timedelta(hours=hours_ago))
