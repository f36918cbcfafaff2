"""What the control API asks and tells: one object for everything that runs in the engine. On the event loop."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from meadow_client.errors import UsageError
from meadow_client.gateway.askable import AskableModel
from meadow_client.models.answering import Answerer
from meadow_client.models.description import ModelDescription
from meadow_client.swarm.directory import Server
from meadow_client.swarm.node import SwarmNode
from meadow_client.swarm.trips import Trips
from meadow_engine.accounting import Accounting
from meadow_engine.api.autostart import AutostartStatus
from meadow_engine.api.commands import PauseLength
from meadow_engine.api.contributions import ContributionRow, Contributions, RowsAsked
from meadow_engine.api.places import Places
from meadow_engine.api.settings import Counts, Settings
from meadow_engine.api.settings_overview import SettingsOverview
from meadow_engine.api.status import EngineStatus, ModelStatus, SharingState, WhyNot
from meadow_engine.api.storage import StorageOverview
from meadow_engine.api.swarm import SwarmOverview
from meadow_engine.autostart.app import look_at_autostart, switch_autostart
from meadow_engine.chat_models import ChatModels
from meadow_engine.host.protocol import Limits
from meadow_engine.hosting import installed_version
from meadow_engine.keep_awake import KeepAwake
from meadow_engine.kept_settings import KeptSettings
from meadow_engine.kept_wishes import keep_wishes
from meadow_engine.monthly_volume import MonthlyVolume
from meadow_engine.policy import wishes
from meadow_engine.policy.reasons import REASON_KINDS, Reason
from meadow_engine.policy.wishes import Wishes
from meadow_engine.sharing import Sharing
from meadow_engine.sharing_rules import upload_bytes_s
from meadow_engine.sharing_watch import BY_PERSON, OFF, SharingWatch
from meadow_engine.storage import delete_model, most_bytes, stored_models
from meadow_engine.swarm_overview import overview

_LOOK_AT_FILE_S = 5.0
_HOSTING = ("starting", "sharing", "stopping")
_SENTENCES = {kind.code: kind.sentence for kind in REASON_KINDS}
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
        chats: ChatModels,
        sharing: Sharing,
        watch: SharingWatch,
        volume: MonthlyVolume,
        advice: Callable[[], str],
        accounting: Accounting,
    ) -> None:
        self._places = places
        self._kept = kept
        self._node = node
        self._trips = Trips(lambda peer: self._node.ping(peer))
        self._description = description
        self._chats = chats
        self._sharing = sharing
        self._watch = watch
        self._volume = volume
        self._accounting = accounting
        self._keep_awake = KeepAwake()
        self._advice = advice
        self._started = time.monotonic()
        self._peers = 0
        self._answers = 0
        node.on_look = self._count_peers
        self._news = asyncio.Condition()
        self._telling = asyncio.Event()
        sharing.on_change = watch.on_change = self.tell_change
        self._keeping = asyncio.Lock()
        self._began_with = kept.settings
        self.hosting_with = kept.settings
        """The settings with which hosting began, while anything is hosted."""
        self.url = ""
        self.being_fetched: Callable[[], Awaitable[set[str]]] = _nothing
        """Repositories whose files are on their way."""
        self.restart_asked = asyncio.Event()
        """Whoever runs this engine ends it then, and makes another."""

    def status(self) -> EngineStatus:
        settings, hosted, decision = self._kept.settings, self._sharing.hosted, self._watch.decision
        reasons = [] if decision is None or decision.reason is None else [decision.reason, *decision.also]
        if reasons and reasons[0].code in OFF | BY_PERSON:
            reasons = reasons[:1]  # the others were seen long ago, and do not matter before this one ends
        may_begin_s, ago_s = decision.may_end_s if decision is not None else None, self._watch.decided_ago_s
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
            reasons=[_why_not(reason, ago_s) for reason in reasons],
            may_begin_s=_left_s(may_begin_s, ago_s),
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
                self._rest_or_not()
                self._keep_awake.follow(self._kept.settings.keep_awake and self._sharing.state == "sharing")
                async with self._news:
                    self._news.notify_all()
        finally:
            self._keep_awake.follow(False)

    async def models(self) -> list[ModelStatus]:
        """All models of the swarm, this engine's own first. Asks the directory only, none of the servers."""
        known, servers = await self._known_and_announced()
        return [model.status() for model in overview(servers, known)]

    async def swarm(self) -> SwarmOverview:
        """Who holds what, and how fast that would be. Measures the way to every server, within `LOOK_S` of `Trips`."""
        known, servers = await self._known_and_announced()
        hosted = self._sharing.hosted
        own_peers = {self._node.peer} if hosted is None else {self._node.peer, hosted.peer}
        trips = await self._trips.to({server.peer for server in servers} - own_peers)
        return SwarmOverview(models=overview(servers, known, own_peers, trips))

    async def _known_and_announced(self) -> tuple[Sequence[ModelDescription], Sequence[Server]]:
        return await self._chats.known(), await self._node.directory.all_servers()

    async def storage(self) -> StorageOverview:
        """What model files take of the disk."""
        in_use, limit_bytes = await self._sources_in_use(), most_bytes(self._kept.settings)
        return await asyncio.to_thread(stored_models, in_use, limit_bytes)

    async def delete_stored_model(self, model: str) -> StorageOverview:
        """Raises what `delete_model` raises."""
        await asyncio.to_thread(delete_model, model, await self._sources_in_use())
        return await self.storage()

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
        in_use: dict[Counts, Settings] = {"next-start": self._began_with}
        if self._sharing.state in _HOSTING:
            in_use["next-sharing"] = self.hosting_with
        return self._kept.overview(in_use)

    async def change_settings(self, values: Mapping[str, object]) -> SettingsOverview:
        """Raises what `KeptSettings.change` raises."""
        await asyncio.to_thread(self._kept.change, values)
        self._put_settings_in_force()
        return self.settings()

    async def autostart(self) -> AutostartStatus:
        return await asyncio.to_thread(look_at_autostart)

    async def set_autostart(self, enabled: bool) -> AutostartStatus:
        """Raises what `switch_autostart` raises."""
        return await asyncio.to_thread(switch_autostart, enabled, self._places)

    async def follow_settings_file(self) -> None:
        """Put in force what the person writes into the file while the engine runs, for ever.

        Notices the end of a sleep as well: a task of its own would wake the computer once more.
        """
        while True:
            await asyncio.sleep(_LOOK_AT_FILE_S)
            self._watch.notice_sleep()
            if self._kept.is_stale and await asyncio.to_thread(self._kept.reload):
                for problem in self._kept.problems:
                    log.warning("Settings: %s.", problem)
                self._put_settings_in_force()

    def _put_settings_in_force(self) -> None:
        settings = self._kept.settings
        self._sharing.limit(Limits(settings.compute_share, upload_bytes_s(settings)))
        self._watch.look_now()
        self.tell_change()

    async def askable_models(self) -> Sequence[AskableModel]:
        """All models that a chat, or a program, can ask for."""
        return await self._chats.askable_models()

    @asynccontextmanager
    async def answerer(self, model: str) -> AsyncIterator[Answerer]:
        """The client's end of a model, loaded when it is first asked for. Raises what `ChatModels.answerer` raises."""
        self._answers += 1
        self._rest_or_not()
        try:
            async with self._chats.answerer(model) as answerer:
                yield answerer
        finally:
            self._answers -= 1
            self._rest_or_not()

    @property
    def is_answering(self) -> bool:
        """Whether an answer of the person's own chat, or program, is being computed."""
        return self._chats.is_answering

    async def contributions(self, days: int) -> Contributions:
        return await asyncio.to_thread(self._accounting.overview, days)

    async def contribution_rows(self, asked: RowsAsked) -> list[ContributionRow]:
        return await asyncio.to_thread(self._accounting.rows, asked)

    async def count_peers(self) -> None:
        """Ask for `peers` of the status now; later the node tells."""
        self._count_peers(await self._node.count_peers())

    def _count_peers(self, peers: int) -> None:
        if peers != self._peers:
            self._peers = peers
            self.tell_change()

    def _rest_or_not(self) -> None:
        """An engine that neither shares, nor is about to, nor answers need not look after the swarm so often."""
        decision = self._watch.decision
        code = decision.reason.code if decision is not None and decision.reason is not None else ""
        is_off = self._sharing.state == "off" and code in OFF | BY_PERSON
        self._node.rest(is_off and self._answers == 0)

    async def _sources_in_use(self) -> set[str]:
        """The folders and repositories whose files must stay."""
        sources = self._chats.sources() | await self.being_fetched()
        if self._sharing.state in _HOSTING:
            sources |= {self._description.source, self._kept.settings.model}
        return sources

    async def _wish(self, change: Callable[[Wishes, float], Wishes]) -> EngineStatus:
        self._watch.wish(change)
        await self._watch.looked()
        async with self._keeping:
            now_s, wall_s = time.monotonic(), time.time()
            await asyncio.to_thread(keep_wishes, self._places.wishes_file, self._watch.wishes, now_s, wall_s)
        return self.status()


async def _nothing() -> set[str]:
    return set()


def sharing_state(hosting: SharingState, reasons: list[Reason]) -> SharingState:
    """The state that people see: hosting's own, or why nothing is hosted."""
    if hosting != "off" or not reasons:
        return hosting
    code = reasons[0].code
    return "off" if code in OFF else "paused" if code in BY_PERSON else "waiting"


def _left_s(seconds: float | None, ago_s: float) -> float | None:
    """What is left of some seconds that were named a while ago."""
    return None if seconds is None else max(0.0, seconds - ago_s)


def _why_not(reason: Reason, ago_s: float) -> WhyNot:
    """As it was decided so many seconds ago."""
    return WhyNot(
        code=reason.code,
        sentence=reason.sentence,
        template=_SENTENCES.get(reason.code, ""),
        words=dict(reason.words),
        may_end_s=_left_s(reason.may_end_s, ago_s),
        can_share_anyway=reason.code in _CAN_SHARE_ANYWAY,
    )
