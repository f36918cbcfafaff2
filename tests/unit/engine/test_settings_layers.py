"""Flag over variable over file over default; what cannot be meant is named and does not count."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from meadow_engine.api.settings import Settings
from meadow_engine.api.settings_overview import Source
from meadow_engine.settings_layers import HELD, Layer, LayeredSettings, read_variables, stack


def layered(
    file: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> LayeredSettings:
    return stack([Layer("file", file or {}), read_variables(environment or {}), Layer("flag", flags or {})])


def texts(found: LayeredSettings) -> list[str]:
    return [problem.text for problem in found.problems]


def test_without_layers_everything_is_as_usual() -> None:
    found = layered()
    assert (found.settings, found.sources, found.words()) == (Settings(), {}, [])


@pytest.mark.parametrize(
    ("says", "value", "source"),
    [
        ({}, 180, None),
        ({"file": {"idle_s": 10}}, 10, "file"),
        ({"file": {"idle_s": 10}, "environment": {"MEADOW_IDLE_S": "20"}}, 20, "variable"),
        ({"environment": {"MEADOW_IDLE_S": "20"}, "flags": {"idle_s": "30"}}, 30, "flag"),
        ({"file": {"idle_s": 10}, "flags": {"idle_s": "30"}}, 30, "flag"),
    ],
)
def test_the_highest_layer_that_says_anything_counts(
    says: dict[str, Mapping[str, str]], value: int, source: Source | None
) -> None:
    found = layered(**says)
    assert found.settings.idle_s == value
    assert found.sources.get("idle_s") == source


def test_layers_have_their_say_about_different_settings() -> None:
    found = layered({"port": 4711}, {"MEADOW_MODE": "always"}, {"idle_s": "30"})
    assert (found.settings.port, found.settings.mode, found.settings.idle_s) == (4711, "always", 30)
    assert found.sources == {"port": "file", "mode": "variable", "idle_s": "flag"}


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("on", True), ("no", False), ("0", False)])
def test_a_variable_switches_in_the_usual_words(text: str, value: bool) -> None:
    assert layered({"share": not value}, {"MEADOW_SHARE": text}).settings.share is value


def test_a_variable_lists_its_entries_with_semicolons() -> None:
    found = layered({}, {"MEADOW_SCHEDULE": "mon,tue 22:00-07:00; sat", "MEADOW_PROGRAMS": "chess"})
    assert found.settings.schedule == ["mon,tue 22:00-07:00", "sat"]
    assert found.settings.programs == ["chess"]
    assert layered({"programs": ["chess"]}, {"MEADOW_PROGRAMS": ";"}).settings.programs == []


def test_an_empty_variable_counts_as_not_set() -> None:
    found = layered({"idle_s": 10}, {"MEADOW_IDLE_S": "", "MEADOW_MODEL": ""})
    assert (found.settings.idle_s, found.sources, texts(found)) == (10, {"idle_s": "file"}, [])


def test_variables_of_others_are_left_alone() -> None:
    assert texts(layered({}, {"PATH": "/bin", "MEADOWS": "1", "MEADOW_": "1", "MEADOW_TEST_RUN": "1"})) == []


def test_a_misspelt_variable_is_named_with_what_was_probably_meant() -> None:
    found = layered({}, {"MEADOW_IDEL_S": "60"})
    assert texts(found) == ["MEADOW_IDEL_S: there is no such setting; perhaps MEADOW_IDLE_S is meant"]


def test_under_a_broken_value_the_layer_below_counts() -> None:
    found = layered({"idle_s": 10}, {"MEADOW_IDLE_S": "soon"})
    assert (found.settings.idle_s, found.sources) == (10, {"idle_s": "file"})
    assert texts(found) == ["MEADOW_IDLE_S: has to be a whole number"]


def test_all_problems_of_all_layers_are_named_as_they_were_written() -> None:
    found = layered({"port": 70000, "idle_s": 60, "colour": "green"}, {"MEADOW_QUIET_S": "0"}, {"memory_share": "much"})
    assert sorted(texts(found)) == [
        "--memory-share: has to be a number",
        "MEADOW_QUIET_S: has to be at least 1",
        "colour: there is no such setting",
        "port: has to be at most 65535",
    ]
    assert found.settings == Settings(idle_s=60)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"share": "perhaps"}, "share: has to be true or false"),
        ({"share": {"x": 1}}, "share: has to be true or false"),
        ({"port": 4.5}, "port: has to be a whole number"),
        ({"port": 10**30}, "port: has to be at most 65535"),
        ({"memory_share": float("inf")}, "memory_share: has to be a number"),
        ({"memory_share": []}, "memory_share: has to be a number"),
        ({"compute_share": 0.01}, "compute_share: has to be at least 0.1"),
        ({"upload_mbit": 0.5}, "upload_mbit: has to be 0, for no limit, or at least 1"),
        ({"model": 7}, "model: has to be a text"),
        ({"mode": "sometimes"}, "mode: has to be 'when-idle', 'always' or 'never'"),
        ({"programs": "chess"}, "programs: has to be a list of texts"),
        ({"programs": ["chess", "  "]}, "programs: entry 2 is empty"),
        ({"programs": ["x"] * 501}, "programs: has to have at most 500 entries"),
        ({"public_name": "x" * 65}, "public_name: has to have at most 64 characters"),
        ({"layers": "0-4"}, "layers: has another form than this: A:B hosts exactly these layers"),
        ({"schedule": ["mon", "moo"]}, "schedule: entry 2 'moo' has no day 'moo'"),
        ({"idel_s": 60}, "idel_s: there is no such setting; perhaps idle_s is meant"),
    ],
)
def test_a_problem_is_one_plain_sentence(values: Mapping[str, object], words: str) -> None:
    found = layered(values)
    assert len(found.problems) == 1
    assert texts(found)[0].startswith(words)
    assert found.settings == Settings()


def test_problems_do_not_repeat_addresses() -> None:
    address = "/ip4/192.0.2.7/tcp/4/p2p/12D3KooW"
    found = layered({"initial_peers": address, "model": ["meadow://" + address], "listen": [{"at": address}]})
    assert len(found.problems) == 3
    assert "192.0.2.7" not in " ".join(found.words())


@pytest.mark.parametrize(
    ("file", "environment"),
    [
        ({"upload_mbit": "slow"}, {}),
        ({"schedule": ["at night"]}, {}),
        ({"upload_mbits": 5}, {}),
        ({"too_hot_c": 60}, {}),
        ({}, {"MEADOW_MONTHLY_VOLUME_GB": "10 GB"}),
    ],
)
def test_with_a_broken_limit_nothing_is_shared_until_it_is_mended(
    file: dict[str, object], environment: dict[str, str]
) -> None:
    found = layered({"share": True, **file}, environment)
    assert not found.settings.share
    assert found.as_written.share
    assert found.words()[-1] == HELD


@pytest.mark.parametrize("file", [{"port": 70000}, {"notes": {"text": "mine"}}, {"model": 7}])
def test_other_problems_do_not_keep_from_sharing(file: dict[str, object]) -> None:
    found = layered({"share": True, **file})
    assert found.settings.share
    assert len(found.words()) == 1


def test_values_that_disagree_go_back_to_their_defaults_together() -> None:
    found = layered({"too_hot_c": 60, "cool_again_c": 65, "idle_s": 5})
    assert (found.settings.too_hot_c, found.settings.cool_again_c, found.settings.idle_s) == (83, 75, 5)
    assert texts(found) == ["cool_again_c (65) has to be lower than too_hot_c (60)"]
    assert found.sources == {"idle_s": "file"}


def test_values_of_several_layers_may_agree_only_together() -> None:
    found = layered({"too_hot_c": 60}, {"MEADOW_COOL_AGAIN_C": "50"})
    assert (texts(found), found.settings.too_hot_c, found.settings.cool_again_c) == ([], 60, 50)


def test_a_disagreement_is_the_highest_layers() -> None:
    found = layered({"cool_again_c": 70}, {}, {"too_hot_c": "60"})
    assert [problem.source for problem in found.problems] == ["flag"]
