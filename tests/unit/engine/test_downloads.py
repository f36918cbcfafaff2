"""A model is fetched by a process that can be stopped at any moment, and goes on where it ended."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
from huggingface_hub import try_to_load_from_cache

from fakes.hub_models import EMBEDDINGS, HEAD, LAYERS, MIB, MODEL, NEEDED, model_in_parts
from fakes.hub_server import FakeHub, HubModel, running_hub
from fakes.small_disk import small_disk
from meadow_client.models.room import NoRoomForModelError
from meadow_engine.api.downloads import Download, DownloadState
from meadow_engine.download_plan import DiskFullError, Hub, incomplete_path
from meadow_engine.download_process import FetchOrder
from meadow_engine.downloads import COMMAND, Downloads, NoSuchDownloadError, running_downloads
from meadow_engine.kept_downloads import KeptDownload, keep_downloads, read_downloads

GATED = "people/gated"


@pytest.fixture
def server() -> Iterator[FakeHub]:
    gated = HubModel({"config.json": b"{}", "model.safetensors": b"w" * 100}, is_gated=True)
    with running_hub({MODEL: model_in_parts(), GATED: gated}) as hub:
        yield hub


@pytest.fixture
def hub(server: FakeHub, tmp_path: Path) -> Hub:
    return Hub(server.url, tmp_path / "cache")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Where the list of downloads is kept."""
    return tmp_path / "data" / "downloads.json"


@pytest.fixture
async def downloads(hub: Hub) -> AsyncIterator[Downloads]:
    async with running_downloads(hub) as found:
        yield found


async def ended(downloads: Downloads, state: DownloadState) -> Download:
    """The one download, once it is in this state."""
    found = await once(downloads, lambda found: found.state != "downloading")
    assert found.state == state, found
    return found


async def once(downloads: Downloads, is_so: Callable[[Download], bool]) -> Download:
    """The one download, once this is so."""
    async with asyncio.timeout(60):
        while not is_so(found := (await downloads.all())[0]):  # noqa: ASYNC110 - another process writes the files
            await asyncio.sleep(0.02)
    return found


def found_without_network(hub: Hub) -> dict[str, bytes]:
    """What huggingface_hub finds of the model in its cache, by its name alone."""
    names = model_in_parts().files
    found = {name: try_to_load_from_cache(MODEL, name, cache_dir=hub.cache) for name in names}
    return {name: Path(path).read_bytes() for name, path in found.items() if isinstance(path, str)}


async def test_the_size_comes_first(downloads: Downloads, server: FakeHub) -> None:
    size = await downloads.size(MODEL)
    needed = sum(len(server.models[MODEL].files[name]) for name in NEEDED)
    # The index had to be read for it.
    index_bytes = len(server.models[MODEL].files["model.safetensors.index.json"])
    assert (size.total_bytes, size.here_bytes, size.fetch_bytes) == (needed, index_bytes, needed - index_bytes)
    assert size.free_bytes > 0
    assert not await downloads.all()


async def test_pause_and_resume_fetch_every_byte_once(downloads: Downloads, server: FakeHub, hub: Hub) -> None:
    server.stops_at[EMBEDDINGS] = 3 * MIB
    await downloads.start(MODEL)
    await asyncio.to_thread(server.wait_until_stopped)
    await once(downloads, lambda found: found.done_bytes >= 3 * MIB)
    paused = await downloads.pause(MODEL)
    assert paused.state == "paused"
    assert 3 * MIB <= paused.done_bytes < paused.total_bytes
    server.go_on()
    assert (await downloads.resume(MODEL)).state == "downloading"
    done = await ended(downloads, "done")
    assert done.done_bytes == done.total_bytes
    files = server.models[MODEL].files
    assert server.sent_of(EMBEDDINGS) == [(0, 3 * MIB), (3 * MIB, len(files[EMBEDDINGS]) - 3 * MIB)]
    for name in set(NEEDED) - {EMBEDDINGS}:
        assert server.sent_of(name) == [(0, len(files[name]))], name
    assert not server.sent_of(LAYERS)
    assert found_without_network(hub) == {name: files[name] for name in NEEDED}


async def test_a_paused_download_costs_no_process(downloads: Downloads, server: FakeHub) -> None:
    server.stops_at[EMBEDDINGS] = MIB
    await downloads.start(MODEL)
    await asyncio.to_thread(server.wait_until_stopped)
    assert fetching_processes()
    await downloads.pause(MODEL)
    assert not fetching_processes()


async def test_an_engine_that_ends_leaves_no_process_and_the_next_one_goes_on(
    server: FakeHub, hub: Hub, kept: Path
) -> None:
    server.stops_at[EMBEDDINGS] = 2 * MIB
    async with running_downloads(hub, file=kept) as first:
        await first.start(MODEL)
        await asyncio.to_thread(server.wait_until_stopped)
        await once(first, lambda found: found.done_bytes >= 2 * MIB)
    assert not fetching_processes()
    server.go_on()
    async with running_downloads(hub, file=kept) as second:
        [going_on] = await second.all()
        assert going_on.done_bytes >= 2 * MIB
        await ended(second, "done")
    assert server.sent_of(EMBEDDINGS)[1][0] == 2 * MIB
    async with running_downloads(hub, file=kept) as third:
        assert await third.all() == []  # what is done need not be told again


async def test_a_paused_download_is_there_after_a_restart_with_what_it_has(
    server: FakeHub, hub: Hub, kept: Path
) -> None:
    server.stops_at[EMBEDDINGS] = 2 * MIB
    async with running_downloads(hub, file=kept) as first:
        await first.start(MODEL)
        await asyncio.to_thread(server.wait_until_stopped)
        await once(first, lambda found: found.done_bytes >= 2 * MIB)
        before = await first.pause(MODEL)
    server.is_down = True  # who only looks at the list needs no network
    async with running_downloads(hub, file=kept) as second:
        assert await second.all() == [before]
        assert not fetching_processes()
        server.is_down = False
        server.go_on()
        await second.resume(MODEL)
        await ended(second, "done")
    assert server.sent_of(EMBEDDINGS)[1][0] == 2 * MIB


async def test_a_broken_download_is_there_after_a_restart_paused(server: FakeHub, hub: Hub, kept: Path) -> None:
    server.stops_at[EMBEDDINGS] = MIB
    async with running_downloads(hub, file=kept) as first:
        await first.start(MODEL)
        await asyncio.to_thread(server.wait_until_stopped)
        server.is_down = True
        server.go_on()
        failed = await ended(first, "failed")
    async with running_downloads(hub, file=kept) as second:
        [found] = await second.all()
        assert found == failed.model_copy(update={"state": "paused", "problem": "", "advice": ""})


async def test_what_goes_on_after_a_restart_waits_for_the_network(server: FakeHub, hub: Hub, kept: Path) -> None:
    plan = await asyncio.to_thread(hub.plan, MODEL)
    await asyncio.to_thread(keep_downloads, kept, [KeptDownload.of(plan, is_paused=False)])
    server.is_down = True
    async with asyncio.TaskGroup() as group:
        downloads = Downloads(group, hub, file=kept, network_waits_s=[0.01, 0.01, 60.0])
        await downloads.restore()
        async with asyncio.timeout(60):
            while sum(asked.path.startswith("/people/model") for asked in server.asked) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert [found.state for found in await downloads.all()] == ["downloading"]
        server.is_down = False
        await downloads.pause(MODEL)  # also while it waits
        await downloads.resume(MODEL)
        await ended(downloads, "done")


async def test_a_network_that_does_not_come_is_a_failure(server: FakeHub, hub: Hub, kept: Path) -> None:
    plan = await asyncio.to_thread(hub.plan, MODEL)
    await asyncio.to_thread(keep_downloads, kept, [KeptDownload.of(plan, is_paused=False)])
    server.is_down = True
    async with asyncio.TaskGroup() as group:
        downloads = Downloads(group, hub, file=kept, network_waits_s=[0.01])
        await downloads.restore()
        assert (await ended(downloads, "failed")).problem.startswith("huggingface.co cannot be reached")


async def test_what_no_longer_fits_does_not_go_on_by_itself(server: FakeHub, hub: Hub, kept: Path) -> None:
    server.stops_at[EMBEDDINGS] = MIB
    async with running_downloads(hub, file=kept) as first:
        await first.start(MODEL)
        await asyncio.to_thread(server.wait_until_stopped)
    async with running_downloads(hub, limit_bytes=lambda: 1, file=kept) as second:
        assert "that they may" in (await ended(second, "failed")).problem
    assert len(server.sent_of(EMBEDDINGS)) <= 1


async def test_a_list_that_is_damaged_is_set_aside_and_the_next_fetching_goes_on(
    server: FakeHub, hub: Hub, kept: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.stops_at[EMBEDDINGS] = 2 * MIB
    async with running_downloads(hub, file=kept) as first:
        await first.start(MODEL)
        await asyncio.to_thread(server.wait_until_stopped)
        await once(first, lambda found: found.done_bytes >= 2 * MIB)
    server.go_on()
    for name in ("downloads.json.broken", "downloads.json.broken-2"):
        await asyncio.to_thread(kept.write_text, '{"downloads": [{"model": ')
        async with running_downloads(hub, file=kept) as second:
            assert await second.all() == []
        assert kept.with_name(name).read_text() == '{"downloads": [{"model": '
    assert caplog.messages == [
        f"{kept} cannot be read; it is kept as {name}, and the list of downloads begins anew. What has arrived is kept"
        for name in ("downloads.json.broken", "downloads.json.broken-2")
    ]
    async with running_downloads(hub, file=kept) as third:
        assert (await third.start(MODEL)).done_bytes >= 2 * MIB
        await ended(third, "done")


def test_names_of_files_that_lead_elsewhere_are_damage(hub: Hub, kept: Path) -> None:
    plan = hub.plan(MODEL)
    keep_downloads(kept, [KeptDownload.of(plan, is_paused=True)])
    assert len(read_downloads(kept)) == 1
    kept.write_text(kept.read_text().replace(plan.files[0].blob, "../../../somewhere"))
    assert read_downloads(kept) == ()


@pytest.mark.root
async def test_a_disk_that_takes_no_list_stops_no_download(
    hub: Hub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        disk.fill()
        async with running_downloads(hub, file=disk.folder / "downloads.json") as downloads:
            await downloads.start(MODEL)
            await ended(downloads, "done")
    assert "The list of downloads cannot be kept over a restart: No space left on device" in caplog.messages


@pytest.mark.parametrize("is_paused", [True, False])
async def test_what_is_removed_is_gone_with_its_half_files_and_whole_ones_stay(
    server: FakeHub, hub: Hub, kept: Path, is_paused: bool
) -> None:
    server.stops_at[EMBEDDINGS] = 2 * MIB
    async with running_downloads(hub, file=kept) as first:
        await first.start(MODEL)
        await asyncio.to_thread(server.wait_until_stopped)
        await once(first, lambda found: found.done_bytes >= 2 * MIB)
        if is_paused:
            await first.pause(MODEL)
        assert await first.remove(MODEL) == []
        assert not fetching_processes()
        whole = ("config.json", "model.safetensors.index.json")
        files = server.models[MODEL].files
        assert (await first.size(MODEL)).here_bytes == sum(len(files[name]) for name in whole)
        with pytest.raises(NoSuchDownloadError):
            await first.resume(MODEL)
    assert not list(hub.folder_of(MODEL).rglob("*.incomplete"))
    async with running_downloads(hub, file=kept) as second:
        assert await second.all() == []


def test_a_fetching_process_ends_with_the_engine_that_started_it(server: FakeHub, hub: Hub) -> None:
    """Also with one that was killed and could say nothing: the system then closes its end of the pipe."""
    server.stops_at[EMBEDDINGS] = MIB
    plan = hub.plan(MODEL)
    files = [(file.name, file.size_bytes, file.blob) for file in plan.files]
    order = FetchOrder(MODEL, plan.commit, str(plan.folder), files, hub.endpoint, str(hub.cache))
    environment = {**os.environ, "HF_HUB_DISABLE_XET": "1"}
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        process.stdin.flush()
        server.wait_until_stopped()
        process.stdin.close()
        assert process.wait(20) == 0


async def test_what_was_damaged_on_the_disk_is_noticed_and_fetched_anew(downloads: Downloads, hub: Hub) -> None:
    plan = hub.plan(MODEL)
    assert plan.folder is not None
    head = next(file for file in plan.files if file.name == HEAD)
    growing = incomplete_path(plan.folder, head)
    growing.parent.mkdir(parents=True, exist_ok=True)
    growing.write_bytes(bytes(1000))
    await downloads.start(MODEL)
    failed = await ended(downloads, "failed")
    assert "did not arrive as the Hub announced it" in failed.problem
    await downloads.resume(MODEL)
    await ended(downloads, "done")


async def test_what_is_here_is_not_fetched_again(downloads: Downloads, server: FakeHub) -> None:
    await downloads.start(MODEL)
    await ended(downloads, "done")
    before = len(server.asked)
    assert (await downloads.size(MODEL)).fetch_bytes == 0
    await downloads.start(MODEL)
    await ended(downloads, "done")
    assert not [asked for asked in server.asked[before:] if asked.path.endswith(".safetensors")]


async def test_a_gated_model_fails_with_advice(downloads: Downloads) -> None:
    await downloads.start(GATED)
    failed = await ended(downloads, "failed")
    assert failed.problem == "The makers of people/gated give it only to those who ask for it."
    assert "https://huggingface.co/people/gated" in failed.advice


async def test_a_hub_that_goes_away_is_a_failure_and_resume_goes_on(downloads: Downloads, server: FakeHub) -> None:
    server.stops_at[EMBEDDINGS] = MIB
    await downloads.start(MODEL)
    await asyncio.to_thread(server.wait_until_stopped)
    server.is_down = True
    server.go_on()
    failed = await ended(downloads, "failed")
    assert failed.problem == "huggingface.co cannot be reached (it answers 503)."
    assert "Check the network" in failed.advice
    assert failed.done_bytes >= MIB
    server.is_down = False
    await downloads.resume(MODEL)
    await ended(downloads, "done")


@pytest.mark.root
async def test_a_disk_that_fills_up_meanwhile_is_called_by_its_name(server: FakeHub, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        async with asyncio.TaskGroup() as group:
            downloads = Downloads(group, Hub(server.url, disk.folder / "hub"), free_bytes=lambda _plan: 10**12)
            await downloads.start(MODEL)
            failed = await ended(downloads, "failed")
    assert failed.problem == f"The disk with {tmp_path}/disk/hub/models--people--model has not enough space."
    assert failed.advice.startswith("Free some space")
    assert 500_000 < failed.done_bytes < failed.total_bytes


async def test_what_would_not_fit_is_not_begun(hub: Hub) -> None:
    async with asyncio.TaskGroup() as group:
        downloads = Downloads(group, hub, free_bytes=lambda _plan: 400_000_000)
        with pytest.raises(DiskFullError, match=r"not enough space: 0\.1 GB more are needed"):
            await downloads.start(MODEL)
        assert await downloads.all() == []


async def test_what_the_settings_do_not_allow_is_not_begun(hub: Hub) -> None:
    async with running_downloads(hub, limit_bytes=lambda: 1_000_000) as downloads:
        with pytest.raises(NoRoomForModelError, match=r"of the 1\.0 MB that they may") as caught:
            await downloads.start(MODEL)
        assert "models_gb" in caught.value.advice
        assert await downloads.all() == []


async def test_a_process_that_ends_by_itself_is_a_failure(hub: Hub) -> None:
    async with running_downloads(hub, [sys.executable, "-c", "print('no report')"]) as downloads:
        await downloads.start(MODEL)
        assert "ended by itself" in (await ended(downloads, "failed")).problem


async def test_the_bundled_model_is_there_at_once(downloads: Downloads) -> None:
    await downloads.start("demo")
    done = await ended(downloads, "done")
    assert (done.done_bytes, done.total_bytes) == (0, 0)


async def test_what_was_never_begun_cannot_be_paused(downloads: Downloads) -> None:
    for command in (downloads.pause, downloads.resume, downloads.remove):
        with pytest.raises(NoSuchDownloadError, match="is not being fetched"):
            await command(MODEL)


def fetching_processes() -> list[int]:
    """Children of this process that fetch, without those that have ended."""
    found = []
    for child in psutil.Process().children(recursive=True):
        if child.status() != psutil.STATUS_ZOMBIE and "meadow_engine.download_process" in child.cmdline():
            found.append(child.pid)
    return found
