"""`meadow demo` and `meadow chat` as a newcomer runs them."""

from __future__ import annotations

import json
from pathlib import Path

import psutil

from fakes.processes import Swarm, run_meadow, running_meadow


def test_the_demo_answers_one_question_and_ends(tmp_path: Path) -> None:
    done = run_meadow("demo", "--no-gui", "--prompt", "What is Meadow?", "--base-dir", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "Meadow" in done.stdout
    assert len(done.stdout.splitlines()) <= 3
    assert done.stderr.count("holds layers") == 3
    assert "layers 0–2" in done.stderr


def test_the_demo_serves_until_it_is_ended_and_takes_its_engines_along(tmp_path: Path) -> None:
    with running_meadow("demo", "--no-window", "--base-dir", str(tmp_path)) as demo:
        engines = demo.ready["engines"]
        assert [engine["layers"] for engine in engines] == [[0, 3], [3, 6], [6, 8]]
        assert all(psutil.pid_exists(engine["pid"]) for engine in engines)
        assert demo.end() == 0
    assert not any(
        psutil.pid_exists(engine["pid"]) and psutil.Process(engine["pid"]).status() != psutil.STATUS_ZOMBIE
        for engine in engines
    )


def test_chat_prints_the_answer_or_json_and_different_questions_get_different_answers(demo_swarm: Swarm) -> None:
    join = ["--join", demo_swarm.address]
    plain = run_meadow("chat", "demo", *join, "--prompt", "What is Meadow?", "--greedy")
    assert plain.returncode == 0, plain.stderr
    whole = json.loads(run_meadow("chat", "demo", *join, "--prompt", "What is Meadow?", "--json").stdout)
    assert whole["answer"].strip() == plain.stdout.strip()
    assert whole["finish_reason"] == "stop"
    assert [(link["start"], link["end"]) for link in whole["chain"]] == [(0, 3), (3, 4), (4, 8)]
    other = run_meadow("chat", "demo", *join, "--prompt", "Why do leaves fall in autumn?")
    assert other.stdout.strip()
    assert other.stdout != plain.stdout


def test_logs_hold_no_prompts_and_no_answers(demo_swarm: Swarm) -> None:
    secret = "zephyrquartz"
    done = run_meadow("chat", "demo", "--join", demo_swarm.address, "--prompt", f"Who is {secret}?", "--verbose")
    assert done.returncode == 0, done.stderr
    logs = done.stderr + "".join(engine.log() for engine in demo_swarm.engines)
    assert secret not in logs
    assert done.stdout.strip()[:30] not in logs


def test_bench_decode_reports_as_agreed(tmp_path: Path, demo_swarm: Swarm) -> None:
    done = run_meadow("bench", "decode", "demo", "--join", demo_swarm.address, "--runs", "2", "--tokens", "8", "--json")
    report = json.loads(done.stdout)
    assert set(report) == {"bench", "model", "settings", "machine", "results", "reference", "ratio"}
    assert report["results"]["same_text"]
    assert report["results"]["hops"] == 3
    assert report["ratio"]["median"] > 0
