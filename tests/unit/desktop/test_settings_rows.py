"""Settings as rows: words, where values come from, what holds sharing back, what a search finds; hours of a week."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.engine_status import STATUS
from meadow_desktop.engine.link_state import Connected, Searching
from meadow_desktop.settings.app_rows import AUTOSTART, LANGUAGE, present_app
from meadow_desktop.settings.appearance import Appearance
from meadow_desktop.settings.holding_back import present_now, settings_behind
from meadow_desktop.settings.rows import GroupView, RowView, describe_refusal, present_groups
from meadow_desktop.settings.week import Cell, cells_of, entries_of
from meadow_engine.api.autostart import AutostartStatus
from meadow_engine.api.errors import Problem
from meadow_engine.api.schedule import parse_schedule
from meadow_engine.api.settings import Settings
from meadow_engine.api.settings_overview import SettingsOverview, Source, Value, state_of_settings
from meadow_engine.api.status import WhyNot

HERE = WhyNot(code="person-here", sentence="You are here.", may_end_s=180.0, can_share_anyway=True)
HOT = WhyNot(code="too-hot", sentence="It is too hot.", may_end_s=None, can_share_anyway=False)


def overview(sources: dict[str, Source] | None = None, **values: Value) -> SettingsOverview:
    kept = Settings.model_validate(values)
    return SettingsOverview(
        file="/settings.toml",
        can_change=True,
        problems=[],
        settings=state_of_settings(kept, sources or {name: "file" for name in values}),
    )


def row(groups: list[GroupView], name: str) -> RowView:
    (found,) = [row for group in groups for row in group.rows if row.name == name]
    return found


def test_every_setting_has_a_row_and_sharing_comes_first() -> None:
    groups = present_groups(overview())
    assert [group.title for group in groups[:2]] == ["When to share", "How much to share"]
    assert {row.name for group in groups for row in group.rows} == set(Settings.model_fields)
    assert row(groups, "schedule").kind == "week"
    assert dict(row(groups, "mode").choices)["never"] == "Not now"


def test_a_changed_value_says_its_default_and_can_go_back() -> None:
    groups = present_groups(overview(idle_s=300))
    changed, untouched = row(groups, "idle_s"), row(groups, "quiet_s")
    assert (changed.value, changed.note, changed.can_reset) == (300, "Default: 180 seconds", True)
    assert (untouched.note, untouched.can_reset) == ("", False)


def test_values_are_shown_in_words_and_kept_as_the_engine_has_them() -> None:
    groups = present_groups(overview(memory_share=0.55, upload_mbit=10, mode="always"))
    lent, effort, upload = (row(groups, name) for name in ("memory_share", "compute_share", "upload_mbit"))
    assert (lent.value, lent.kind, lent.unit, lent.note) == (0.55, "fraction", "%", "Default: 80 %")
    assert (effort.value, effort.unit) == (1, "%")
    assert (upload.value, upload.zero, upload.note) == (10, "No limit", "Default: No limit")
    assert row(groups, "mode").note == "Default: While nobody uses this computer"
    shown = [text for group in groups for each in group.rows for text in (each.sentence, each.note)]
    assert not [text for text in shown if "when-idle" in text or "0.8" in text or "too_hot_c" in text]


def test_a_change_for_the_next_start_says_so_and_offers_it() -> None:
    was = Settings()
    page = overview(device="cuda", port=4711, idle_s=60)
    waits = page.model_copy(
        update={
            "settings": state_of_settings(
                Settings(device="cuda", port=4711, idle_s=60), {}, {"next-start": was, "next-sharing": was}
            )
        }
    )
    groups = present_groups(waits)
    device, port, idle, model = (row(groups, name) for name in ("device", "port", "idle_s", "model"))
    assert (device.can_restart, port.can_restart, idle.can_restart, model.can_restart) == (True, True, False, False)
    assert "counts when the engine starts again" in device.waiting
    assert "counts when it starts again" in port.waiting
    assert (idle.waiting, model.waiting) == ("", "")
    assert model.sentence.endswith("A change counts when the engine starts again.")
    assert device.sentence.endswith("A change counts when sharing begins the next time.")
    going = row(present_groups(waits, is_restarting=True), "port")
    assert (going.waiting, going.can_restart) == ("The engine starts again…", False)
    assert row(present_groups(waits, {"port": 1}), "port").waiting == ""  # the engine has not answered yet


def test_a_refusal_calls_settings_as_the_page_does() -> None:
    message = "cool_again_c (100) has to be lower than too_hot_c (83)."
    advice = "Nothing was changed. docs/settings.md says what every setting may be."
    refused = {"cool_again_c": Problem(code="settings-refused", message=message, advice=advice)}
    error = row(present_groups(overview(), refused=refused), "cool_again_c").error
    assert error == "“Cool again” (100) has to be lower than “Too hot” (83)."
    port = Problem(code="x", message="port: has to be at most 65535, and so has any other port")
    assert describe_refusal(port, {"port": "Port"}) == "“Port”: has to be at most 65535, and so has any other port."


@pytest.mark.parametrize(("source", "by"), [("flag", "--idle-s"), ("variable", "MEADOW_IDLE_S")])
def test_a_fixed_value_says_by_what_and_cannot_be_changed(source: Source, by: str) -> None:
    fixed = row(present_groups(overview({"idle_s": source}, idle_s=60)), "idle_s")
    assert not fixed.can_change
    assert not fixed.can_reset
    assert by in fixed.note


def test_a_wanted_value_is_shown_at_once_and_a_refused_one_says_why() -> None:
    refused = {"quiet_s": Problem(code="settings-refused", message="quiet_s: has to be at most 3600")}
    groups = present_groups(overview(idle_s=300), {"idle_s": None, "mode": "always"}, refused)
    assert (row(groups, "idle_s").value, row(groups, "mode").value) == (180, "always")
    assert row(groups, "quiet_s").error == "“Quiet before sharing again”: has to be at most 3600."


def test_the_rules_that_hold_sharing_back_are_marked() -> None:
    groups = present_groups(overview(), reasons=[HERE])
    assert {each.name for group in groups for each in group.rows if each.mark} == {"idle_s", "mode"}
    assert settings_behind([HOT]) == {"too_hot_c", "cool_again_c"}
    assert settings_behind([]) == frozenset()


def test_every_setting_that_can_be_marked_exists() -> None:
    from meadow_desktop.settings.holding_back import _BEHIND

    assert {name for names in _BEHIND.values() for name in names} <= set(Settings.model_fields)


def test_the_card_tells_each_reason_and_which_may_be_left_out() -> None:
    status = STATUS.model_copy(update={"is_sharing_allowed": True, "sharing": "waiting", "reasons": [HERE, HOT]})
    now = present_now(Connected(status, is_ours=True))
    assert [(line.sentence, line.ending, line.anyway_code) for line in now.lines] == [
        ("You are here.", "May end in 3 minutes.", "person-here"),
        ("It is too hot.", "", ""),
    ]
    assert (now.can_pause, now.can_resume) == (True, False)
    paused = present_now(Connected(status.model_copy(update={"sharing": "paused"}), is_ours=True))
    assert [line.anyway_code for line in paused.lines] == ["", ""]
    assert (paused.can_pause, paused.can_resume) == (False, True)
    assert present_now(Searching("Looking…")).headline == "Looking…"


@pytest.mark.parametrize(
    ("query", "is_found"), [("", True), ("MOVEMENT away", True), ("idle_s", True), ("movement battery", False)]
)
def test_a_search_finds_all_its_words_in_title_sentence_or_name(query: str, is_found: bool) -> None:
    assert row(present_groups(overview()), "idle_s").has_words(query) is is_found


def test_the_desktops_own_rows_say_what_counts_later_and_what_is_not_possible() -> None:
    impossible = AutostartStatus(is_on=False, is_possible=False, description="there is no app to start")
    group = present_app(Appearance(language="de"), impossible, ["de", "en"], "system")
    rows = {each.name: each for each in group.rows}
    assert rows[LANGUAGE].note == "Counts when Meadow is started again."
    assert rows[LANGUAGE].choices == (("system", "As the system"), ("de", "Deutsch"), ("en", "English"))
    assert (rows[AUTOSTART].can_change, rows[AUTOSTART].note) == (False, "There is no app to start.")


@settings(max_examples=100, deadline=None)
@given(st.frozensets(st.tuples(st.integers(0, 6), st.integers(0, 23))))
def test_painted_hours_are_written_as_texts_that_mean_them(cells: frozenset[Cell]) -> None:
    entries = entries_of(cells)
    if entries:
        assert cells_of(entries) == cells
    else:
        assert len(cells) in (0, 7 * 24)  # both are "at any time"


@pytest.mark.parametrize(
    ("texts", "written"),
    [
        (["mon-fri 20:00-24:00"], ["mon-fri 20:00-24:00"]),
        (["sat,sun"], ["sat-sun"]),
        (["13:00-14:00"], ["13:00-14:00"]),
        (["mon,wed 09:00-12:00"], ["mon,wed 09:00-12:00"]),
        ([], []),
    ],
)
def test_hours_are_written_as_people_would(texts: list[str], written: list[str]) -> None:
    cells = cells_of(texts)
    assert cells is not None
    assert entries_of(cells) == written


def test_nights_are_cut_at_midnight_and_mean_the_same() -> None:
    night = ["mon-fri 22:00-07:00"]
    cells = cells_of(night)
    assert cells is not None
    assert parse_schedule(entries_of(cells)) == parse_schedule(night)


@pytest.mark.parametrize("texts", [["mon 22:30-23:00"], ["someday"]])
def test_what_a_grid_cannot_show_is_left_to_the_texts(texts: list[str]) -> None:
    assert cells_of(texts) is None
