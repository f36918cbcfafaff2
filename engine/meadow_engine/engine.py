"""What the control API asks and tells: one object for everything that runs in the engine. On the event loop."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from meadow_client.errors import UsageError
from meadow_client.models.answering import Answerer
from meadow_client.models.description import ModelDescription
from meadow_client.session.swarm_client import SwarmClient
from meadow_client.swarm.node import SwarmNode
from meadow_engine.api.commands import PauseLength
from meadow_engine.api.places import Places
from meadow_engine.api.settings_overview import SettingsOverview
from meadow_engine.api.status import EngineStatus, ModelStatus, SharingState, WhyNot
from meadow_engine.host.protocol import Limits
from meadow_engine.hosting import installed_version
from meadow_engine.keep_awake import KeepAwake
from meadow_engine.kept_settings import KeptSettings
from meadow_engine.kept_wishes import keep_wishes
from meadow_engine.models_overview import models_of
from meadow_engine.monthly_volume import MonthlyVolume
from meadow_engine.policy import wishes
from meadow_engine.policy.reasons import REASON_KINDS, Reason
from meadow_engine.policy.wishes import Wishes
from meadow_engine.sharing import Sharing
from meadow_engine.sharing_rules import upload_bytes_s
from meadow_engine.sharing_watch import SharingWatch

_COUNT_S = 5.0
_LOOK_AT_FILE_S = 5.0
_OFF = ("no-consent", "switched-off")
_BY_PERSON = ("paused", "finishing")
_CAN_SHARE_ANYWAY = {kind.code for kind in REASON_KINDS if kind.can_share_anyway}


log = logging.getLogger(__name__)


class Engine:
    """The state of everything, and the commands. `advice` says what the person should know about the senses."""

    def __init__(
        self,
        places: Places,
        kept: KeptSettings,
        node: SwarmNode,
        description: ModelDescription,
        client: SwarmClient,
        sharing: Sharing,
        watch: SharingWatch,
        volume: MonthlyVolume,
        advice: Callable[[], str],
    ) -> None:
        self._places = places
        self._kept = kept
        self._node = node
        self._description = description
        self._client = client
        self._sharing = sharing
        self._watch = watch
        self._volume = volume
        self._keep_awake = KeepAwake()
        self._advice = advice
        self._started = time.monotonic()
        self._peers = 0
        self._answerer: Answerer | None = None
        self._loading = asyncio.Lock()
        self._news = asyncio.Condition()
        self._telling = asyncio.Event()
        sharing.on_change = watch.on_change = self.tell_change
        self._keeping = asyncio.Lock()
        self.url = ""

    def status(self) -> EngineStatus:
        settings, hosted, decision = self._kept.settings, self._sharing.hosted, self._watch.decision
        reasons = [] if decision is None or decision.reason is None else [decision.reason, *decision.also]
        state = sharing_state(self._sharing.state, reasons)
        return EngineStatus(
            version=installed_version(),
            pid=os.getpid(),
            peer=self._node.peer,
            name=settings.public_name,
            address=self._node.address,
            uptime_s=round(time.monotonic() - self._started, 1),
            device=settings.device,
            is_sharing_allowed=settings.share,
            sharing=state,
            sharing_detail=self._sharing.detail,
            reasons=[_why_not(reason) for reason in reasons],
            may_begin_s=decision.may_end_s if decision is not None else None,
            advice=self._advice() if settings.share and settings.mode == "when-idle" else "",
            problems=self._kept.problems,
            model=self._description.name,
            span=hosted.span if hosted else None,
            sessions=self._sharing.sessions,
            tokens_served=self._sharing.tokens,
            sent_bytes=self._volume.sent_bytes,
            received_bytes=self._volume.received_bytes,
            peers=self._peers,
            base_url=f"{self.url}/v1",
        )

    async def changed(self, within_s: float) -> None:
        """Return when something of the status may have changed, and at the latest after that time."""
        async with self._news:
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._news.wait()

    def tell_change(self) -> None:
        """Something of the status is another now."""
        self._telling.set()

    async def tell_changes(self) -> None:
        """Wake whoever waits in `changed`, and keep the computer awake while it should be, for ever."""
        try:
            while True:
                await self._telling.wait()
                self._telling.clear()
                self._keep_awake.follow(self._kept.settings.keep_awake and self._sharing.state == "sharing")
                async with self._news:
                    self._news.notify_all()
        finally:
            self._keep_awake.follow(False)

    async def models(self) -> list[ModelStatus]:
        """All models of the swarm, this engine's own first."""
        return models_of(await self._node.directory.all_servers(), self._description)

    async def set_sharing(self, enabled: bool) -> EngineStatus:
        """The person's consent; given anew, sharing begins as soon as the rules allow."""
        await asyncio.to_thread(self._kept.change, {"share": enabled})
        return await self._wish(wishes.resume if enabled else lambda known, _now_s: known)

    async def pause(self, length: PauseLength) -> EngineStatus:
        return await self._wish(lambda known, now_s: wishes.pause(known, length, now_s))

    async def resume(self) -> EngineStatus:
        return await self._wish(wishes.resume)

    async def drain(self) -> EngineStatus:
        return await self._wish(lambda known, _now_s: wishes.finish(known))

    async def share_anyway(self, code: str) -> EngineStatus:
        """Raises UsageError for a reason that is unknown or cannot be left out."""
        if code not in _CAN_SHARE_ANYWAY:
            known_codes = ", ".join(sorted(_CAN_SHARE_ANYWAY))
            raise UsageError(f"{code!r} is no reason that can be left out", f"Those that can: {known_codes}.")
        return await self._wish(lambda known, now_s: wishes.share_anyway(known, code, now_s))

    def settings(self) -> SettingsOverview:
        return self._kept.overview()

    async def change_settings(self, values: Mapping[str, object]) -> SettingsOverview:
        """Raises what `KeptSettings.change` raises."""
        await asyncio.to_thread(self._kept.change, values)
        self._put_settings_in_force()
        return self._kept.overview()

    async def follow_settings_file(self) -> None:
        """Put in force what the person writes into the file while the engine runs, for ever."""
        while True:
            await asyncio.sleep(_LOOK_AT_FILE_S)
            if self._kept.is_stale and await asyncio.to_thread(self._kept.reload):
                for problem in self._kept.problems:
                    log.warning("Settings: %s.", problem)
                self._put_settings_in_force()

    def _put_settings_in_force(self) -> None:
        settings = self._kept.settings
        self._sharing.limit(Limits(settings.compute_share, upload_bytes_s(settings)))
        self._watch.look_now()
        self.tell_change()

    async def answerer(self) -> Answerer:
        """The client's end of the model, loaded when it is first asked for."""
        async with self._loading:
            if self._answerer is None:
                self._answerer = await asyncio.to_thread(Answerer.load, self._description, self._client)
        return self._answerer

    @property
    def is_answering(self) -> bool:
        """Whether an answer of the person's own chat, or program, is being computed."""
        return self._answerer is not None and self._answerer.is_answering

    async def count_peers(self) -> None:
        """Keep `peers` of the status true, for ever."""
        while True:
            peers = await self._node.count_peers()
            if peers != self._peers:
                self._peers = peers
                self.tell_change()
            await asyncio.sleep(_COUNT_S)

    async def aclose(self) -> None:
        if self._answerer is not None:
            await self._answerer.aclose()

    async def _wish(self, change: Callable[[Wishes, float], Wishes]) -> EngineStatus:
        self._watch.wish(change)
        await self._watch.looked()
        async with self._keeping:
            now_s, wall_s = time.monotonic(), time.time()
            await asyncio.to_thread(keep_wishes, self._places.wishes_file, self._watch.wishes, now_s, wall_s)
        return self.status()


def sharing_state(hosting: SharingState, reasons: list[Reason]) -> SharingState:
    """The state that people see: hosting's own, or why nothing is hosted."""
    if hosting != "off" or not reasons:
        return hosting
    code = reasons[0].code
    return "off" if code in _OFF else "paused" if code in _BY_PERSON else "waiting"


def _why_not(reason: Reason) -> WhyNot:
    return WhyNot(
        code=reason.code,
        sentence=reason.sentence,
        may_end_s=reason.may_end_s,
        can_share_anyway=reason.code in _CAN_SHARE_ANYWAY,
    )
