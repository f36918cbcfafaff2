"""Programs start quickly and stay apart: who may import what.

import-linter looks at whole packages; here are the fences it cannot draw.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "meadow_client": ROOT / "client" / "meadow_client",
    "meadow_engine": ROOT / "engine" / "meadow_engine",
}
MAY_IMPORT_TORCH = (
    "meadow_client.models",
    "meadow_client.session",
    "meadow_client.tuning",
    "meadow_engine.runtime",
    "meadow_engine.bench",
)
HEAVY = ["torch", "transformers", "hivemind"]
LOADED = "import json, sys; import {module}; print(json.dumps(sorted(sys.modules)))"


def modules_of(package: str) -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGES[package].rglob("*.py")):
        parts = path.relative_to(PACKAGES[package]).with_suffix("").parts
        yield ".".join((package, *(part for part in parts if part != "__init__"))), path


ALL_MODULES = [pytest.param(name, path, id=name) for package in PACKAGES for name, path in modules_of(package)]


def imported_at_the_top(path: Path) -> set[str]:
    """Top-level packages that a module imports when it is imported itself."""

    def walk(body: list[ast.stmt]) -> Iterator[str]:
        for node in body:
            match node:
                case ast.Import():
                    yield from (alias.name for alias in node.names)
                case ast.ImportFrom(module=str(module)):
                    yield module
                case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                    yield from walk(node.orelse)
                case ast.If() | ast.For() | ast.While():
                    yield from walk([*node.body, *node.orelse])
                case ast.Try():
                    yield from walk([*node.body, *(s for h in node.handlers for s in h.body), *node.orelse])
                case ast.With() | ast.ClassDef():
                    yield from walk(node.body)

    return {name.split(".")[0] for name in walk(ast.parse(path.read_text(encoding="utf-8")).body)}


def loaded_by(module: str) -> set[str]:
    """Everything that is loaded once a fresh interpreter has imported a module."""
    found = subprocess.run(
        [sys.executable, "-c", LOADED.format(module=module)], capture_output=True, text=True, check=True
    )
    return set(json.loads(found.stdout))


@pytest.mark.parametrize(("name", "path"), ALL_MODULES)
def test_torch_is_imported_by_the_parts_that_compute_only(name: str, path: Path) -> None:
    may = name.startswith(MAY_IMPORT_TORCH)
    assert may or "torch" not in imported_at_the_top(path)


@pytest.mark.parametrize(("name", "path"), ALL_MODULES)
def test_the_desktops_toolkit_is_imported_by_the_desktop_only(name: str, path: Path) -> None:
    assert not {"PySide6", "meadow_desktop"} & imported_at_the_top(path)


@pytest.mark.parametrize(("name", "path"), ALL_MODULES)
def test_hivemind_is_imported_by_the_swarm_only(name: str, path: Path) -> None:
    may = name.startswith("meadow_client.swarm")
    assert may or "hivemind" not in imported_at_the_top(path)


@pytest.mark.parametrize(("name", "path"), [m for m in ALL_MODULES if str(m.id).startswith("meadow_client")])
def test_the_client_does_not_know_the_engine(name: str, path: Path) -> None:
    assert "meadow_engine" not in imported_at_the_top(path)


@pytest.mark.parametrize(
    "module",
    [
        "meadow_client",
        "meadow_client.errors",
        "meadow_client.routing.chains",
        "meadow_client.wire.frames",
        "meadow_engine.cli.main",
        "meadow_engine.placement.choose",
    ],
)
def test_what_must_start_quickly_loads_nothing_heavy(module: str) -> None:
    assert not loaded_by(module) & set(HEAVY)


def test_the_api_is_pydantic_platformdirs_and_the_standard_library() -> None:
    names = [name for name, _ in modules_of("meadow_engine") if name.startswith("meadow_engine.api")]
    before = loaded_by("pydantic.main, pydantic.fields, platformdirs")
    after = loaded_by(", ".join(names))
    new = {name.split(".")[0] for name in after - before if not name.startswith("_sysconfigdata")}
    assert new <= {"meadow_engine", *sys.stdlib_module_names, "pydantic", "pydantic_core", "platformdirs"}
    assert {name for name in after if name.startswith("meadow_engine.")} == set(names) - {"meadow_engine"} | {
        "meadow_engine.api"
    }


def test_the_command_line_shows_its_help_without_anything_heavy() -> None:
    code = f"""
import sys
sys.argv = ["meadow", "--help"]
from meadow_engine.cli.main import main
try:
    main()
except SystemExit as end:
    assert end.code == 0
sys.exit(bool(set(sys.modules) & set({HEAVY!r})))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert "COMMAND" in found.stdout
