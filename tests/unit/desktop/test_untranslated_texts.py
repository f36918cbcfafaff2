"""No text that a person sees is written past gettext: the program's sources are searched for such texts.

What counts as a text: two words in a row anywhere, or any word that is the first argument of a call that shows it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import meadow_desktop

SOURCES = Path(meadow_desktop.__file__).parent
MARKING = {"_", "ngettext", "marked"}
SHOWING = {
    "QAction", "QCheckBox", "QGroupBox", "QLabel", "QPushButton", "QRadioButton", "addAction", "addButton", "addMenu",
    "addItem", "addTab", "setAccessibleDescription", "setAccessibleName", "setHeaderLabels",
    "setHorizontalHeaderLabels", "setInformativeText", "setPlaceholderText", "setSpecialValueText", "setStatusTip",
    "setSuffix", "setTitle", "setToolTip", "setWindowTitle", "make_words", "muted_label", "ElidedLabel", "Switch",
}  # fmt: skip
SHOWING_FIELDS = {"message", "advice", "headline", "detail", "title", "sentence", "words", "note"}

NOT_SHOWN_CALLS = {
    "Field": "the API's manual",
    "compile": "a pattern",
    "add_argument": "the command line is English",
    "add_argument_group": "the command line is English",
    "ArgumentParser": "the command line is English",
    "_complain": "said in the terminal",
}
NOT_SHOWN_FILES = {
    "fake_engine.py": "plays the engine, whose texts are English",
    "fakes_of_engine/": "plays the engine, whose texts are English",
    "windows/theme.py": "style sheets",
    "settings/api_access.py": "examples of code",
    "tray/icon_files.py": "a tool for the terminal",
}
NOT_SHOWN_FUNCTIONS = {
    "describe_for_report": "bug reports are English",
    "_describe_engine": "bug reports are English",
}
NOT_SHOWN_TEXTS = {
    "Meadow": "a name",
    "OSI Approved :: ": "a package's own words",
    "When to share": "the engine's name of a group, which is translated where it is shown",
    "How much to share": "the engine's name of a group, which is translated where it is shown",
    "unknown reason": "said in the terminal",
    "meadow conversations": "a file's name, which is the same everywhere",
}
_TWO_WORDS = re.compile(r"[^\W\d_]{2,}[,;:.]? [^\W\d_]{2,}")
_WORD = re.compile(r"[^\W\d_]{2,}")
_SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|PRAGMA|BEGIN|AND NOT is_deleted|ORDER BY)\b|.*\bORDER BY\b")


def find_texts(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of whatever is shown without being translated; of a marked text in an f-string, too."""
    yield from _search(ast.parse(source), is_shown=False)


def _search(node: ast.AST, *, is_shown: bool) -> Iterator[tuple[int, str]]:
    match node:
        case ast.Expr(value=ast.Constant()):  # a docstring
            return
        case ast.FunctionDef(name=name) if name in NOT_SHOWN_FUNCTIONS:
            return
        case ast.Call() if (name := _name_of(node)) in MARKING:
            if any(isinstance(argument, ast.JoinedStr) for argument in node.args):
                yield node.lineno, "an f-string cannot be translated"
            return
        case ast.Call() if name in NOT_SHOWN_CALLS or _is_log(node):
            return
        case ast.Call():
            for place, argument in enumerate(node.args):
                is_first = place == 0 and not isinstance(argument, ast.Call)
                yield from _search(argument, is_shown=name in SHOWING and is_first)
            for keyword in node.keywords:
                yield from _search(keyword.value, is_shown=keyword.arg in SHOWING_FIELDS and name[:1].isupper())
            yield from _search(node.func, is_shown=False)
            return
        case ast.Subscript():
            yield from _search(node.value, is_shown=is_shown)
            return
        case ast.Raise(exc=ast.Call(args=arguments)):  # an exception's own words go to the log
            for argument in arguments:
                if not isinstance(argument, ast.Constant | ast.JoinedStr):
                    yield from _search(argument, is_shown=False)
            return
        case ast.JoinedStr():
            for part in ast.walk(node):
                if not (isinstance(part, ast.Call) and _name_of(part) in MARKING):
                    continue
                if isinstance(part.args[0], ast.Constant):
                    yield part.lineno, "a text in an f-string is not collected"
        case ast.Constant(value=str(text)):
            is_text = (_WORD if is_shown else _TWO_WORDS).search(text) is not None and not _SQL.match(text)
            if is_text and text not in NOT_SHOWN_TEXTS:
                yield node.lineno, text
    for child in ast.iter_child_nodes(node):
        yield from _search(child, is_shown=is_shown)


def _name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _is_log(call: ast.Call) -> bool:
    on = call.func.value if isinstance(call.func, ast.Attribute) else None
    return isinstance(on, ast.Name) and on.id in {"log", "logging", "qt"}


@pytest.mark.parametrize(
    "source",
    [
        "QLabel('Hello')",
        "label.setText('Two words')",
        "button.setToolTip('Copy' if is_idle else _('Copied'))",
        "Problem(code='x', message='Gone', advice=_('Wait.'))",
        "View('The engine stopped', _('again'))",
        "label.setText(f'{n} tokens computed')",
        "_(f'Paused: {left}')",
        "label.setText(f'{shown} {_(\"left\")}')",
    ],
)
def test_the_search_finds_a_text_that_is_not_translated(source: str) -> None:
    assert list(find_texts(source))


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring of words."""',
        "QLabel(_('Hello'))",
        "label.setText(_('Paused: {left}').format(left=left))",
        "log.info('engine started with pid %d', pid)",
        "raise ValueError('no such thing')",
        "label.setObjectName('notice')",
        "label.setText(f'{used} · {limit}')",
    ],
)
def test_the_search_leaves_other_words_alone(source: str) -> None:
    assert not list(find_texts(source))


def test_every_text_that_is_shown_can_be_translated() -> None:
    found = [
        f"{path.relative_to(SOURCES)}:{line}: {text}"
        for path in sorted(SOURCES.rglob("*.py"))
        if not path.relative_to(SOURCES).as_posix().startswith(tuple(NOT_SHOWN_FILES))
        for line, text in find_texts(path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)
