"""Answers: run `generate` in a worker thread and give the text out piece by piece on the event loop.

One worker thread for each answer under way; the distributed model is shared, every answer has its own session. When
it is complete, the session is kept for a while (`shelf.py`): the next turn of the conversation goes on in it, and so
does a reader who lost the connection and asks again.

Ending the iteration early (the reader went away) stops the generation within one step. Until then there may be nothing
but a long prompt, which is stopped at once on all servers; an answer that has begun ends its step and is kept.

A step may give several tokens: the next ones are guessed, from the text (`lookup.py`) or by a small draft model on this
computer, and the swarm computes them all in one trip. The text is the same with and without.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from safetensors import SafetensorError
from transformers import AutoTokenizer

from meadow_client.errors import ContextExceededError, ModelUnusableError, UsageError, WeightsUnreadableError
from meadow_client.models.answer_run import AnswerRun
from meadow_client.models.answers import AnswerCutError, AnswerEvent, End, Piece, Question
from meadow_client.models.auto import AutoDistributedModelForCausalLM
from meadow_client.models.description import ModelDescription
from meadow_client.models.draft import DraftModel
from meadow_client.models.kept_sessions import KeptSessions, Line
from meadow_client.models.lookup import can_forget
from meadow_client.models.sampling import Sampling
from meadow_client.models.shelf import Shelf, common_tokens, is_worth
from meadow_client.session.swarm_client import SwarmClient

__all__ = ["AnswerCutError", "AnswerEvent", "Answerer", "End", "Piece", "Question"]

_MAX_ANSWERS = 16
_LONGEST_GUESS = 10  # tokens
# How long the step under way may take to end when the reader is gone, and all sessions to close at the end.
_LAST_STEP_S = 5.0
_CLOSING_S = 2.0


class Answerer:
    """A distributed model with its tokenizer, ready to answer. `close` it on the event loop where it answered."""

    def __init__(
        self,
        description: ModelDescription,
        model: Any,
        tokenizer: Any,
        draft: DraftModel | None = None,
        shelf: Shelf[Line] | None = None,
    ) -> None:
        self.description = description
        self._model = model
        self._tokenizer = tokenizer
        self._draft = draft
        self._can_guess = can_forget(model, description.text_config)
        self._threads = ThreadPoolExecutor(_MAX_ANSWERS, thread_name_prefix="meadow-answer")
        shelf = Shelf(can_forget=self._can_guess) if shelf is None else shelf
        self._kept = KeptSessions(shelf, self._threads)
        self._runs: dict[asyncio.Future[None], AnswerRun] = {}
        self._is_closed = False

    @classmethod
    def load(
        cls, description: ModelDescription, client: SwarmClient, dtype: str = "auto", draft: str | None = None
    ) -> Answerer:
        """Load tokenizer, embeddings and head. Takes a while; call it in a worker thread.

        Args:
            draft: a folder or the name of a small model with the same tokens, which is loaded whole.

        Raises:
            ModelUnusableError: there is no tokenizer, the weights cannot be read, or the draft model does not fit.
        """
        try:
            tokenizer = AutoTokenizer.from_pretrained(description.source)
        except (OSError, ValueError, KeyError) as error:
            raise ModelUnusableError(
                f"{description.name} has no tokenizer, so it cannot chat",
                "Put its tokenizer.json beside its config.json.",
            ) from error
        try:
            model = AutoDistributedModelForCausalLM.connect(description, client, dtype=dtype)
        except (OSError, RuntimeError, ValueError, SafetensorError) as error:
            raise WeightsUnreadableError(description.name) from error
        loaded = None
        if draft is not None:
            loaded = DraftModel.load(draft, description, tokenizer)
            if not can_forget(model, description.text_config):
                raise ModelUnusableError(
                    f"{description.name} cannot take a draft model, because its layers cannot forget a wrong guess",
                    "Leave --draft out.",
                )
        return cls(description, model, tokenizer, loaded)

    @property
    def context_length(self) -> int:
        return self.description.context_length

    @property
    def is_answering(self) -> bool:
        """Whether an answer is being computed."""
        return bool(self._runs)

    def chat_ids(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """Token ids of a conversation whose next turn is the assistant's."""
        if getattr(self._tokenizer, "chat_template", None):
            try:
                encoded = self._tokenizer.apply_chat_template(
                    list(messages), add_generation_prompt=True, tokenize=True, return_dict=True
                )
            except Exception as error:
                raise UsageError(f"The model's chat template refuses this conversation: {error}") from error
            return [int(token) for token in encoded["input_ids"]]
        turns = [f"{message['role'].capitalize()}: {message['content']}" for message in messages]
        return self.text_ids("\n".join([*turns, "Assistant:"]))

    def text_ids(self, text: str) -> list[int]:
        return [int(token) for token in self._tokenizer(text)["input_ids"]]

    def default_sampling(self) -> Sampling:
        """What the model's own generation config asks for."""
        config = self._model.generation_config
        if not getattr(config, "do_sample", False):
            return Sampling()
        return Sampling(float(config.temperature or 1.0), float(config.top_p or 1.0))

    async def answer(self, question: Question) -> AsyncIterator[AnswerEvent]:
        """Pieces of text as they come, then one `End`; `Waiting` while layers are missing.

        Raises:
            ContextExceededError: the question and the answer do not fit in the context.
            MeadowError: the swarm failed; what came before stands.
        """
        room = self._room(question)
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[AnswerEvent | None] = asyncio.Queue()

        def tell(event: AnswerEvent | None) -> None:
            loop.call_soon_threadsafe(events.put_nowait, event)

        await self._until_others_stopped(question.ids)
        if self._is_closed:
            raise AnswerCutError
        line, cached = self._kept.take(question.ids) or (Line(self._model, self.context_length), 0)
        line.tell = tell
        guessing = self._guessing(question, room)

        def keep(line: Line) -> None:
            self._kept.keep(line, loop)

        run = AnswerRun(self._model, self._tokenizer, question, room, line, cached, keep, tell, guessing)
        future = loop.run_in_executor(self._threads, run)
        self._runs[future] = run
        future.add_done_callback(self._runs.pop)
        try:
            while (event := await events.get()) is not None:
                yield event
            await future
        finally:
            if run.stop() and not future.done():
                hard = loop.call_later(_LAST_STEP_S, run.cut)
                future.add_done_callback(lambda _done: hard.cancel())

    async def aclose(self) -> None:
        """As `close`, and wait for a moment until the servers know."""
        closings = [asyncio.wrap_future(closing) for closing in self.close()]
        if closings:
            await asyncio.wait(closings, timeout=_CLOSING_S)

    def close(self) -> list[Future[None]]:
        """Stop all answers and let go of all sessions; gives what remains to be waited for."""
        self._is_closed = True
        for run in list(self._runs.values()):
            run.cut()
        closings = self._kept.close()
        self._threads.shutdown(wait=False)
        return closings

    async def _until_others_stopped(self, ids: Sequence[int]) -> None:
        """Whoever lost the connection may ask again before the answer that nobody reads any more has ended its step."""

        def helps(run: AnswerRun) -> bool:
            known = list(run.question.ids)
            return run.is_stopping and is_worth(common_tokens(known, list(ids)), len(known), len(ids))

        ending = [future for future, run in self._runs.items() if helps(run)]
        if ending:
            await asyncio.wait(ending, timeout=_LAST_STEP_S)

    def _guessing(self, question: Question, room: int) -> dict[str, Any]:
        """Options of `generate` that say how the next tokens are guessed."""
        if not self._can_guess:
            return {}
        if self._draft is not None and len(question.ids) + room <= self._draft.context_length:
            return {"assistant_model": self._draft.model}
        return {"prompt_lookup_num_tokens": _LONGEST_GUESS} if question.lookup else {}

    def _room(self, question: Question) -> int:
        left = self.context_length - len(question.ids)
        wanted = question.max_new_tokens
        if left < 1 or (wanted is not None and wanted > left):
            raise ContextExceededError(len(question.ids) + (wanted or 1), self.context_length)
        return left if wanted is None else wanted
