"""Who is let in by an X server, and what is made of one that talks nonsense."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from fakes.x_server import authority_entry, missing_server, running_server
from meadow_engine.senses import x11_wire
from meadow_engine.senses.x11_wire import X11Connection, X11Error, authority_path, display_number, find_cookie

NOWHERE = Path("/nonexistent/.Xauthority")
SECRET = bytes(range(16))


@pytest.mark.skipif(missing_server() is not None, reason=str(missing_server()))
async def test_a_server_lets_in_who_knows_its_secret_and_nobody_else(tmp_path: Path) -> None:
    keys, ours, wrong = tmp_path / "keys", tmp_path / "ours", tmp_path / "wrong"
    keys.write_bytes(authority_entry(65535, b"", b"", SECRET))
    with running_server("-auth", str(keys)) as (display, _):
        number, here = display[1:].encode(), socket.gethostname().encode()
        another = authority_entry(256, b"another-computer", number, bytes(16))
        ours.write_bytes(another + authority_entry(256, here, number, SECRET))
        wrong.write_bytes(authority_entry(256, here, number, b"a wrong secret.."))
        assert [await is_let_in(display, each) for each in (keys, ours, wrong, NOWHERE)] == [True, True, False, False]


async def is_let_in(display: str, authority: Path) -> bool:
    try:
        connection = await X11Connection.open(display, authority)
    except X11Error:
        return False
    is_answered = await connection.extension("MIT-SCREEN-SAVER") is not None
    await connection.aclose()
    return is_answered


@pytest.mark.parametrize("answer", [b"", b"\x00" * 8, b"\x01\x00\x0b\x00\x00\x00\xff\xff" + bytes(400), bytes(40)])
async def test_something_else_behind_the_socket_is_not_believed(
    answer: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        writer.close()

    monkeypatch.setattr(x11_wire, "_SOCKET_FOLDER", str(tmp_path))
    async with await asyncio.start_unix_server(talk, tmp_path / "X0"):
        with pytest.raises(X11Error):
            await X11Connection.open(":0", NOWHERE)


@pytest.mark.parametrize(
    "display",
    ["localhost:10.0", "elsewhere:0", "192.0.2.7:0", "/private/tmp/launch/org.xquartz:0", "", "seven"],
)
async def test_a_screen_elsewhere_is_not_this_desk(display: str) -> None:
    with pytest.raises(X11Error, match="not on this computer"):
        await X11Connection.open(display, NOWHERE)


@pytest.mark.parametrize(("display", "number"), [(":0", 0), (":12.1", 12), ("unix:3", 3)])
def test_display_numbers_of_this_computer(display: str, number: int) -> None:
    assert display_number(display) == number


def test_the_secret_is_found_by_host_and_number() -> None:
    other_kind = authority_entry(256, b"here", b"1", b"x" * 8, kind=b"XDM-AUTHORIZATION-1")
    there = authority_entry(256, b"there", b"1", b"a" * 16)
    file = other_kind + there + authority_entry(256, b"here", b"1", b"b" * 16)
    assert find_cookie(file, 1, "here") == b"b" * 16
    assert find_cookie(file, 2, "here") is None
    assert find_cookie(file + authority_entry(65535, b"", b"", b"c" * 16), 2, "here") == b"c" * 16


@pytest.mark.parametrize("cut", range(1, 20))
def test_a_file_that_was_cut_short_gives_no_secret(cut: int) -> None:
    assert find_cookie(authority_entry(65535, b"", b"", b"")[:cut], 1, "here") is None


def test_secrets_lie_where_the_session_says_or_in_the_home() -> None:
    assert authority_path({"XAUTHORITY": "/run/user/1000/gdm", "HOME": "/home/ada"}) == Path("/run/user/1000/gdm")
    assert authority_path({"HOME": "/home/ada"}) == Path("/home/ada/.Xauthority")
    assert authority_path({}) == Path("/.Xauthority")
