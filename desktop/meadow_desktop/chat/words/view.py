"""What a conversation looks like, in words and switches: the widgets in `windows/` only draw this. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Required, TypedDict, assert_never

from meadow_desktop.chat.conversation import Answer, Conversation, Question
from meadow_desktop.chat.words.origin_words import ChainPart, chain_parts, describe_recoveries
from meadow_desktop.engine_words import told
from meadow_desktop.language import _, in_figures, marked, ngettext
from meadow_desktop.phrases import as_sentence, describe_rate, short_model_name
from meadow_engine.api.answers import AnswerOrigin
from meadow_engine.api.errors import Problem


@dataclass(frozen=True)
class BranchView:
    """Which of several versions of a message is shown: the `place`th, counted from 1."""

    place: int
    count: int

    @property
    def text(self) -> str:
        """For the eyes: "2 / 3"."""
        return f"{self.place} / {self.count}"

    @property
    def spoken(self) -> str:
        """For screen readers."""
        return _("Version {place} of {count}").format(place=self.place, count=self.count)


@dataclass(frozen=True)
class QuestionView:
    """The person's own words. `branch` is None where there is one version only."""

    text: str
    message_id: str = ""
    branch: BranchView | None = None
    can_change: bool = False


@dataclass(frozen=True)
class AnswerView:
    """An answer: its markdown, a line that says what is going on, what went wrong, and where it came from.

    `footer` is one line: how fast, and by which model; `footer_detail` has a line for each computer of `chain`.
    `can_change`: it may be deleted or written once more; `repeat` is the button for the latter, empty for none.
    `needs_model`: nobody can write it before another model is chosen.
    """

    text: str
    is_writing: bool = False
    notice: str = ""
    problem: str = ""
    advice: str = ""
    footer: str = ""
    footer_detail: str = ""
    can_copy: bool = False
    repeat: Literal["", "regenerate", "try-again"] = ""
    needs_model: bool = False
    message_id: str = ""
    branch: BranchView | None = None
    can_change: bool = False
    is_last: bool = False
    chain: tuple[ChainPart, ...] = ()
    recoveries: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


MessageView = QuestionView | AnswerView

# Advice for programs that write requests themselves does not help somebody in front of this window.
_TOO_LONG = marked("The model cannot remember more than this; go on in a new conversation (Ctrl+N).")
_MODEL_GONE = "model_not_found"
_ADVICE_HERE = {
    "context_length_exceeded": _TOO_LONG,
    "context-length-exceeded": _TOO_LONG,
    "layers-missing": marked("Try again when more computers are on, or choose another model."),
    "model-files-missing": marked(
        "Under Settings, write its folder, or its whole name on huggingface.co such as Qwen/Qwen3-8B, into “More "
        "models to chat with”."
    ),
    "model-files-differ": marked(
        "Get the files that the others have, or update them, and write their place into “More models to chat with” "
        "under Settings."
    ),
    _MODEL_GONE: marked("Choose another model for this conversation."),
}


def present_conversation(conversation: Conversation | None) -> list[MessageView]:
    """The messages of a conversation; None is one that has not begun."""
    if conversation is None:
        return []
    last = len(conversation.messages) - 1
    can_change = not conversation.is_busy
    return [
        present_message(message, branch_of(conversation, message), can_change=can_change, is_last=place == last)
        for place, message in enumerate(conversation.messages)
    ]


def present_message(
    message: Question | Answer, branch: BranchView | None, *, can_change: bool, is_last: bool
) -> MessageView:
    """One message in its place. `is_last`: nothing was asked after it."""
    if isinstance(message, Question):
        return QuestionView(message.text, message.id, branch, can_change)
    return present_answer(message, is_last=is_last, branch=branch, can_change=can_change)


def branch_of(conversation: Conversation, message: Question | Answer) -> BranchView | None:
    """Which of its versions a message is; None for the only one."""
    siblings = conversation.children[message.parent]
    if len(siblings) == 1:
        return None
    return BranchView(next(place for place, each in enumerate(siblings, 1) if each.id == message.id), len(siblings))


def present_answer(
    answer: Answer, *, is_last: bool, branch: BranchView | None = None, can_change: bool = False
) -> AnswerView:
    """One answer in words. `is_last`: nothing was asked after it."""
    return AnswerView(
        message_id=answer.id,
        branch=branch,
        can_change=can_change,
        is_last=is_last,
        can_copy=bool(answer.text) and answer.is_final,
        chain=chain_parts(answer.origin),
        recoveries=describe_recoveries(answer.origin),
        remarks=_remarks(answer),
        **_present_phase(answer, is_last=is_last),
    )


class _PhaseView(TypedDict, total=False):
    text: Required[str]
    is_writing: bool
    notice: str
    problem: str
    advice: str
    footer: str
    footer_detail: str
    repeat: Literal["", "regenerate", "try-again"]
    needs_model: bool


def _present_phase(answer: Answer, *, is_last: bool) -> _PhaseView:
    text = answer.text
    match answer.phase:
        case "asking":
            return {"text": text, "is_writing": True, "notice": as_sentence(told(answer.notice) or _("Thinking…"))}
        case "waiting" | "writing":
            return {"text": text, "is_writing": True, "notice": as_sentence(told(answer.notice))}
        case "complete":
            return {
                "text": text or _("*(The answer is empty.)*"),
                "footer": describe_speed(answer),
                "footer_detail": describe_chain(answer.origin),
                "repeat": "regenerate",
            }
        case "stopped":
            return {"text": text, "footer": " · ".join((_("Stopped"), *_model_of(answer))), "repeat": "regenerate"}
        case "failed":
            problem = answer.problem or Problem(code="failed", message=_("The answer failed"))
            advice = _ADVICE_HERE.get(problem.code, problem.advice)
            return {
                "text": text,
                "problem": as_sentence(_what_failed(problem, answer.model)),
                "advice": as_sentence(told(advice)),
                "repeat": "try-again" if is_last else "regenerate",
                "needs_model": is_last and problem.code == _MODEL_GONE,
            }
        case _:
            assert_never(answer.phase)


def _what_failed(problem: Problem, model: str) -> str:
    if problem.code == _MODEL_GONE and model:
        return _("Nobody in the swarm offers the model {model} any more").format(model=short_model_name(model))
    return told(problem.message)


def describe_speed(answer: Answer) -> str:
    """ "24.1 tokens/s · first token 0.2 s · meadow-demo"."""
    parts = (_rate_of(answer.origin), _first_token_of(answer.origin), *_model_of(answer))
    return " · ".join(part for part in parts if part)


def describe_chain(origin: AnswerOrigin | None) -> str:
    """One line for each computer, with its peer id."""
    return "\n".join(f"{part.name}: {part.layers} · {part.peer}" for part in chain_parts(origin))


def _model_of(answer: Answer) -> tuple[str, ...]:
    return (short_model_name(answer.model),) if answer.model else ()


def _rate_of(origin: AnswerOrigin | None) -> str:
    if origin is None or origin.tokens_per_second <= 0:
        return ""
    return _("{rate} tokens/s").format(rate=describe_rate(origin.tokens_per_second))


def _first_token_of(origin: AnswerOrigin | None) -> str:
    if origin is None:
        return ""
    digits = 1 if origin.first_token_s >= 0.1 else 2
    return _("first token {seconds} s").format(seconds=in_figures(f"{origin.first_token_s:.{digits}f}"))


def _remarks(answer: Answer) -> tuple[str, ...]:
    remarks = []
    if answer.left_out:
        remarks.append(
            ngettext(
                "The oldest message had no room and was left out.",
                "The {n} oldest messages had no room and were left out.",
                answer.left_out,
            ).format(n=answer.left_out)
        )
    if answer.is_cut and answer.is_final:
        remarks.append(_("The answer ends here because no more tokens were allowed."))
    return tuple(remarks)
