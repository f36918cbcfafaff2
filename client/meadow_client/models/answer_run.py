"""The running of one answer: token ids go into `generate`, and its text comes out piece by piece.

Threads: a run is called on a worker thread, and tells its events from there; `stop` and `cut` are called on others. It
is the only user of its session until the answer is complete, and then hands it to whoever keeps it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from meadow_client.errors import MeadowError, SessionClosedError
from meadow_client.models.answers import AnswerCutError, AnswerEvent, End, Piece, Question
from meadow_client.models.kept_sessions import Line
from meadow_client.models.sampling import Sampling, processors
from meadow_client.models.text import PieceDecoder, StopStrings


class AnswerRun(BaseStreamer):
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
    def __init__(self, run: AnswerRun) -> None:
        self._run = run

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **kwargs: Any) -> torch.BoolTensor:
        return torch.full((input_ids.shape[0],), self._run.is_over(), device=input_ids.device)  # type: ignore[return-value]
