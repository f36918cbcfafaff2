"""Pictures of the chat: empty, writing, answered, answered although a computer left, and without some layers."""

from __future__ import annotations

from gui.pictures.neighbourhood import Neighbourhood
from gui.pictures.studio import Studio

QUESTIONS = ("What is Meadow?", "Why do leaves fall in autumn?", "What is a swarm of computers?")
LONG_QUESTION = "Tell me all about swarms"
ANSWER_S = 180.0
LOST = "lab-2"


def take_empty(studio: Studio) -> None:
    """Before the first question."""
    studio.desktop.wait_for_control("composer-text")
    studio.put_pointer_away()
    studio.take("chat-empty")


def take_answers(studio: Studio, neighbourhood: Neighbourhood) -> None:
    """An answer while it is being written, and one that is whole; with two conversations from before."""
    for question in QUESTIONS[:-1]:
        ask(studio, question)
        studio.display.press("ctrl+n")
    mark = studio.desktop.place
    studio.desktop.ask(QUESTIONS[-1])
    studio.desktop.wait_for_answer("writing", timeout_s=60, since=mark, least=30)
    # The model is small and its answers are over before a picture is taken: hold a computer, but not so long that it
    # is missed.
    neighbourhood.hold(LOST)
    studio.take_now("chat-streaming")
    neighbourhood.let_go(LOST)
    studio.desktop.wait_for_answer("complete", timeout_s=ANSWER_S, since=mark)
    studio.put_pointer_away()
    studio.take("chat-answer")


def take_replaced(studio: Studio, neighbourhood: Neighbourhood) -> None:
    """A computer is switched off in mid-answer, and the other one with its layers takes over."""
    studio.desktop.click("go-chat")
    for _attempt in range(5):
        studio.display.press("ctrl+n")
        mark = studio.desktop.place
        studio.desktop.ask(LONG_QUESTION)
        studio.desktop.wait_for_answer("writing", timeout_s=60, since=mark, least=20)
        neighbourhood.switch_off(LOST)
        if studio.desktop.wait_for_answer("complete", timeout_s=ANSWER_S, since=mark)["recoveries"]:
            break
        neighbourhood.switch_on(LOST)
    studio.put_pointer_away()
    studio.take("chat-replaced")


def take_missing_layers(studio: Studio, neighbourhood: Neighbourhood) -> None:
    """A question while the computer that holds the last layers is off."""
    neighbourhood.switch_off("mill-lane")
    studio.desktop.click("go-chat")
    studio.display.press("ctrl+n")
    mark = studio.desktop.place
    studio.desktop.ask(QUESTIONS[0])
    studio.desktop.wait_for(
        "answer", lambda event: event["phase"] in {"waiting", "failed"}, timeout_s=60, since=mark
    )  # fmt: skip
    studio.put_pointer_away()
    studio.take("chat-no-server")


def ask(studio: Studio, question: str) -> None:
    """A question, and the whole answer."""
    mark = studio.desktop.place
    studio.desktop.ask(question)
    studio.desktop.wait_for_answer("complete", timeout_s=ANSWER_S, since=mark)
