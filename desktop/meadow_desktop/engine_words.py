"""Sentences of the engine, which speaks English, in the chosen language. Pure.

The engine sends whole sentences with values in them. Those that people meet are listed here as they are before the
values are put in: `told` finds the one that fits and puts the values into its translation. Whatever is not listed is
shown as it came. A test compares the list with the engine's sources.
"""

from __future__ import annotations

import re
from functools import cache

from meadow_desktop.language import _, marked

ENGINE_SENTENCES = (
    # What the part is doing that shares.
    marked("Starting"),
    marked("Loading layers of {model}"),
    marked("Giving the memory back"),
    marked("Sharing is switched off"),
    marked("Somebody has ended the part that hosts layers"),
    marked("{what}; pause Meadow if it shall stay away"),
    marked("The part that hosts layers cannot be started ({reason})"),
    marked("The part that hosts layers ended unexpectedly ({how})"),
    marked("Layers {start}:{end} do not fit in the memory of {device}"),
    marked("Not even one layer of {model} fits in the free memory of {device}"),
    marked("Host fewer layers (--layers A:B), or use --quantization int8 or nf4."),
    marked("The device {device} cannot be used on this computer"),
    marked("Use --device cpu, or install the driver and the torch build for this device."),
    # Answers.
    marked("No computer in the swarm holds {layers} of {model} now; waiting up to {seconds} s for one"),
    marked("{computer} is full; this conversation is number {place} in its line, waiting up to {seconds} s"),
    marked("No computer in the swarm holds {layers} of {model} after waiting {seconds} s"),
    marked("No computer in the swarm holds {layers} of {model}"),
    marked("Start an engine that hosts these layers (meadow serve), or try again when more computers are on."),
    marked("The computer {peer} with {layers} stopped answering"),
    marked("Ask again: the swarm finds another way as soon as these layers are there once more."),
    marked("Try again in a moment; another computer may take over."),
    marked("The text has {tokens} tokens, but only {limit} fit"),
    marked("Shorten the conversation or ask for fewer new tokens."),
    marked("Meadow was ended while it answered"),
    marked("Start Meadow again and ask once more."),
    marked("The model {model} is not served here"),
    marked("The swarm holds {model}, but its files are neither on this computer nor on huggingface.co"),
    marked("Write its folder, or its whole name on huggingface.co such as Qwen/Qwen3-8B, into the setting `models`."),
    # Swarms.
    marked("Nobody answers at {address}"),
    marked("Check that the computer at this address runs Meadow and that your network lets you reach it."),
    marked("There is a swarm called {name} already"),
    marked("The swarm is fixed by {by}"),
    marked("The default swarm cannot be left"),
    # Files of models.
    marked("huggingface.co cannot be reached ({why})"),
    marked("huggingface.co cannot be reached"),
    marked("Check the network and try again; what has arrived is kept."),
    marked("The makers of {model} give it only to those who ask for it"),
    marked("huggingface.co holds no model {model} that you may see"),
    marked("Check the name; for a private model log in with `hf auth login`."),
    marked("Free some space there and try again; what has arrived is kept."),
    marked("Try again; what has arrived is kept. The log may say more."),
    marked("{model} is in use now, so its files stay"),
    marked(
        "Pause sharing, or choose another model for it; a model that was chatted with is free once Meadow restarts."
    ),
    # Everything else.
    marked("{path} cannot be written ({reason}); the settings are as before"),
    marked("{name} is fixed by {by}"),
    marked("Check the disk and its permissions."),
    marked("Meadow failed on this computer."),
    marked("The log says more; please report it."),
    marked("The desktop is not installed here, so there is no app to start"),
    marked("the autostart entry {path} starts the app when you log in to the desktop"),
)

# Ranges of layers are values of other sentences.
_VALUES = (
    marked("layers {some} and {last}"),
    marked("layers {layers}"),
    marked("layer {layer}"),
)
_VALUE = r"(?:(?!\. ).)+?"
_EVERYTHING = _VALUES + ENGINE_SENTENCES


def told(text: str) -> str:
    """The engine's text in the chosen language, or as it came where it is not known; texts of ours stay what they are.

    A text of two sentences is told one by one: "Starting. Check the disk and its permissions."
    """
    if not text:
        return ""
    if (translated := _(text)) != text:
        return translated
    known = _tell(text, ENGINE_SENTENCES)
    if known is None and ". " in text:
        first, _mark, rest = text.partition(". ")
        return f"{told(first)}. {told(rest)}"
    return text if known is None else known


def _tell(text: str, among: tuple[str, ...]) -> str | None:
    has_mark = text.endswith(".")
    for sentence in among:
        found = _pattern(sentence.removesuffix(".")).fullmatch(text.removesuffix("."))
        if found is not None:
            values = {name: _tell(value, _EVERYTHING) or value for name, value in found.groupdict().items()}
            telling = _(sentence).format(**values).removesuffix(".")
            return f"{telling}." if has_mark else telling
    return None


@cache
def _pattern(sentence: str) -> re.Pattern[str]:
    """What the sentence is with any values in it; none reaches into the next sentence."""
    parts = re.split(r"\{(\w+)\}", sentence)
    return re.compile(
        "".join(f"(?P<{part}>{_VALUE})" if place % 2 else re.escape(part) for place, part in enumerate(parts))
    )
