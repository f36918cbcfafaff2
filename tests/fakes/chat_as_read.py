"""The chat as a screen reader tells it: what stands in the window, and never what lies behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fakes.screen_reader import ScreenReader, Spoken

_TEXTS = {"Answer", "Code"}


class ChatAsRead:
    """What is to be read in the chat now."""

    def __init__(self, reader: ScreenReader) -> None:
        self.reader = reader

    @property
    def questions(self) -> list[str]:
        """Those in sight, from above to below."""
        return [each.text for each in self.reader.named("Your question", role="label")]

    @property
    def answers(self) -> str:
        """The words of all answers in sight."""
        return "\n".join(each.text for each in self.reader.look() if each.name in _TEXTS or _is_code(each))

    @property
    def draft(self) -> str:
        """What is written where the next question is typed."""
        (field,) = self.reader.named("Your question", role="text")
        return field.text

    @property
    def titles(self) -> list[str]:
        """The conversations in the list, or those found."""
        return [each.name for each in self.reader.look() if each.role == "list item"]

    @property
    def chain(self) -> str:
        """Who computed the last answer in sight."""
        return [each.name for each in self.reader.look() if each.name.startswith("Answered by ")][-1]

    def wait_for(self, *words: str, timeout_s: float = 10.0) -> None:
        """Until all of these are to be read somewhere."""
        for each in words:
            self.reader.wait_for(each, timeout_s)

    def wait_for_questions(self, *questions: str) -> None:
        """Until just these stand in the window."""
        self._wait(lambda: self.questions == list(questions), f"the questions {questions}")

    def wait_for_answers(self, words: str) -> None:
        """Until just this was answered."""
        self._wait(lambda: self.answers == words, f"the answer {words!r}")

    def wait_for_titles(self, is_so: Callable[[Sequence[str]], bool]) -> None:
        """Until this is true of the list."""
        self._wait(lambda: is_so(self.titles), "the list of conversations")

    def wait_for_window(self, title: str) -> None:
        """Until a window of this title is there."""
        self.reader.wait_until(lambda said: any(each.name.startswith(title) for each in said), what=title)

    def _wait(self, is_so: Callable[[], bool], what: str) -> None:
        self.reader.wait_until(lambda _said: is_so(), what=what)


def _is_code(spoken: Spoken) -> bool:
    return spoken.name.startswith("Code in ")
