"""Decisions follow from their arguments alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import meadow_engine.policy

MODULES = sorted(Path(meadow_engine.policy.__file__).parent.glob("*.py"))
MAY_IMPORT = {"__future__", "collections.abc", "dataclasses", "typing"}
# The manual is written by a small program.
MAY_IMPORT_ALSO = {"table.py": {"pathlib", "sys"}}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_the_policy_knows_no_clock_no_files_and_no_loop(path: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            imported.add(node.module or "")
    assert imported <= MAY_IMPORT | MAY_IMPORT_ALSO.get(path.name, set())
