"""Only programs of this computer that hold the key get an answer; web pages never do."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

KEY = "key-of-the-tests"
BEARER = {"Authorization": f"Bearer {KEY}"}


def code_of(reply: httpx.Response) -> str:
    assert reply.headers["content-type"] == "application/json"
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "code", "param"}
    return str(error["code"])


async def test_with_the_key_the_models_are_shown(stranger: httpx.AsyncClient) -> None:
    assert (await stranger.get("/v1/models", headers=BEARER)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": KEY},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {KEY}x"},
        {"Authorization": f"Bearer {KEY[:-1]}"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": b"Bearer \xff\xfe"},
        {"X-Api-Key": KEY},
    ],
    ids=str,
)
async def test_without_the_key_nobody_is_answered(stranger: httpx.AsyncClient, headers: Any) -> None:
    reply = await stranger.get("/v1/models", headers=headers)
    assert (reply.status_code, code_of(reply)) == (401, "invalid_api_key")
    assert reply.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/", "/v1/models", "/v1/nothing", "/docs", "/openapi.json"])
async def test_without_the_key_nobody_learns_which_paths_there_are(stranger: httpx.AsyncClient, path: str) -> None:
    assert (await stranger.get(path)).status_code == 401


@pytest.mark.parametrize("origin", ["https://example.org", "http://127.0.0.1:4711", "null", ""])
async def test_a_web_page_is_refused_even_with_the_key(stranger: httpx.AsyncClient, origin: str) -> None:
    reply = await stranger.get("/v1/models", headers={**BEARER, "Origin": origin})
    assert (reply.status_code, code_of(reply)) == (403, "browser_refused")


async def test_a_web_page_may_not_even_ask_what_is_allowed(stranger: httpx.AsyncClient) -> None:
    reply = await stranger.options(
        "/v1/chat/completions",
        headers={"Origin": "https://example.org", "Access-Control-Request-Method": "POST"},
    )
    assert reply.status_code == 403
    assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize(
    "host", ["example.org", "example.org:4711", "127.0.0.1.example.org", "localhost.example.org", "0.0.0.0", ""]
)
async def test_another_name_for_this_computer_is_refused(stranger: httpx.AsyncClient, host: str) -> None:
    reply = await stranger.get("/v1/models", headers={**BEARER, "Host": host})
    assert (reply.status_code, code_of(reply)) == (421, "wrong_host")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:1", "localhost:4711", "LOCALHOST", "[::1]:4711"])
async def test_this_computers_own_names_are_answered(stranger: httpx.AsyncClient, host: str) -> None:
    assert (await stranger.get("/v1/models", headers={**BEARER, "Host": host})).status_code == 200


async def test_a_host_that_is_no_name_is_refused(stranger: httpx.AsyncClient) -> None:
    reply = await stranger.get("/v1/models", headers={**BEARER, "Host": "[::1"})
    assert reply.status_code == 421
