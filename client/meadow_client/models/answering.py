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
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from transformers import AutoTokenizer, StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from meadow_client.errors import ContextExceededError, MeadowError, ModelUnusableError, SessionClosedError, UsageError
from meadow_client.models.auto import AutoDistributedModelForCausalLM
from meadow_client.models.description import ModelDescription
from meadow_client.models.draft import DraftModel
from meadow_client.models.kept_sessions import KeptSessions, Line
from meadow_client.models.lookup import can_forget
from meadow_client.models.sampling import Sampling, processors
from meadow_client.models.shelf import Shelf, common_tokens, is_worth
from meadow_client.models.text import PieceDecoder, StopStrings
from meadow_client.session.chain import Member
from meadow_client.session.swarm_client import SwarmClient, Waiting
from meadow_client.session.upkeep import Recovery

_MAX_ANSWERS = 16
_LONGEST_GUESS = 10  # tokens
# How long the step under way may take to end when the reader is gone, and all sessions to close at the end.
_LAST_STEP_S = 5.0
_CLOSING_S = 2.0


class AnswerCutError(MeadowError):
    code = "ending"
    advice = "Start Meadow again and ask once more."

    def __init__(self) -> None:
        super().__init__("Meadow was ended while it answered")


@dataclass(frozen=True)
class Question:
    """What to continue: token ids, and how. `max_new_tokens` None means as much as the context holds.

    Without `lookup` the next tokens are not guessed from the text; a draft model guesses nevertheless.
    """

    ids: Sequence[int]
    max_new_tokens: int | None = None
    sampling: Sampling | None = None
    stops: Sequence[str] = ()
    lookup: bool = True


@dataclass(frozen=True)
class Piece:
    """Some more text of the answer."""

    text: str


@dataclass(frozen=True)
class End:
    """The answer is complete. Times in seconds since it was asked for.

    `cached_tokens` of the prompt were known from before; `recoveries` are those that this answer went through.
    """

    finish_reason: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int
    chain: list[Member]
    first_token_s: float
    tokens_per_second: float
    cached_tokens: int = 0
    recoveries: list[Recovery] = field(default_factory=list)


AnswerEvent = Piece | Waiting | End


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
        self._runs: dict[asyncio.Future[None], _Run] = {}
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
            raise ModelUnusableError(f"The weights of {description.name} cannot be read") from error
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

        run = _Run(self._model, self._tokenizer, question, room, line, cached, keep, tell, guessing)
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

        def helps(run: _Run) -> bool:
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


class _Run(BaseStreamer):
    """One generation on a worker thread. It is Transformers' streamer, too: `put` hears every token."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        question: Question,
        room: int,
        line: Line,
        cached: int,
        keep: Callable[[Line], None],
        tell: Callable[[AnswerEvent | None], None],
        guessing: dict[str, Any],
    ) -> None:
        """`line` is this run's own until it calls `keep`; its session knows the first `cached` tokens."""
        self.question = question
        self._model = model
        self._room = room
        self._line = line
        self._cached = cached
        self._keep = keep
        self._tell = tell
        self._guessing = guessing
        ends = model.generation_config.eos_token_id
        self._end_tokens = {ends} if isinstance(ends, int) else set(ends or [])
        self._decoder = PieceDecoder(tokenizer)
        self._stops = StopStrings(question.stops)
        self._is_stopped = threading.Event()
        self._lock = threading.Lock()
        self._is_cut = self._has_returned = False
        self._known_recoveries = len(line.session.recoveries)
        self._count = self._first_count = 0
        self._has_ended = False
        self._has_prompt = False
        self._asked = time.perf_counter()
        self._first = self._last = 0.0

    def __call__(self) -> None:
        try:
            end = self._answer()
        except (CancelledError, SessionClosedError):
            if not self._is_stopped.is_set():
                raise AnswerCutError from None
        except MeadowError:
            if not self._is_stopped.is_set():
                raise
        else:
            self._tell(end)
        finally:
            self._tell(None)

    @property
    def is_stopping(self) -> bool:
        """Whether nobody reads on, and the session may be kept soon."""
        return self._is_stopped.is_set() and self._count > 0

    def stop(self) -> bool:
        """From the event loop: nobody reads on. True if the step under way may end first."""
        self._is_stopped.set()
        if self._count == 0:
            self.cut()
        return self._count > 0

    def cut(self) -> None:
        """From another thread: end at once, whatever is under way."""
        with self._lock:
            if not self._has_returned:
                self._is_cut = True
                self._line.session.cancel()

    def put(self, value: torch.Tensor) -> None:
        """The tokens of a step, which go on behind the answer's end if that was guessed, too."""
        if not self._has_prompt:
            self._has_prompt = True
            return
        is_first = self._count == 0
        for token in value.reshape(-1).tolist():
            if self._stops.is_met or self._has_ended or self._count == self._room:
                break
            self._count += 1
            self._has_ended = token in self._end_tokens
            self._say(self._decoder.push(token))
        self._last = time.perf_counter()
        if is_first:
            self._first, self._first_count = self._last, self._count

    def end(self) -> None:
        pass

    def _say(self, text: str) -> None:
        shown = self._stops.push(text)
        if shown:
            self._tell(Piece(shown))

    def _answer(self) -> End:
        """The text is told, and the session kept before its reader hears of the end, and may ask once more."""
        try:
            self._generate()
            self._say(self._decoder.finish())
            held = self._stops.finish()
            if held:
                self._tell(Piece(held))
            end = self._end()
        except BaseException:
            self._line.session.close()
            raise
        with self._lock:
            self._has_returned = True
        if self._is_cut:
            self._line.close()
        else:
            self._keep(self._line)
        return end

    def _generate(self) -> None:
        sampling = self.question.sampling or Sampling()
        ids = torch.tensor([list(self.question.ids)], device=self._model.device)
        self._model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            session=self._line.session,
            streamer=self,
            max_new_tokens=self._room,
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            logits_processor=processors(sampling),
            stopping_criteria=StoppingCriteriaList([_Stopped(self)]),
            **self._guessing,
        )

    def is_over(self) -> bool:
        return self._stops.is_met or self._has_ended or self._is_stopped.is_set()

    def _end(self) -> End:
        is_full = self._count >= self._room and not self._stops.is_met and not self._has_ended
        elapsed = self._last - self._first
        return End(
            finish_reason="length" if is_full else "stop",
            prompt_tokens=len(self.question.ids),
            completion_tokens=self._count,
            chain=self._line.session.members,
            first_token_s=self._first - self._asked if self._count else 0.0,
            tokens_per_second=(self._count - self._first_count) / elapsed if elapsed > 0 else 0.0,
            cached_tokens=self._cached,
            recoveries=self._line.session.recoveries[self._known_recoveries :],
        )


class _Stopped(StoppingCriteria):
    def __init__(self, run: _Run) -> None:
        self._run = run

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **kwargs: Any) -> torch.BoolTensor:
        return torch.full((input_ids.shape[0],), self._run.is_over(), device=input_ids.device)  # type: ignore[return-value]
