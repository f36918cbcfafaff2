"""A file's ends are read without the rest, from the disk and from a small hub on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import huggingface_hub
import pytest

from fakes.hub_server import FakeHub, HubModel, running_hub
from fakes.processes import wait_until
from meadow_client.errors import ModelNotFoundError
from meadow_client.models.file_ends import ends_of, ends_on_hub

CONTENT = bytes(range(256)) * 4000
SHORT = b"short"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with running_hub({"people/model": HubModel({"weights": CONTENT, "short": SHORT})}) as hub:
        at_hub = partial(huggingface_hub.hf_hub_url, endpoint=hub.url)
        monkeypatch.setattr(huggingface_hub, "hf_hub_url", at_hub)
        yield hub


@pytest.mark.parametrize("content", [CONTENT, SHORT, b""])
def test_the_ends_of_a_file_on_the_disk(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert ends_of(tmp_path / "file", 1000) == content[:1000] + content[-1000:]


def test_of_a_large_file_on_the_hub_nothing_but_its_ends_is_fetched(hub: FakeHub) -> None:
    assert ends_on_hub("people/model", "weights", 1000) == CONTENT[:1000] + CONTENT[-1000:]
    ends = [(0, 1000), (len(CONTENT) - 1000, 1000)]
    wait_until(lambda: hub.sent_of("weights") == ends, 5, f"the hub to have sent {ends}")


def test_a_file_that_the_repository_lacks_has_no_ends(hub: FakeHub) -> None:
    assert ends_on_hub("people/model", "other", 1000) is None


def test_a_hub_that_does_not_answer_is_told_in_a_sentence(hub: FakeHub) -> None:
    hub.is_down = True
    with pytest.raises(ModelNotFoundError, match="could be fetched"):
        ends_on_hub("people/model", "weights", 1000)


def test_a_hub_that_nobody_reaches_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = partial(huggingface_hub.hf_hub_url, endpoint="http://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub, "hf_hub_url", nowhere)
    with pytest.raises(ModelNotFoundError, match="could be fetched"):
        ends_on_hub("people/model", "weights", 1000)
