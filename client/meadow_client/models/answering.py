"""Answers: run `generate` in a worker thread and give the text out piece by piece on the event loop.

One worker thread for each answer under way; the distributed model is shared, every answer has its own session.
Ending the iteration early (the reader went away) stops the generation within one step.

A step may give several tokens: the next ones are guessed, from the text (`lookup.py`) or by a small draft model on this
computer, and the swarm computes them all in one trip. The text is the same with and without.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from transformers import AutoTokenizer, StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from meadow_client.errors import ContextExceededError, MeadowError, ModelUnusableError, SessionClosedError, UsageError
from meadow_client.models.auto import AutoDistributedModelForCausalLM
from meadow_client.models.description import ModelDescription
from meadow_client.models.draft import DraftModel
from meadow_client.models.lookup import can_forget
from meadow_client.models.sampling import Sampling, processors
from meadow_client.models.text import PieceDecoder, StopStrings
from meadow_client.session.chain import Member
from meadow_client.session.inference import InferenceSession
from meadow_client.session.swarm_client import SwarmClient, Waiting

_MAX_ANSWERS = 16
_LONGEST_GUESS = 10  # tokens


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
    """The answer is complete. Times in seconds since it was asked for."""

    finish_reason: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int
    chain: list[Member]
    first_token_s: float
    tokens_per_second: float


AnswerEvent = Piece | Waiting | End


class Answerer:
    """A distributed model with its tokenizer, ready to answer."""

    def __init__(
        self, description: ModelDescription, model: Any, tokenizer: Any, draft: DraftModel | None = None
    ) -> None:
        self.description = description
        self._model = model
        self._tokenizer = tokenizer
        self._draft = draft
        self._can_guess = can_forget(model, description.text_config)
        self._threads = ThreadPoolExecutor(_MAX_ANSWERS, thread_name_prefix="meadow-answer")
        self._sessions: set[InferenceSession] = set()

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

        session = self._model.remote.inference_session(len(question.ids) + room, on_waiting=tell)
        run = _Run(self._model, self._tokenizer, question, room, session, tell, self._guessing(question, room))
        self._sessions.add(session)
        future = loop.run_in_executor(self._threads, run)
        try:
            while (event := await events.get()) is not None:
                yield event
            await future
        finally:
            run.stop()
            self._sessions.discard(session)

    def close(self) -> None:
        """Stop all answers."""
        for session in list(self._sessions):
            session.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

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
        session: InferenceSession,
        tell: Any,
        guessing: dict[str, Any],
    ) -> None:
        self._model = model
        self._question = question
        self._room = room
        self._session = session
        self._tell = tell
        self._guessing = guessing
        ends = model.generation_config.eos_token_id
        self._end_tokens = {ends} if isinstance(ends, int) else set(ends or [])
        self._decoder = PieceDecoder(tokenizer)
        self._stops = StopStrings(question.stops)
        self._is_stopped = threading.Event()
        self._count = self._first_count = 0
        self._has_ended = False
        self._has_prompt = False
        self._asked = time.perf_counter()
        self._first = self._last = 0.0

    def __call__(self) -> None:
        try:
            with self._session:
                self._generate()
                self._say(self._decoder.finish())
                held = self._stops.finish()
                if held:
                    self._tell(Piece(held))
                self._tell(self._end())
        except (CancelledError, SessionClosedError):
            if not self._is_stopped.is_set():
                raise AnswerCutError from None
        finally:
            self._tell(None)

    def stop(self) -> None:
        """From the event loop: nobody reads on."""
        if not self._is_stopped.is_set():
            self._is_stopped.set()
            self._session.cancel()

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

    def _generate(self) -> None:
        sampling = self._question.sampling or Sampling()
        ids = torch.tensor([list(self._question.ids)], device=self._model.device)
        self._model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            session=self._session,
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
            prompt_tokens=len(self._question.ids),
            completion_tokens=self._count,
            chain=self._session.members,
            first_token_s=self._first - self._asked if self._count else 0.0,
            tokens_per_second=(self._count - self._first_count) / elapsed if elapsed > 0 else 0.0,
        )


class _Stopped(StoppingCriteria):
    def __init__(self, run: _Run) -> None:
        self._run = run

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **kwargs: Any) -> torch.BoolTensor:
        return torch.full((input_ids.shape[0],), self._run.is_over(), device=input_ids.device)  # type: ignore[return-value]
