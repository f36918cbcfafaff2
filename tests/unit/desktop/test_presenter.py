"""A conversation that is drawn again and again: the same words as ever, and nothing is put into words twice."""

from __future__ import annotations

from meadow_desktop.chat import tree
from meadow_desktop.chat.conversation import Conversation, begin_conversation
from meadow_desktop.chat.words.presenter import Presenter
from meadow_desktop.chat.words.view import present_conversation


def said(conversation: Conversation, text: str, *, is_whole: bool = True) -> Conversation:
    answer = conversation.pending or conversation.last_answer
    assert answer is not None
    phase = "complete" if is_whole else "writing"
    return tree.replace_answer(conversation, answer.model_copy(update={"text": text, "phase": phase}))


def of_turns(count: int) -> Conversation:
    conversation = begin_conversation("q")
    for number in range(count):
        conversation = said(tree.ask(conversation, f"question {number}"), f"answer {number}")
    return conversation


def test_only_the_answer_that_grows_gets_a_new_view() -> None:
    presenter = Presenter()
    asked = tree.ask(of_turns(3), "more")
    before = presenter.present(said(asked, "One", is_whole=False))
    after = presenter.present(said(asked, "One word", is_whole=False))
    assert [one is other for one, other in zip(before, after, strict=True)] == [True] * 7 + [False]
    assert after[-1].text == "One word"


def test_it_gives_what_would_be_given_without_remembering() -> None:
    presenter = Presenter()
    conversation = of_turns(3)
    first, last = conversation.messages[1], conversation.messages[-1]
    asked = tree.ask(conversation, "more")
    again = said(tree.answer_again(conversation, last.id), "in other words")
    steps = [
        conversation,
        asked,  # nothing can be changed meanwhile, and another answer is the last
        said(asked, "done"),
        again,
        tree.switch(again, again.messages[-1].id, -1),
        tree.remove(again, again.messages[-1].id)[0],  # the only version again
        tree.remove(conversation, first.id)[0],
        None,
        of_turns(2),
    ]
    for step in steps:
        assert presenter.present(step) == present_conversation(step)
