"""Whatever a model is called, its files are found, and they are those that the swarm holds."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from fakes.clock import FakeClock
from meadow_client.errors import ModelNotFoundError
from meadow_client.gateway.askable import UnknownModelError
from meadow_client.models.room import NoRoomForModelError
from meadow_client.swarm.directory import Announcement, Server
from meadow_engine.chat_models import ChatModels, ModelFilesDifferError, ModelFilesMissingError


def model(source: str, fingerprint: str = "", layers: int = 4) -> Any:
    name = source.rpartition("/")[2]
    return SimpleNamespace(
        name=name,
        source=source,
        fingerprint=fingerprint or f"print-{name}",
        num_layers=layers,
        context_length=256,
    )


def server(name: str, fingerprint: str = "", layers: int = 4) -> Server:
    return Server(
        f"peer-{name}", Announcement(fingerprint or f"print-{name}", name, layers, 512, 0, 4, "", "0", "int8")
    )


OWN = model("/models/demo")


@dataclass
class Post:
    """An engine's models with what is around them: settings, swarm, files here, files on huggingface.co."""

    entries: list[str] = field(default_factory=list)
    servers: list[Server] = field(default_factory=list)
    here: dict[str, Any] = field(default_factory=dict)
    hub: dict[str, Any] = field(default_factory=dict)
    fails_with: Exception | None = None
    cached: list[str] = field(default_factory=list)
    read: list[tuple[str, bool]] = field(default_factory=list)
    asked_directory: int = 0
    lent: list[str] = field(default_factory=list)
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        loaded: Any = SimpleNamespace(lent=self.lend, is_answering=False, sources=lambda: {"people/loaded"})
        self.models = ChatModels(
            OWN, lambda: self.entries, self.find_servers, self.describe, lambda: self.cached, loaded, self.clock
        )

    async def find_servers(self) -> list[Server]:
        self.asked_directory += 1
        return self.servers

    def describe(self, source: str, *, may_fetch: bool) -> Any:
        self.read.append((source, may_fetch))
        if may_fetch and self.fails_with is not None:
            raise self.fails_with
        found = self.here.get(source) or (self.hub.get(source) if may_fetch else None)
        if found is None:
            raise ModelNotFoundError(f"There is no folder {source}")
        return found

    @asynccontextmanager
    async def lend(self, description: Any) -> Any:
        self.lent.append(description.fingerprint)
        yield f"answerer of {description.name}"


@pytest.fixture
def post() -> Post:
    return Post()


async def listed(post: Post) -> list[tuple[str, int]]:
    return [(model.id, model.context_length) for model in await post.models.askable_models()]


async def test_the_own_model_answers_without_a_swarm(post: Post) -> None:
    assert await listed(post) == [("demo", 256)]
    for asked in ("demo", "/models/demo", "print-demo"):
        assert await post.models.find(asked) is OWN


async def test_a_model_that_is_known_is_found_without_asking_the_directory(post: Post) -> None:
    await post.models.find("demo")
    assert post.asked_directory == 0


async def test_who_answers_is_lent_by_the_model(post: Post) -> None:
    post.entries, post.here = ["/models/other"], {"/models/other": model("/models/other")}
    async with post.models.answerer("other") as answerer:
        assert answerer == "answerer of other"
    async with post.models.answerer("demo") as answerer:
        assert answerer == "answerer of demo"
    assert post.lent == ["print-other", "print-demo"]


async def test_what_the_swarm_holds_is_listed_behind_what_is_known_here(post: Post) -> None:
    post.servers = [server("zebra"), server("ant"), server("demo")]
    post.entries, post.here = ["/models/zoo"], {"/models/zoo": model("/models/zoo")}
    assert await listed(post) == [("demo", 256), ("zoo", 256), ("ant", 512), ("zebra", 512)]


async def test_a_model_of_the_settings_is_there_at_once_and_gone_at_once(post: Post) -> None:
    post.here = {"/models/other": model("/models/other")}
    with pytest.raises(UnknownModelError):
        await post.models.find("other")
    post.entries = ["/models/other"]
    assert (await post.models.find("other")).source == "/models/other"
    post.entries = []
    with pytest.raises(UnknownModelError):
        await post.models.find("other")


async def test_listing_fetches_nothing(post: Post) -> None:
    post.entries, post.hub, post.servers = ["people/far"], {"people/far": model("people/far")}, [server("far")]
    assert await listed(post) == [("demo", 256), ("far", 512)]
    assert post.read == [("people/far", False)]


async def test_a_repository_of_the_settings_is_fetched_when_it_is_asked_for(post: Post) -> None:
    post.entries, post.hub = ["people/far"], {"people/far": model("people/far")}
    assert (await post.models.find("people/far")).source == "people/far"
    assert await listed(post) == [("demo", 256), ("far", 256)]


@pytest.mark.parametrize("asked", ["far", "print-far", "people/far"])
async def test_the_settings_say_where_a_model_of_the_swarm_is(post: Post, asked: str) -> None:
    post.entries, post.hub, post.servers = ["people/far"], {"people/far": model("people/far")}, [server("far")]
    assert (await post.models.find(asked)).source == "people/far"


async def test_the_person_may_say_where_a_model_of_the_swarm_is(post: Post) -> None:
    post.servers, post.hub = [server("far")], {"people/far": model("people/far")}
    assert (await post.models.find("people/far")).source == "people/far"
    post.read.clear()
    assert (await post.models.find("far")).source == "people/far"
    assert post.read == []


async def test_files_in_the_cache_are_found_by_the_announced_name(post: Post) -> None:
    post.servers, post.cached = [server("far")], ["people/near", "people/Far", "others/far"]
    post.here = {"people/Far": model("people/Far", "print-old"), "others/far": model("others/far")}
    assert (await post.models.find("far")).source == "others/far"
    assert all(not may_fetch for _source, may_fetch in post.read)


async def test_a_model_whose_name_is_its_repository_is_fetched(post: Post) -> None:
    post.servers, post.hub = [server("gpt2")], {"gpt2": model("gpt2")}
    assert (await post.models.find("gpt2")).source == "gpt2"


async def test_a_model_that_was_found_stays_when_its_servers_are_gone(post: Post) -> None:
    post.servers, post.hub = [server("far")], {"people/far": model("people/far")}
    await post.models.find("people/far")
    post.servers = []
    assert (await post.models.find("far")).fingerprint == "print-far"
    assert ("far", 256) in await listed(post)


async def test_without_files_one_sentence_says_what_to_do(post: Post) -> None:
    post.servers = [server("far")]
    with pytest.raises(ModelFilesMissingError, match="The swarm holds far, but its files are neither") as caught:
        await post.models.find("far")
    assert (caught.value.code, "setting `models`" in caught.value.advice) == ("model-files-missing", True)


@pytest.mark.parametrize("other", [model("people/far", "print-other"), model("people/far", layers=5)])
async def test_files_of_another_model_of_that_name_are_not_taken(post: Post, other: Any) -> None:
    post.servers, post.hub = [server("far")], {"people/far": other}
    with pytest.raises(ModelFilesDifferError):
        await post.models.find("people/far")


async def test_who_takes_a_known_name_for_another_model_is_not_asked_for_by_it(post: Post) -> None:
    post.servers = [server("demo", "print-liar")]
    assert await post.models.find("demo") is OWN
    assert [name for name, _ in await listed(post)] == ["demo", "demo@print-li"]
    with pytest.raises(ModelFilesMissingError):
        await post.models.find("demo@print-li")


@pytest.mark.parametrize("name", ["/etc", "../up", "~/x", ".", "..", "people/huge", "has space"])
async def test_a_strangers_word_is_never_taken_for_a_place(post: Post, name: str) -> None:
    post.servers = [server(name, "print-stranger")]
    with pytest.raises(ModelFilesMissingError):
        await post.models.find("print-stranger")
    assert post.read == []


async def test_no_room_on_the_disk_is_told_as_that(post: Post) -> None:
    post.servers, post.fails_with = [server("far")], NoRoomForModelError("people/far", 3, 2, 1)
    with pytest.raises(NoRoomForModelError):
        await post.models.find("people/far")


async def test_a_place_that_cannot_be_read_is_passed_over(post: Post) -> None:
    post.servers, post.cached, post.fails_with = [server("far")], ["people/far"], PermissionError(13, "denied")
    with pytest.raises(ModelFilesMissingError):
        await post.models.find("far")


async def test_a_model_that_nobody_knows_is_unknown(post: Post) -> None:
    with pytest.raises(UnknownModelError, match="'nothing' is not served here"):
        await post.models.find("nothing")


async def test_the_directory_is_not_asked_for_every_word(post: Post) -> None:
    for seconds in (0, 4, 4):
        post.clock.advance(seconds)
        with pytest.raises(UnknownModelError):
            await post.models.find("nothing")
    assert post.asked_directory == 2
