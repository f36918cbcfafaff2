"""What a line of markdown begins, ends or goes on with; as much of GitHub's dialect as cutting needs. Pure."""

from __future__ import annotations

import re

_OPENING = re.compile(r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>.*)$")
_ITEM = re.compile(r"^[ \t]*(?:[-*+]|\d{1,9}[.)])(?:[ \t]+|$)")
_RULE = re.compile(r"^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$")
_HEADING = re.compile(r"^ {0,3}#{1,6}(?:[ \t]|$)")
_BELOW_HEAD = re.compile(r"^[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_DEFINITION = re.compile(r"^ {0,3}\[(?P<label>[^\[\]^]{1,200})\]:[ \t]*\S+.*$")
_LABEL = re.compile(r"\[([^\[\]]{1,200})\]")
_SENTENCE_END = re.compile(r"[.!?…]['\"”’)]*[ \t]+|[。！？]")
_PAIRED = ("**", "`", "$", "__")


def find_opening(line: str, content_indent: int) -> re.Match[str] | None:
    """A fence's first line, in a list item whose words begin at this column: groups `indent`, `fence` and `info`."""
    found = _OPENING.match(line)
    if found is None or (found["fence"][0] == "`" and "`" in found["info"]):
        return None
    return found if len(found["indent"].expandtabs(4)) <= 3 + content_indent else None


def closes_fence(line: str, fence: str, indent: int) -> bool:
    """The line ends a fence that began with these characters at this column."""
    stripped = line.strip()
    return len(stripped) >= len(fence) and set(stripped) == {fence[0]} and indent_of(line) <= indent + 3


def find_item(line: str) -> re.Match[str] | None:
    """The bullet or number of a list item, with the space behind it."""
    return None if _RULE.match(line) else _ITEM.match(line)


def is_heading(line: str) -> bool:
    """A heading that begins with #."""
    return _HEADING.match(line) is not None


def is_below_head(line: str, head: str) -> bool:
    """The line of dashes that makes the line before it the head of a table."""
    return "|" in line and "|" in head and not head.lstrip().startswith(">") and _BELOW_HEAD.match(line) is not None


def find_definition(line: str) -> str:
    """The label (case folded) of "[label]: address", or nothing."""
    found = _DEFINITION.match(line)
    return found["label"].casefold() if found is not None else ""


def find_labels(text: str) -> list[str]:
    """All labels (case folded) that a text may look up, each once."""
    return list(dict.fromkeys(label.casefold() for label in _LABEL.findall(text)))


def indent_of(line: str) -> int:
    """How many spaces and tabs it begins with."""
    return len(line) - len(line.lstrip(" \t"))


def sentence_end(line: str, limit: int) -> int:
    """Where to cut a line that is longer than `limit`: behind a sentence outside of emphasis, a word, or anywhere."""
    head = line[:limit]
    least = limit // 4
    for found in reversed(list(_SENTENCE_END.finditer(head, least))):
        before = head[: found.end()]
        if all(before.count(mark) % 2 == 0 for mark in _PAIRED) and before.count("[") == before.count("]"):
            return found.end()
    space = head.rfind(" ", least)
    return space + 1 if space > 0 else limit
