"""The engine's HTTP server is on this computer only, and its key is its owner's."""

from __future__ import annotations

import socket
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest

from meadow_client.errors import PortTakenError
from meadow_engine.http_server import load_or_create_key, serving_http


async def greet(scope: Any, _receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


async def get(url: str) -> str:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(url)).text


async def test_an_app_answers_at_its_url_as_long_as_the_block_runs() -> None:
    async with serving_http(greet, 0) as url:
        assert url.startswith("http://127.0.0.1:")
        assert await get(url) == "hello"
    with pytest.raises(httpx.ConnectError):
        await get(url)


async def test_a_chosen_port_is_used_and_free_again_afterwards() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for _ in range(2):
        async with serving_http(greet, port) as url:
            assert url == f"http://127.0.0.1:{port}"
            assert await get(url) == "hello"


async def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTakenError, match=str(port)):
            async with serving_http(greet, port):
                pass


async def test_a_failure_inside_the_block_ends_the_server() -> None:
    url = ""
    with pytest.raises(ExceptionGroup) as caught:
        async with serving_http(greet, 0) as url:
            raise KeyError("a defect")
    assert caught.group_contains(KeyError)
    with pytest.raises(httpx.ConnectError):
        await get(url)


def test_a_key_is_made_once_and_kept(tmp_path: Path) -> None:
    first = load_or_create_key(tmp_path / "config" / "api-key")
    assert len(first) >= 40
    assert load_or_create_key(tmp_path / "config" / "api-key") == first


def test_a_key_is_for_its_owner_only(tmp_path: Path) -> None:
    load_or_create_key(tmp_path / "api-key")
    assert stat.S_IMODE((tmp_path / "api-key").stat().st_mode) == 0o600


def test_two_computers_have_different_keys(tmp_path: Path) -> None:
    assert load_or_create_key(tmp_path / "one") != load_or_create_key(tmp_path / "other")


def test_a_key_that_the_person_chose_is_taken(tmp_path: Path) -> None:
    (tmp_path / "api-key").write_text("my own key\n")
    assert load_or_create_key(tmp_path / "api-key") == "my own key"


def test_an_empty_key_file_is_no_open_door(tmp_path: Path) -> None:
    (tmp_path / "api-key").write_text("\n")
    assert len(load_or_create_key(tmp_path / "api-key")) >= 40


@pytest.mark.parametrize("content", [b"\xff\xfe", b"two\nlines", b"schl\xc3\xbcssel", b"\0" * 43])
def test_what_nobody_could_send_as_a_key_is_kept_beside_and_another_key_made(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "api-key").write_bytes(content)
    assert len(load_or_create_key(tmp_path / "api-key")) >= 40
    assert (tmp_path / "api-key.broken").read_bytes() == content
    assert "api-key holds no API key" in caplog.text
