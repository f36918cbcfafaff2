"""The manual of sharing, `docs/sharing.md`, made from the reasons and the default rules.

`python -m meadow_engine.policy.table` prints it; with a file's name it is written there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import assert_never

from .reasons import REASON_KINDS, Leaving, rule_words
from .rules import Rules

_BEFORE = """\
# When Meadow shares your computer

<!-- Made by `python -m meadow_engine.policy.table docs/sharing.md`: edit engine/meadow_engine/policy/ instead. -->

Your computer is yours first. Meadow lends it out while you do not need it, and gives it back by itself. While it does
not share, it says why, and from when on it may share again, where that can be known. Pausing costs you nothing.

With the default settings it shares when all of this is true:

- you have agreed to share,
- you have not touched the computer for {idle},
- no other program uses the graphics card, needs its memory, or fills the screen,
- no program of your list runs,
- the computer is plugged in, and not too hot,
- the network is not metered, and there is room on the disk.

When you come back, or another program needs the graphics card, Meadow lets go at once: it stops within two seconds, and
frees the card's memory. The conversations it was helping move to other computers.

## Why it does not share

Several reasons may hold at the same time. The one that comes first in this table is shown, and the others below it.
"""

_AFTER = """
- **Stops at once**: the device's memory is freed, and conversations move on or recover elsewhere.
- **Finishes first**: no new conversation is taken, and those that are there are handed over. After {drain}
  the rest is left to recover.
- **Does not begin**: what is shared already goes on.

## Coming back

After a use of the computer, sharing waits until it has been quiet for {quiet}. For your keyboard and mouse the
{idle} without a touch are enough. Sharing that such a use ends within {flap} was too short to help anybody. After
{flaps} of those in a row the quiet that is needed doubles with each, up to {longest_quiet}. An hour without one
forgets them all.

Sharing begins {loads} times an hour at most, because every beginning loads a part of a model. `meadow resume` does
without both waits, once; the start it leads to is counted too.

## Your word

| you say | what happens |
|---|---|
| `meadow pause 30m`, `1h`, `4h` | Stops at once, and shares nothing before the time is over, whatever else is true. |
| `meadow pause restart` | The same, until Meadow is started again. |
| `meadow pause` | The same, until you resume. |
| `meadow drain` | Finishes first, then shares nothing until you resume. |
| `meadow resume` | Ends a pause, and shares as soon as nothing else speaks against it. |
| share anyway for 1 hour | One reason of the table does not count for an hour. All the others do. |

The menu of the app's icon has all of these but draining.

Some reasons are your own decision and cannot be left out like that: {decisions}.
A pause also takes back every “share anyway”.

There are three modes. **When idle** is the default. **Always** does not ask whether you are there, and asks everything
else: choose it for a computer that nobody sits at. **Never** shares nothing.

**Your own chat** always comes first. While its answer is being written, sharing does not begin. If the computer is
sharing already, it goes on, because your answer may need the layers it holds; but the steps of your chat go before
those of others.

## How much it lends

Of the memory that is free when sharing begins, Meadow lends at most {lent}, and always leaves {kept} free. When other
programs need so much that less than {kept} is left, it lets go of all it has.

On a computer with several graphics cards, only those count that are lent. A game on the other card is still seen by
its full screen, or by its name on your list.

## What cannot be seen

Not every system tells everything. Meadow takes what it is not told as follows:

- **When the computer was last used**: you are there. Only a screen that has been locked for {idle} means that you
  have gone.
- **Power**: plugged in. **Network**: not metered. **Full screen**: no.
- **Graphics card, processor, memory, disk, temperature**: nothing that speaks against sharing.
- **A graphics card that was seen and is no longer reported**: needed by somebody else.
- **A graphics card that sleeps** is not woken up to be asked. Nobody is using it.

## Changing it

The times and limits above are the defaults. Change them on the app's *Settings* page or in `settings.toml`, also while
Meadow runs; `docs/settings.md` lists their names.
"""


def document(rules: Rules) -> str:
    """The whole of `docs/sharing.md`, for the thresholds of `rules`."""
    words = rule_words(rules)
    decisions = ", ".join(f"`{kind.code}`" for kind in REASON_KINDS if not kind.can_share_anyway)
    after = _AFTER.format(decisions=decisions, **words)
    return "\n".join([_BEFORE.format(**words), *_rows(words), after])


def _rows(words: dict[str, str]) -> Iterator[str]:
    yield "| reason | what is seen | what happens | when it ends |"
    yield "|---|---|---|---|"
    for kind in REASON_KINDS:
        cells = (f"`{kind.code}`", kind.seen.format(**words), _effect(kind.leaving), kind.end.format(**words))
        yield f"| {' | '.join(cells)} |"


def _effect(leaving: Leaving) -> str:
    match leaving:
        case "yield":
            return "stops at once"
        case "drain":
            return "finishes first"
        case "wait":
            return "does not begin"
        case _:
            assert_never(leaving)


def main(arguments: Sequence[str]) -> None:
    """Write the manual to the file that is named, or to the standard output."""
    text = document(Rules())
    if arguments:
        Path(arguments[0]).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
