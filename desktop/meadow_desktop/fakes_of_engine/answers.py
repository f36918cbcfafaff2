"""What the fake engine answers to chats: canned texts in pieces as /v1 streams them, and mishaps on the way."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from meadow_engine.api.answers import AnswerOrigin, ChainLink, Replacement, Waiting

MODEL = "meadow-demo"
MISHAPS = ("missing", "lost", "refused", "silent", "stalled", "long")
LONG_WORDS = 20_000
_LONG_PIECES = 400

CANNED = (
    """A **swarm** is a group of computers that hold one model together. Each keeps a *span* of layers:

1. your words become hidden states,
2. the states travel from computer to computer,
3. the last one gives the next token.

In Python a chain looks like this:

```python
def run_chain(hidden, servers):
    \"\"\"Send hidden states through every server in turn.\"\"\"
    for server in servers:
        hidden = server.forward(hidden)  # [B, T, D]
    return hidden
```

| part | where it runs |
|---|---|
| embedding | on your computer |
| layers 0–2 | `volunteer-a` |
| layers 3–5 | `volunteer-b` |

> Nobody holds the whole model, and everybody can use it.
""",
    """Gladly, in other words: think of a *bucket brigade*.

```bash
meadow serve meadow-demo --layers 0:3 &
meadow chat meadow-demo --prompt "What is a swarm?"
```

Every computer takes the bucket, does its part and passes it on.
""",
)


def answer(mishap: str, number: int, piece_s: float, prompt_characters: int = 0) -> Iterator[str]:
    """Server-sent events of the answer `number`, counted from 1, one every `piece_s` seconds.

    In every second answer one computer left and another took over.
    """
    text = long_text() if mishap == "long" else CANNED[(number - 1) % len(CANNED)]
    if mishap == "silent":
        time.sleep(3600)
    if mishap == "missing":
        sentence = "No computer holds layers 3–5 of meadow-demo yet; waiting up to 60 s"
        for _ in range(8):
            yield _chunk({}, meadow=Waiting(waiting=sentence).model_dump())
            time.sleep(0.4)
    began = time.monotonic()
    words = _large_pieces(text) if mishap == "long" else text.split(" ")
    for place, word in enumerate(words):
        if mishap == "lost" and place > len(words) // 3:
            error = {
                "message": "The computer volunteer-b with layers 3–5 stopped answering",
                "code": "server-lost",
                "advice": "Ask again: the swarm finds another way.",
            }
            yield f"data: {json.dumps({'error': error})}\n\n"
            return
        if mishap == "stalled" and place > len(words) // 3:
            time.sleep(3600)
        yield _chunk({"content": word if place == 0 or mishap == "long" else " " + word})
        time.sleep(piece_s)
    rate = len(words) / (time.monotonic() - began + 1e-9)
    yield _chunk({}, finish_reason="stop", meadow=_origin(rate, has_recovered=number % 2 == 0).model_dump())
    usage = {"prompt_tokens": prompt_characters // 4 + 8, "completion_tokens": len(text) // 4}
    yield f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n"
    yield "data: [DONE]\n\n"


def long_text() -> str:
    """An answer of at least `LONG_WORDS` words with everything that answers are made of."""
    both = "\n".join(CANNED)
    return "\n".join([both] * (LONG_WORDS // len(both.split()) + 1))


def _large_pieces(text: str) -> list[str]:
    size = len(text) // _LONG_PIECES + 1
    return [text[start : start + size] for start in range(0, len(text), size)]


def _chunk(delta: dict[str, str], finish_reason: str | None = None, **members: Any) -> str:
    chunk = {
        "id": "chatcmpl-fake",
        "object": "chat.completion.chunk",
        "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
        **members,
    }
    return f"data: {json.dumps(chunk)}\n\n"


def _origin(rate: float, *, has_recovered: bool) -> AnswerOrigin:
    chain = [
        ChainLink(peer=f"12D3KooWFake{name.upper()}", name=f"volunteer-{name}", start=start, end=start + 3)
        for name, start in (("a", 0), ("b", 3), ("c", 6))
    ]
    recoveries = (
        [Replacement(lost=["desk-2"], instead=["volunteer-b"], seconds=0.3, is_planned=False)] if has_recovered else []
    )
    return AnswerOrigin(chain=chain, tokens_per_second=rate, first_token_s=0.2, recoveries=recoveries)
