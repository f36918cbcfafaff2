"""Settle the choices in a question, and ask it in other words, as people would.

All randomness comes from the `random.Random` that is passed in.
"""

from __future__ import annotations

import random
import re

Conversation = list[dict[str, str]]

CHOICE = re.compile(r"\{([^{}\n]*\|[^{}\n]*)\}")

# A question that begins like the left side may also be asked like the right side.
REPHRASINGS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), forms)
    for pattern, forms in (
        (
            r"^what is (?P<x>.+?)[?.]?$",
            (
                "What's {x}?",
                "Whats {x}",
                "Tell me what {x} is.",
                "Explain {x}.",
                "Can you explain {x}?",
                "Tell me about {x}.",
                "I want to know what {x} is.",
                "What exactly is {x}?",
                "{x}?",
                "Could you tell me what {x} is?",
                "Do you know what {x} is?",
                "Please explain what {x} is.",
                "Explain to me what {x} is.",
                "Give me a definition of {x}.",
                "How would you describe {x}?",
                "What does {x} mean?",
                "I have heard of {x}. What is it?",
                "{x}, what is it?",
                "Describe {x}.",
                "I do not understand {x}.",
                "What is the meaning of {x}?",
                "Is there something called {x}?",
                "Help me understand {x}.",
                "Say something about {x}.",
                "What is meant by {x}?",
                "{x}",
                "What can you tell me about {x}?",
                "I do not know what {x} is.",
            ),
        ),
        (
            r"^what are (?P<x>.+?)[?.]?$",
            (
                "Tell me what {x} are.",
                "Explain {x}.",
                "Can you explain {x}?",
                "Tell me about {x}.",
                "What exactly are {x}?",
                "{x}?",
                "{x}",
                "Describe {x}.",
                "What is meant by {x}?",
                "I have heard of {x}. What are they?",
                "I do not understand {x}.",
                "Help me understand {x}.",
                "Could you tell me what {x} are?",
                "Do you know what {x} are?",
                "What can you tell me about {x}?",
            ),
        ),
        (
            r"^how (?:does|do) (?P<x>.+?) work[?.]?$",
            (
                "Explain how {x} works.",
                "Tell me how {x} works.",
                "Can you explain how {x} works?",
                "How exactly does {x} work?",
                "I want to understand how {x} works.",
                "How do {x} work",
            ),
        ),
        (
            r"^how (?:do|can) (?:i|you|we) (?P<x>.+?)[?.]?$",
            (
                "How can I {x}?",
                "How to {x}?",
                "How do you {x}?",
                "Show me how to {x}.",
                "How would I {x}?",
                "Tell me how to {x}.",
                "I want to {x}. How?",
                "What is the best way to {x}?",
            ),
        ),
        (
            r"^(?P<y>why|how|when|where|who|which) (?P<x>.+?)[?.]?$",
            (
                "Tell me: {y} {x}?",
                "Can you tell me {y} {x}?",
                "I wonder {y} {x}.",
                "Do you know {y} {x}?",
                "{y} exactly {x}?",
                "Please tell me {y} {x}.",
            ),
        ),
        (
            r"^tell me a story about (?P<x>.+?)[?.]?$",
            (
                "Write a story about {x}.",
                "Can you tell me a story about {x}?",
                "A story about {x}, please.",
                "I would like a story about {x}.",
                "Story about {x}",
                "Write me a short story about {x}.",
                "Tell a story of {x}.",
                "Do you know a story about {x}?",
                "Make up a story about {x}.",
                "Tell me a short story with {x} in it.",
                "I want to hear a story about {x}.",
            ),
        ),
        (
            r"^write (?P<x>(?:a|an|some) .+?)[?.]?$",
            (
                "Can you write {x}?",
                "Write me {x}.",
                "Please write {x}.",
                "I would like {x}.",
                "Give me {x}.",
                "Could you write {x} for me?",
                "{x}, please.",
            ),
        ),
        (
            r"^show me (?P<x>.+?)[?.]?$",
            (
                "Can you show me {x}?",
                "Give me {x}.",
                "I need {x}.",
                "Write {x}.",
                "Please show {x}.",
                "I would like to see {x}.",
                "{x}, please.",
            ),
        ),
    )
)

OPENINGS = (
    "Please tell me: ",
    "Hey, ",
    "Just wondering: ",
    "Something else: ",
    "I would like to know: ",
    "By the way, ",
    "Another question: ",
    "Thanks. ",
    "Interesting. ",
    "Ah, I see. ",
    "Now tell me: ",
    "Let me ask: ",
    "Hi! ",
    "Hello, ",
    "Hi, ",
    "Ok, ",
    "So, ",
    "Quick question: ",
    "Tell me, ",
    "I have a question. ",
    "One question: ",
    "Excuse me, ",
    "Well, ",
    "And ",
    "Now, ",
    "Hmm, ",
    "Please: ",
)
SMALL_WORDS = frozenset(
    (
        "a",
        "an",
        "the",
        "is",
        "are",
        "do",
        "does",
        "to",
        "of",
        "in",
        "on",
        "for",
        "can",
        "could",
        "you",
        "i",
        "me",
        "my",
        "it",
        "that",
        "please",
        "and",
    )
)
CLOSINGS = (
    " Please.",
    " Thanks!",
    " Thank you.",
    " I am curious.",
    " Please explain.",
    " In simple words, please.",
    " I would like to know.",
    " Keep it short.",
)

# Sounds of made-up words; an empty one means that the syllable ends with its vowel.
ONSETS = ["b", "br", "ch", "d", "f", "fl", "g", "gr", "k", "l", "m", "n", "p", "qu", "r", "s", "st", "t", "v", "z"]
VOWELS = ["a", "e", "i", "o", "u", "ai", "ee", "ou", "y"]
ENDINGS = ["", "", "", "l", "n", "r", "s", "t", "x", "ck", "mp", "nd", "ng", "rt"]


def choose(text: str, random_: random.Random) -> str:
    """Settle each {a|b}."""
    return CHOICE.sub(lambda match: random_choice(match, random_), text)


def random_choice(match: re.Match[str], random_: random.Random) -> str:
    return re.sub("~", lambda _: made_up_word(random_), random_.choice(match[1].split("|")))


def made_up_word(random_: random.Random) -> str:
    syllables = (
        random_.choice(ONSETS) + random_.choice(VOWELS) + random_.choice(ENDINGS)
        for _ in range(random_.choice((1, 2, 2, 2, 3, 3, 4)))
    )
    word = "".join(syllables)
    return word.capitalize() if random_.random() < 0.25 else word


def first_choice(text: str) -> str:
    """Settle each {a|b} with its first choice; one that is a made-up word only if there is no other."""
    return CHOICE.sub(lambda match: min(match[1].split("|"), key=lambda choice: "~" in choice), text)


def choose_throughout(conversation: Conversation, random_: random.Random) -> Conversation:
    """Settle each {a|b}, the same one always in the same way."""
    chosen: dict[str, str] = {}

    def settle(match: re.Match[str]) -> str:
        return chosen.setdefault(match[1], random_choice(match, random_))

    return [{**message, "content": CHOICE.sub(settle, message["content"])} for message in conversation]


def rephrase(question: str, random_: random.Random) -> str:
    """Ask the same in other words, as people do: fillers, other verbs, case, punctuation, slips of the finger."""
    for pattern, forms in REPHRASINGS:
        if (match := pattern.match(question)) and random_.random() < 0.4:
            parts = match.groupdict()
            if "y" in parts:
                parts["y"] = parts["y"].lower()
            question = random_.choice(forms).format(**parts)
            question = question[0].upper() + question[1:]
            break
    if random_.random() < 0.12:
        opening = random_.choice(OPENINGS)
        question = opening + (question[0].lower() + question[1:] if opening[-2] != "." else question)
    if random_.random() < 0.08:
        question += random_.choice(CLOSINGS)
    words = question.split(" ")
    if len(words) > 3 and random_.random() < 0.05:
        words = [word for word in words if word.lower() not in SMALL_WORDS] or words
        question = " ".join(words)
    elif len(words) > 4 and random_.random() < 0.06:
        del words[random_.randrange(len(words) - 1)]
        question = " ".join(words)
    if len(question) > 8 and random_.random() < 0.06:
        at = random_.randrange(1, len(question) - 2)
        slips = (
            question[:at] + question[at + 1 :],
            question[:at] + question[at + 1] + question[at] + question[at + 2 :],
            question[:at] + question[at] + question[at:],
        )
        question = random_.choice(slips)
    manner = random_.random()
    if manner < 0.2:
        question = question.lower()
    elif manner < 0.22:
        question = question.upper()
    if random_.random() < 0.25:
        question = question.rstrip("?.! ") or question
    elif random_.random() < 0.06:
        question = question.rstrip("?.!") + random_.choice(("??", "!", "...", " ?", "?!"))
    return question
