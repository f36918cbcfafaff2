"""Asks servers that could not reach the next one of a chain again, from time to time, while the session is used.

Until one of them can, the client carries steps across, which costs a trip for every token. A short failure of a network
is no reason to go on so for the rest of a long chat: p2pd itself tries an address again after some seconds.

A step begins and `Relinking.look` returns at once; servers are asked beside the step, and what they say counts between
two steps. Nobody is asked while nothing is computed. Event loop only, but for `RetryTimes`, which is pure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from meadow_client.session.hop import Hop
from meadow_client.session.pipeline import Pipeline
from meadow_client.wire.messages import Address

# p2pd does not dial an address for 5 s after it failed to, and for longer after every further failure.
FIRST_S = 6.0
LONGEST_S = 120.0
# A server has given up after 3 s, but a long prompt may be on its way to it before the question.
_ANSWER_S = 10.0

Link = tuple[Address, Address]
"""From one server's part of a session to the next one's."""


@dataclass
class _Retry:
    """When a link that is broken is tried, how long it will be left alone after that, and since when it is whole."""

    wait_s: float
    due_s: float
    whole_s: float | None = None


class RetryTimes:
    """When links are tried again: after `FIRST_S`, and each time after twice as long, up to `LONGEST_S`.

    A link that breaks again soon after it was mended is left alone for as long as if it had not been; one that held
    for longer than `LONGEST_S` begins anew.
    """

    def __init__(self) -> None:
        self._retries: dict[Link, _Retry] = {}

    def due(self, links: Mapping[Link, bool], now_s: float) -> list[Link]:
        """The broken links that are to be tried now; who asks does so, and is not told of them again for a while.

        `links` says of every link of the chain whether it is whole; what is not in it is forgotten.
        """
        self._retries = {link: retry for link, retry in self._retries.items() if link in links}
        return [link for link, is_whole in links.items() if self._is_due(link, is_whole, now_s)]

    def _is_due(self, link: Link, is_whole: bool, now_s: float) -> bool:
        retry = self._retries.get(link)
        if is_whole:
            if retry is not None and retry.whole_s is None:
                retry.whole_s = now_s
            return False
        if retry is None or (retry.whole_s is not None and now_s - retry.whole_s > LONGEST_S):
            retry = self._retries[link] = _Retry(FIRST_S, now_s + FIRST_S)
        elif retry.whole_s is not None:
            retry.due_s, retry.whole_s = now_s + retry.wait_s, None
        if now_s < retry.due_s:
            return False
        retry.wait_s = min(LONGEST_S, 2 * retry.wait_s)
        retry.due_s = now_s + retry.wait_s
        return True


class Relinking:
    """`take` is given servers of a pipeline that reach their next ones again, and puts another pipeline in its place.

    One round of questions at a time; `stop` ends it.
    """

    def __init__(self, take: Callable[[Pipeline, Sequence[Hop]], Awaitable[None]]) -> None:
        self._take = take
        self._times = RetryTimes()
        self._asking: asyncio.Task[None] | None = None

    def look(self, pipeline: Pipeline) -> None:
        """A step through this pipeline begins: ask those whose time has come."""
        if self._asking is not None and not self._asking.done():
            return
        pairs = {(hop.address, after.address): (hop, after.address) for hop, after in pairwise(pipeline.hops)}
        due = self._times.due({link: hop.is_linked for link, (hop, _to) in pairs.items()}, _now())
        if due:
            asked = [pairs[link] for link in due]
            self._asking = asyncio.get_running_loop().create_task(self._ask(pipeline, asked))

    async def stop(self) -> None:
        """Ask nobody any more, whatever is under way."""
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def _ask(self, pipeline: Pipeline, asked: Sequence[tuple[Hop, Address]]) -> None:
        answers = await asyncio.gather(*(hop.reach(to, _ANSWER_S) for hop, to in asked))
        reaching = [hop for (hop, _to), is_linked in zip(asked, answers, strict=True) if is_linked]
        if reaching:
            await self._take(pipeline, reaching)


def _now() -> float:
    return asyncio.get_running_loop().time()
