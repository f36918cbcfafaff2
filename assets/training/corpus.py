"""Read the corpus of the demo model.

Files are Markdown. Text before the first mark is for readers only. Marks stand at the start of a line:

    Q: a question, one line; several in a row are phrasings of the same question.
       {a|b} in a question stands for either; in a conversation, the same {a|b} is the same choice throughout.
       A `~` in a choice becomes a made-up word.
    A: an answer, up to the next mark; several in a row are equally good answers.
       `A: = question` takes over the answers of that question.
    L: `name = a|b|c` makes {name} in the rest of the file the same as {a|b|c}.
    S: a system prompt, which opens a conversation of its own, as a line `---` does.
    U: what the user says in such a conversation. Each A: there answers the U: before it.

`Entry` is a question with its answers, `Conversation` is a list of messages as chat templates take it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from phrasing import Conversation, first_choice

MARK = re.compile(r"^(?:([QASUL]): ?|(---)$)")


@dataclass
class Entry:
    """One thing to know: its phrasings and the answers that are right."""

    questions: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)


@dataclass
class Corpus:
    entries: list[Entry]
    conversations: list[Conversation]
    stories: list[str]


def read_corpus(folder: Path) -> Corpus:
    """Read every .md file of `folder`, in the order of their names."""
    corpus = Corpus([], [], [])
    for file in sorted(folder.glob("*.md")):
        entries, conversations = read_file(file)
        corpus.entries += entries
        corpus.conversations += conversations
        if file.stem == "stories":
            corpus.stories += [answer for entry in entries for answer in entry.answers]
    if not corpus.entries:
        raise SystemExit(f"There is no question in {folder}")
    answers = {first_choice(question): entry.answers for entry in corpus.entries for question in entry.questions}
    for entry in corpus.entries:
        borrowed = [answers[answer[2:]] if answer.startswith("= ") else [answer] for answer in entry.answers]
        entry.answers = list(dict.fromkeys(answer for several in borrowed for answer in several))
    return corpus


def read_file(file: Path) -> tuple[list[Entry], list[Conversation]]:
    entries: list[Entry] = []
    conversations: list[Conversation] = []
    lists: dict[str, str] = {}
    previous = ""
    for mark, text in marked_parts(file.read_text(encoding="utf-8")):
        if mark == "L":
            name, _, choices = text.partition(" = ")
            lists[name] = choices.replace("\n", "|")
            continue
        if mark != "A" or conversations:
            for name, choices in lists.items():
                text = text.replace("{" + name + "}", "{" + choices + "}")
        if mark == "---" or (mark == "S" and previous != "---"):
            conversations.append([])
        if mark == "Q":
            if previous != "Q":
                entries.append(Entry())
            entries[-1].questions.append(text)
        elif mark == "A" and conversations:
            conversations[-1].append({"role": "assistant", "content": text})
        elif mark == "A":
            entries[-1].answers.append(text)
        elif mark in ("U", "S"):
            conversations[-1].append({"role": "user" if mark == "U" else "system", "content": text})
        previous = mark
    for entry in entries:
        if not entry.questions or not entry.answers:
            raise SystemExit(f"{file}: a question without an answer: {entry}")
    return entries, [conversation for conversation in conversations if conversation]


def marked_parts(text: str) -> list[tuple[str, str]]:
    parts: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if match := MARK.match(line):
            parts.append((match[1] or match[2], [line[match.end() :]]))
        elif parts:
            parts[-1][1].append(line)
    return [(mark, "\n".join(lines).strip()) for mark, lines in parts]
