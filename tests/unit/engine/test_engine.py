"""The engine's status says in which state sharing is and why, and every command is decided on before it is answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from meadow_client.errors import UsageError
from meadow_engine import engine as engine_module
from meadow_engine.accounting import Accounting
from meadow_engine.api.contributions import RowsAsked
from meadow_engine.api.places import find_places, write_private
from meadow_engine.api.status import SharingState, Span
from meadow_engine.engine import Engine, sharing_state
from meadow_engine.kept_settings import KeptSettings, SettingFixedError
from meadow_engine.kept_wishes import read_wishes
from meadow_engine.ledger import Ledger
from meadow_engine.monthly_volume import MonthlyVolume
from meadow_engine.policy.facts import Facts
from meadow_engine.policy.reasons import REASON_KINDS, Reason
from meadow_engine.policy.rules import GB
from meadow_engine.sharing import Hosted, Sharing
from meadow_engine.sharing_rules import rules_of
from meadow_engine.sharing_watch import SharingWatch


def reasons(*codes: str) -> list[Reason]:
    return [Reason(code, "yield", f"{code}.") for code in codes]


@pytest.mark.parametrize(
    ("hosting", "codes", "shown"),
    [
        ("off", [], "off"),
        ("off", ["no-consent", "person-here"], "off"),
        ("off", ["switched-off"], "off"),
        ("off", ["paused", "no-consent"], "paused"),
        ("off", ["finishing"], "paused"),
        ("off", ["person-here", "on-battery"], "waiting"),
        ("off", ["settling"], "waiting"),
        ("starting", [], "starting"),
        ("sharing", [], "sharing"),
        ("sharing", ["person-here"], "sharing"),  # it is still held: the next moment it is not
        ("stopping", ["paused"], "stopping"),
        ("failed", [], "failed"),
        ("failed", ["person-here"], "failed"),
    ],
)
def test_the_state_is_what_is_held_or_why_nothing_is(
    hosting: SharingState, codes: list[str], shown: SharingState
) -> None:
    assert sharing_state(hosting, reasons(*codes)) == shown


class Looking:
    """Says what is known of a computer that nobody has touched for an hour."""

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {"idle_s": 3600.0, "free_memory_bytes": 20 * GB}

    async def read(self) -> Facts:
        await asyncio.sleep(0)
        return Facts(asyncio.get_running_loop().time(), **self.seen)


@dataclass
class Desk:
    """An engine with real settings, policy and watch; nothing is hosted and there is no swarm."""

    base: Path
    flags: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.places = find_places(self.base)
        self.kept = KeptSettings(self.places.settings_file, {"public_name": "mine", **self.flags})
        self.looking = Looking()
        self.sharing = Sharing(lambda: pytest.fail("nothing is hosted here"))
        clock = asyncio.get_running_loop().time
        self.watch = SharingWatch(self.looking, self.sharing, lambda: rules_of(self.kept.settings), clock)
        self.rests: list[bool] = []
        node: Any = SimpleNamespace(
            peer="12D3KooWself", address=["/ip4/127.0.0.1/tcp/1"], on_look=None, rest=self.rests.append
        )
        description: Any = SimpleNamespace(name="demo")
        client: Any = None
        volume = MonthlyVolume(self.places.volume_file)
        self.engine = Engine(
            self.places,
            self.kept,
            node,
            description,
            client,
            self.sharing,
            self.watch,
            volume,
            lambda: "Start it in the desktop.",
            Accounting(Ledger(self.places.ledger_file), "12D3KooWhost"),
        )

    def codes(self) -> list[str]:
        return [reason.code for reason in self.engine.status().reasons]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    found = Desk(tmp_path)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in (found.watch.run(), found.engine.tell_changes())]
        await found.watch.looked()
        yield found
        for task in tasks:
            task.cancel()


async def test_before_the_person_has_agreed_nothing_is_shared(desk: Desk) -> None:
    status = desk.engine.status()
    assert (status.sharing, status.is_sharing_allowed, desk.codes()) == ("off", False, ["no-consent"])
    assert (status.may_begin_s, status.reasons[0].can_share_anyway) == (None, False)
    assert (status.advice, status.problems, status.span) == ("", [], None)


async def test_consent_is_decided_on_when_it_is_answered_and_kept(desk: Desk) -> None:
    status = await desk.engine.set_sharing(True)
    assert (status.is_sharing_allowed, status.reasons) == (True, [])
    assert "share = true" in desk.places.settings_file.read_text()
    status = await desk.engine.set_sharing(False)
    assert [reason.code for reason in status.reasons] == ["no-consent"]


async def test_consent_takes_a_pause_back(desk: Desk) -> None:
    await desk.engine.pause("4h")
    assert (await desk.engine.set_sharing(True)).reasons == []


async def test_consent_that_a_flag_fixes_cannot_be_taken_back_here(tmp_path: Path) -> None:
    desk = Desk(tmp_path, {"share": True})
    with pytest.raises(SettingFixedError):
        await desk.engine.set_sharing(False)


async def test_advice_is_for_those_who_wait_for_their_own_absence(desk: Desk) -> None:
    await desk.engine.change_settings({"share": True})
    assert desk.engine.status().advice == "Start it in the desktop."
    await desk.engine.change_settings({"mode": "always"})
    assert desk.engine.status().advice == ""


async def test_a_pause_is_answered_with_what_it_means(desk: Desk) -> None:
    await desk.engine.set_sharing(True)
    status = await desk.engine.pause("30m")
    assert (status.sharing, status.reasons[0].code) == ("paused", "paused")
    assert status.may_begin_s == pytest.approx(1800, abs=5)
    status = await desk.engine.resume()
    assert status.reasons == []


async def test_draining_is_a_pause_until_resumed(desk: Desk) -> None:
    await desk.engine.set_sharing(True)
    status = await desk.engine.drain()
    assert (status.sharing, status.reasons[0].code, status.may_begin_s) == ("paused", "finishing", None)


async def test_what_was_said_outlives_the_engine(desk: Desk) -> None:
    now_s, wall_s = 0.0, 0.0
    await desk.engine.pause("resumed")
    kept = read_wishes(desk.places.wishes_file, now_s, wall_s)
    assert kept.pause is not None
    assert kept.pause.length == "resumed"
    await desk.engine.resume()
    assert read_wishes(desk.places.wishes_file, now_s, wall_s).pause is None


async def test_of_two_words_at_the_same_time_the_last_one_is_kept(desk: Desk) -> None:
    await asyncio.gather(*(desk.engine.pause("1h") for _ in range(5)), desk.engine.drain(), desk.engine.resume())
    assert json.loads(desk.places.wishes_file.read_text()) == {"pause": None, "until": None, "is_finishing": False}
    assert [path.name for path in desk.places.data.iterdir()] == ["sharing.json"]


async def test_one_reason_may_be_left_out_and_all_others_count(desk: Desk) -> None:
    desk.looking.seen |= {"is_metered": True, "is_on_battery": True}
    await desk.engine.set_sharing(True)
    assert set(desk.codes()) == {"metered", "on-battery"}
    status = await desk.engine.share_anyway("metered")
    assert [reason.code for reason in status.reasons] == ["on-battery"]


@pytest.mark.parametrize("code", ["", "no-such-reason", "paused", "no-consent", "switched-off", "finishing"])
async def test_the_persons_own_decision_cannot_be_left_out(desk: Desk, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        await desk.engine.share_anyway(code)
    can = {kind.code for kind in REASON_KINDS if kind.can_share_anyway}
    assert caught.value.advice == f"Those that can: {', '.join(sorted(can))}."


async def test_what_was_computed_is_told_from_the_ledger(desk: Desk) -> None:
    now = await desk.engine.contributions(1)
    assert (now.balance, now.since, await desk.engine.contribution_rows(RowsAsked())) == (0, None, [])


async def test_changed_settings_count_soon(desk: Desk) -> None:
    await desk.engine.change_settings({"share": True, "mode": "never"})
    await until(lambda: desk.codes() == ["switched-off"])
    assert desk.engine.settings().can_change


async def test_problems_of_the_settings_are_in_the_status(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "settings.toml").write_text("share = true\nidle_s = 'soon'\n")
    status = Desk(tmp_path).engine.status()
    assert not status.is_sharing_allowed
    assert any("idle_s" in problem for problem in status.problems)


async def test_the_status_shows_what_is_hosted(desk: Desk) -> None:
    desk.sharing.hosted = Hosted(Span(start=2, end=5), "peer", [])
    desk.sharing.state, desk.sharing.detail = "sharing", "Holding layers 2–4 of demo"
    desk.sharing.sessions, desk.sharing.tokens = 2, 300
    desk.engine.url = "http://127.0.0.1:4711"
    status = desk.engine.status()
    assert (status.sharing, status.span, status.sessions) == ("sharing", Span(start=2, end=5), 2)
    assert (status.tokens_served, status.base_url, status.name) == (300, "http://127.0.0.1:4711/v1", "mine")


async def test_an_engine_that_is_paused_lets_its_node_rest_until_it_is_needed(desk: Desk) -> None:
    await desk.engine.set_sharing(True)
    await desk.engine.pause("resumed")
    await until(lambda: desk.rests[-1:] == [True])
    await desk.engine.resume()
    await until(lambda: desk.rests[-1:] == [False])


async def test_who_waits_for_a_change_hears_of_it(desk: Desk) -> None:
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        waiting = group.create_task(desk.engine.changed(60.0))
        await asyncio.sleep(0)
        await desk.engine.pause("1h")
        await waiting


async def test_who_waits_for_a_change_that_does_not_come_waits_no_longer_than_they_wanted(desk: Desk) -> None:
    async with asyncio.timeout(5):
        await desk.engine.changed(0.01)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 - what the watch decides has no event
            await asyncio.sleep(0)


async def test_what_the_person_writes_into_the_file_counts_while_the_engine_runs(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engine_module, "_LOOK_AT_FILE_S", 0.01)
    async with asyncio.TaskGroup() as group:
        following = group.create_task(desk.engine.follow_settings_file())
        assert desk.codes()[0] == "no-consent"
        write_private(desk.places.settings_file, 'share = true\nmode = "never"\nport = 99999\n')
        async with asyncio.timeout(10):
            while desk.codes()[0] != "switched-off":
                await desk.engine.changed(0.01)
        assert "port" in caplog.text
        following.cancel()


async def test_settings_say_what_waits_for_the_next_start_or_the_next_sharing(desk: Desk) -> None:
    waiting = [
        row.name
        for row in (await desk.engine.change_settings({"port": 4711, "device": "cuda"})).settings
        if row.is_waiting
    ]
    assert waiting == ["port"]  # nothing is hosted, so a device that hosting begins with is the new one
    desk.sharing.state = "sharing"
    assert [row.name for row in desk.engine.settings().settings if row.is_waiting] == ["device", "port"]
    desk.engine.hosting_with = desk.kept.settings
    assert [row.name for row in desk.engine.settings().settings if row.is_waiting] == ["port"]
    await desk.engine.change_settings({"port": None})
    assert not any(row.is_waiting for row in desk.engine.settings().settings)
