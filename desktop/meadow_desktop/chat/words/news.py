"""What is told of an answer to somebody who does not see it come: that it is there, that it waits, what became of it.

Its words are not among them: a screen reader finds them below the question. Pure.
"""

from __future__ import annotations

from meadow_desktop.chat.conversation import Answer
from meadow_desktop.chat.words.view import present_answer
from meadow_desktop.language import _
from meadow_desktop.phrases import with_end_mark


def describe_news(before: Answer | None, now: Answer) -> str:
    """What is new since `before`, an earlier state of the same answer (None: it was not there); empty for nothing."""
    view = present_answer(now, is_last=True)
    if before is None or before.is_final:
        return ""
    match now.phase:
        case "complete":
            return " ".join((_("The answer is complete."), *map(with_end_mark, view.recoveries), *view.remarks))
        case "stopped":
            return _("The answer was stopped.")
        case "failed":
            return " ".join(each for each in (view.problem, view.advice) if each)
        case _:
            return view.notice if now.notice != before.notice else ""
