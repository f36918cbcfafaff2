"""A DHT node keeps the newest word of every owner, however often older ones come again."""

from __future__ import annotations

import pytest
from hivemind.dht.routing import DHTID
from hivemind.dht.storage import DictionaryDHTValue
from hivemind.utils import MSGPackSerializer, timed_storage
from hivemind.utils.timed_storage import ValueWithExpiration

from fakes.clock import FakeClock
from meadow_client.swarm.directory import LIFETIME_S, next_expiry
from meadow_client.swarm.records import MAX_LIFETIME_S
from meadow_client.swarm.storage import NewestRecords, RecordStorage, _dated_by_its_records

KEY = DHTID.generate("key")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr(timed_storage, "get_dht_time", clock)
    return clock


def held(storage: RecordStorage) -> dict[str, bytes]:
    found = storage.get(KEY)
    return {} if found is None else {owner: entry.value for owner, entry in found.value.items()}


def test_an_older_record_that_comes_again_does_not_take_the_newer_one_with_it(clock: FakeClock) -> None:
    storage = RecordStorage()
    assert storage.store_subkey(KEY, "owner", b"newer", clock.now + 40)
    assert not storage.store_subkey(KEY, "owner", b"older", clock.now + 10)
    clock.advance(20)
    assert held(storage) == {"owner": b"newer"}
    clock.advance(21)
    assert held(storage) == {}


def test_every_owners_record_stays_for_its_own_time(clock: FakeClock) -> None:
    storage = RecordStorage()
    storage.store_subkey(KEY, "short", b"1", clock.now + 10)
    storage.store_subkey(KEY, "long", b"2", clock.now + 40)
    storage.store_subkey(KEY, "short", b"3", clock.now + 20)
    assert held(storage) == {"short": b"3", "long": b"2"}
    clock.advance(15)
    assert held(storage) == {"short": b"3", "long": b"2"}
    clock.advance(15)
    assert held(storage) == {"long": b"2"}


def test_a_record_that_a_search_brought_along_does_not_shorten_the_life_of_others(clock: FakeClock) -> None:
    storage = RecordStorage()
    storage.store_subkey(KEY, "one", b"1", clock.now + 10)
    found = storage.get(KEY)
    assert found is not None
    found.value.store("brought", b"2", clock.now + 50)
    storage.store_subkey(KEY, "other", b"3", clock.now + 40)
    clock.advance(20)
    assert held(storage) == {"brought": b"2", "other": b"3"}


def test_other_nodes_read_our_records_as_they_read_their_own(clock: FakeClock) -> None:
    records = NewestRecords()
    records.store("owner", b"value", clock.now + 10)
    read = MSGPackSerializer.loads(MSGPackSerializer.dumps(records))
    assert type(read) is DictionaryDHTValue
    assert {owner: entry.value for owner, entry in read.items()} == {"owner": b"value"}


def test_an_answer_has_no_say_about_its_own_expiry_or_size(clock: FakeClock) -> None:
    answer = DictionaryDHTValue(maxsize=1)
    answer.store("owner", b"value", clock.now + 10)
    answer.latest_expiration_time = float("inf")
    found = _dated_by_its_records(ValueWithExpiration(answer, float("inf")))
    assert found is not None
    assert (found.expiration_time, found.value.maxsize) == (clock.now + 10, float("inf"))
    assert _dated_by_its_records(ValueWithExpiration(DictionaryDHTValue(), float("inf"))) is None
    assert _dated_by_its_records(ValueWithExpiration(b"value", clock.now + 10)) is None


@pytest.mark.parametrize("step_s", [15.0, 0.0, 0.001, -2.0, -5.0, -10.0])
def test_every_word_of_a_peer_expires_later_than_the_one_before_also_when_its_clock_is_set_back(step_s: float) -> None:
    first = next_expiry(1000.0, 0.0)
    second = next_expiry(1000.0 + step_s, first)
    assert first == 1000.0 + LIFETIME_S
    assert second > first
    # Others believe it, also those whose clocks are 2 s behind.
    assert second < 1000.0 + step_s - 2.0 + MAX_LIFETIME_S


def test_a_clock_that_was_set_back_by_hours_makes_no_record_that_nobody_believes() -> None:
    assert next_expiry(1000.0, 8000.0) < 1000.0 - 2.0 + MAX_LIFETIME_S
