"""Starting the desktop where it cannot run: one sentence and advice, no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def start(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {
        key: value for key, value in os.environ.items() if key not in {"DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"}
    }
    return subprocess.run(
        [sys.executable, "-m", "meadow_desktop", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**kept, **environment},
        check=False,
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems always have a display")
def test_without_a_display_it_says_so() -> None:
    done = start()
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "Error: There is no display to show windows on.",
        "Run `meadow --no-gui` here, or start this from a graphical session.",
    ]


def test_without_qt_it_says_how_to_install_it(tmp_path: Path) -> None:
    (tmp_path / "PySide6.py").write_text("raise ImportError('No module named PySide6')\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = start(QT_QPA_PLATFORM="offscreen", PYTHONPATH=path)
    assert done.returncode == 1
    assert "pip install" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("in the way")
    done = start("--base-dir", str(tmp_path), "--attach-only", QT_QPA_PLATFORM="offscreen")
    assert done.returncode == 1
    assert "cannot write" in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_usage_is_exit_code_2() -> None:
    assert start("--fake-engine", "dancing").returncode == 2
