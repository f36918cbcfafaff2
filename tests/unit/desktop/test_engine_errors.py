"""Every expected error of the engine that people can meet in the app is told in their language; sources are read."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from meadow_client.errors import MeadowError, PortTakenError, ServerLostError
from meadow_desktop import language
from meadow_desktop.engine_words import told
from meadow_engine.autostart.interface import AutostartRefusedError
from meadow_engine.download_plan import DiskFullError, HubUnreachableError

ROOT = Path(__file__).resolve().parents[3]

_NOT_MET = {
    "engine/meadow_engine/bench/": "the command `meadow bench`",
    "engine/meadow_engine/cli/": "said in the terminal",
    "engine/meadow_engine/local_swarm.py": "the command `meadow demo`",
    "engine/meadow_engine/autostart/choose.py": "the engine without the app",
    "engine/meadow_engine/autostart/systemd_unit.py": "the engine without the app",
    "engine/meadow_engine/runtime/caches.py": "a server's own; only codes cross the network",
    "engine/meadow_engine/runtime/packed_attention.py": "a server's own; it computes one by one then",
    "engine/meadow_engine/runtime/pool.py": "a server's own; only codes cross the network",
    "engine/meadow_engine/runtime/requests.py": "a server's own; only codes cross the network",
    "engine/meadow_engine/serving/": "a server's own; only codes cross the network",
    "client/meadow_client/models/distributed.py": "programs that use the package",
    "client/meadow_client/models/draft.py": "the command `meadow chat --draft`",
    "client/meadow_client/session/hop.py": "programs that use the package; prompts go in pieces that are taken",
    "client/meadow_client/session/inference.py": "programs that use the package",
    "client/meadow_client/session/pipeline.py": "the session mends it before anybody hears of it",
    "client/meadow_client/session/saving.py": "programs that use the package",
    "client/meadow_client/session/sequential.py": "programs that use the package",
    "client/meadow_client/session/upkeep.py": "programs that use the package",
    "client/meadow_client/wire/": "a stranger's mistake, which is a lost server to whoever waits",
}
_NOT_SAID = {
    "These layers run one session at a time": "a server's own; it computes one by one then",
    "Open a new session with model.inference_session().": "programs that use the package",
    "`meadow --help` says what every flag may be.": "said in the terminal, which flags were typed in",
    "This computer serves nothing now": "answers a stranger",
    "initial_peers is empty, so there is no swarm to join": "programs that use the package",
    "Leave --draft out.": "the command `meadow chat --draft`",
    "X cannot take a draft model, because its layers cannot forget a wrong guess": "the command `meadow chat --draft`",
    "X is no reason that can be left out": "the app offers those that can be",
    "Those that can: X.": "the app offers those that can be",
    # These are put together of parts; see the test below.
    "X cannot be X (X)": "written, or removed",
    "The disk with X has not enough spaceX": "perhaps with how much",
    "it answers X": "why the Hub cannot be reached",
    "127.0.0.1 port X": "where somebody else listens",
    "The computer X with X X": "what became of it",
    "did not get what it was to take over": "what became of a computer",
    "cannot be reached": "what became of a computer",
}


@pytest.fixture(autouse=True)
def _german() -> Iterator[None]:
    language.use_language("de")
    yield
    language.use_language("en")


def test_whatever_the_engine_can_say_in_the_app_is_told_in_its_language() -> None:
    """Every message and advice of an expected error, but for those that nobody meets in the app."""
    untold = [
        f"{path}: {sentence}"
        for path, sentence in _sentences_of_errors()
        if not path.startswith(tuple(_NOT_MET)) and sentence not in _NOT_SAID and told(sentence) == sentence
    ]
    assert not untold, "\n".join(untold)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DiskFullError(Path("/cache")), "Auf dem Datenträger mit /cache ist nicht genug Platz"),
        (
            DiskFullError(Path("/cache"), 10**9),
            "Auf dem Datenträger mit /cache ist nicht genug Platz: 1.0 GB mehr werden gebraucht",
        ),
        (HubUnreachableError("it answers 503"), "huggingface.co ist nicht erreichbar (es antwortet mit 503)"),
        (PortTakenError("127.0.0.1 port 7"), "An 127.0.0.1 port 7 kann nicht gelauscht werden: Ein anderes Programm"),
        (ServerLostError("12D3KooWabcdefgh", 3, 6, "cannot be reached"), "Der Computer abcdefgh mit Schichten 3–5 ist"),
        (
            ServerLostError("12D3KooWabcdefgh", 3, 4, "did not get what it was to take over"),
            "Der Computer abcdefgh mit Schicht 3 bekam nicht, was er übernehmen sollte",
        ),
        (AutostartRefusedError("/x cannot be removed (Permission denied)"), "/x kann nicht entfernt werden (keine"),
        (AutostartRefusedError("/x cannot be written (Permission denied)"), "/x kann nicht geschrieben werden (keine"),
    ],
)
def test_a_sentence_that_is_put_together_is_told_whole(error: MeadowError, words: str) -> None:
    assert told(str(error)).startswith(words)


@pytest.mark.parametrize("path", [*_NOT_MET])
def test_what_is_not_met_in_the_app_is_still_there(path: str) -> None:
    assert any(found.startswith(path) for found, _sentence in _sentences_of_errors())


@cache
def _sentences_of_errors() -> tuple[tuple[str, str], ...]:
    """File and sentence of all messages and advice of expected errors, with X for every value."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in _sources()}
    errors = _names_of_errors(trees.values())
    return tuple(
        (path.relative_to(ROOT).as_posix(), text)
        for path, tree in trees.items()
        for node in ast.walk(tree)
        for text in _said_by(node, errors)
        if " " in text.strip("X ")
    )


def _names_of_errors(trees: Iterable[ast.Module]) -> set[str]:
    """`MeadowError`, and whatever derives from it."""
    bases = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found = {"MeadowError"}
    while more := {name for name, of in bases.items() if of & found} - found:
        found |= more
    return found


def _said_by(node: ast.AST, errors: set[str]) -> Iterator[str]:
    match node:
        case ast.Call(func=ast.Name(id=name)) if name in errors:
            yield from map(_words, [*node.args, *(keyword.value for keyword in node.keywords)])
        case ast.ClassDef(name=name) if name in errors:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Call) and ast.unparse(inner.func) == "super().__init__":
                    yield from map(_words, inner.args)
                elif isinstance(inner, ast.Assign) and ast.unparse(inner.targets[0]) in ("advice", "self.advice"):
                    yield _words(inner.value)


def _words(node: ast.expr) -> str:
    """The text of an expression, with X for what only the running program knows, and without what is perhaps added."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr():
            return "".join(part.value if isinstance(part, ast.Constant) else "X" for part in node.values)
        case ast.BinOp(left=left, op=ast.Add()):
            return _words(left)
        case _:
            return ""


def _sources() -> Iterator[Path]:
    for folder in ("engine/meadow_engine", "client/meadow_client"):
        yield from sorted((ROOT / folder).rglob("*.py"))
