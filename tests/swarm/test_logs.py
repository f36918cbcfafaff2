"""engine.log of a real engine tells what happened, and nothing of what people said."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from fakes.processes import LOOPBACK, Program, running_meadow, wait_until

SECRET = "xylophonist"  # no word of the bundled model's own answers


@dataclass
class Chatted:
    """An engine that has ended, after somebody told it a secret."""

    program: Program
    base: Path
    token: str
    answer: str

    def written(self) -> dict[str, str]:
        """All that may hold logs, by its name."""
        logs = {path.name: path.read_text(encoding="utf-8") for path in (self.base / "logs").iterdir()}
        return {**logs, "stderr": self.program.log()}


@pytest.fixture(scope="module")
def chatted(tmp_path_factory: pytest.TempPathFactory) -> Chatted:
    base: Path = tmp_path_factory.mktemp("logs")
    (base / "config").mkdir()
    (base / "config" / "settings.toml").write_text(
        f'listen = ["{LOOPBACK}"]\ndevice = "cpu"\nshare = true\nmode = "always"\nforeign_cpu_percent = 100\n'
    )
    with running_meadow("--no-gui", "--verbose", "--base-dir", str(base)) as program:
        running = json.loads((base / "run" / "engine.json").read_text())
        headers = {"Authorization": f"Bearer {running['token']}"}
        with httpx.Client(base_url=running["url"], headers=headers, timeout=30) as http:
            wait_until(lambda: http.get("/api/status").json()["sharing"] == "sharing", 20, "sharing")
            question = {"model": "meadow-demo", "messages": [{"role": "user", "content": f"Who is {SECRET}?"}]}
            answer = http.post("/v1/chat/completions", json={**question, "max_tokens": 24})
            for wrong in ({**question, "model": SECRET}, {**question, "temperature": SECRET}, [SECRET]):
                assert http.post("/v1/chat/completions", json=wrong).status_code >= 400
            http.post("/v1/chat/completions", content=f'{{"{SECRET}": ')
            http.post("/api/sharing", json={"enabled": False})
            wait_until(lambda: http.get("/api/status").json()["sharing"] == "off", 15, "the end of sharing")
        assert program.end() == 0
        content = answer.json()["choices"][0]["message"]["content"]
    return Chatted(program, base, running["token"], content)


def test_the_file_tells_what_happened(chatted: Chatted) -> None:
    written = chatted.written()["engine.log"]
    assert " INFO meadow_engine." in written
    assert "Traceback" not in written


def test_what_the_host_says_is_in_the_same_file(chatted: Chatted) -> None:
    assert " meadow_engine.host: meadow_engine." in chatted.written()["engine.log"]


def test_neither_question_nor_answer_is_written_anywhere(chatted: Chatted) -> None:
    assert len(chatted.answer) > 20
    for name, text in chatted.written().items():
        assert SECRET not in text, name
        assert chatted.answer[:20] not in text, name
        assert "tensor(" not in text, name


def test_the_token_that_opens_the_engine_is_not_written(chatted: Chatted) -> None:
    for name, text in chatted.written().items():
        assert chatted.token not in text, name
