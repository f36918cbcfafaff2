"""Answers as widgets: markdown, colours, and nothing loaded from anywhere."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtGui import QImage, QTextCursor, QTextDocument
from PySide6.QtWidgets import QTextEdit, QWidget

from fakes.desktop_qt import settle, wait_until
from meadow_desktop.chat.words.view import AnswerView, QuestionView
from meadow_desktop.windows.chat.code_card import CodeCard
from meadow_desktop.windows.chat.markdown_text import MarkdownText
from meadow_desktop.windows.chat.message_widgets import AnswerEnding, QuestionWidget
from meadow_desktop.windows.theme import DARK, LIGHT, Theme


def colours(document: QTextDocument) -> set[str]:
    found = set()
    block = document.begin()
    while block.isValid():
        found |= {each.format.foreground().color().name() for each in block.layout().formats()}
        block = block.next()
    return found


def text_of(widget: QWidget) -> QTextEdit:
    found = widget.findChild(QTextEdit)
    assert found is not None
    return found


def test_pictures_are_described_and_never_loaded(tmp_path: Path) -> None:
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    picture = tmp_path / "red.png"
    image = QImage(300, 300, QImage.Format.Format_RGB32)
    image.fill(0xFF0000)
    assert image.save(str(picture))
    text = MarkdownText()
    text.show_markdown(
        f"See ![a spy](http://127.0.0.1:{server.server_port}/pixel.png) and ![]({picture.as_uri()}) here", LIGHT
    )
    text.resize(500, text.fit(500))
    text.show()
    settle()
    text.grab()
    server.shutdown()
    thread.join()
    server.server_close()
    assert asked == []
    assert "[picture not shown: a spy]" in text.toPlainText()
    assert text.height() < 100
    assert text.loadResource(2, QUrl(picture.as_uri())) is None
    text.close()


def test_html_in_an_answer_is_text() -> None:
    text = MarkdownText()
    text.show_markdown("before <b>bold</b> <img src='http://127.0.0.1:9/x'> after", LIGHT)
    assert "<b>" in text.toPlainText()


def test_links_to_files_are_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("PySide6.QtGui.QDesktopServices.openUrl", lambda url: opened.append(url.toString()))
    text = MarkdownText()
    for address in ("file:///etc/passwd", "javascript:x", "https://example.org/"):
        text.anchorClicked.emit(QUrl(address))
    assert opened == ["https://example.org/"]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_code_has_colours_also_behind_characters_of_two_units(theme: Theme) -> None:
    card = CodeCard()
    code = '# 🌱 sprout\nsign = "🌱"; grow = None\ndef grow():\n    return "leaf"'
    card.show_code("python", code, theme)
    wait_until(lambda: card.is_coloured)
    document = text_of(card).document()
    assert document.toPlainText() == code
    assert len(colours(document)) >= 4
    behind = document.findBlockByLineNumber(1)
    text = code.splitlines()[1].encode("utf-16-le")
    words = [text[2 * each.start : 2 * (each.start + each.length)] for each in behind.layout().formats()]
    assert "None".encode("utf-16-le") in words


def test_code_that_grows_keeps_what_is_selected_and_gets_its_colours() -> None:
    card = CodeCard()
    card.show_code("python", "first = 1", LIGHT)
    text = text_of(card)
    cursor = text.textCursor()
    cursor.setPosition(0)
    cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
    text.setTextCursor(cursor)
    card.show_code("python", 'first = 1\nsecond = "two"', LIGHT)
    assert text.textCursor().selectedText() == "first = 1"
    wait_until(lambda: card.is_coloured)
    assert text.document().findBlockByNumber(1).layout().formats()


def test_an_unknown_language_is_plain_text() -> None:
    card = CodeCard()
    card.show_code("no-such-language{}", "some text", LIGHT)
    wait_until(lambda: card.is_coloured)
    assert text_of(card).toPlainText() == "some text"


def test_long_lines_of_code_scroll_inside_of_the_card() -> None:
    card = CodeCard()
    card.show_code("", "short", LIGHT)
    low = card.fit(400)
    card.show_code("", "short but then " + "long " * 200, LIGHT)
    assert card.fit(400) > low
    card.resize(400, card.fit(400))
    card.show()
    settle()
    text = text_of(card)
    assert text.horizontalScrollBar().maximum() > 1000
    assert text.horizontalScrollBar().value() == 0
    assert text.verticalScrollBar().maximum() == 0
    card.close()


def test_nothing_of_pygments_is_imported_before_code_is_drawn() -> None:
    program = "import sys, meadow_desktop.application; print([name for name in sys.modules if 'pygments' in name])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("formula", [r"$a_1 \cdot b_2 * c_3$", r"\(x_i^2 + y_i\)", "$$\n\\frac{a_b}{c_d}\n$$"])
def test_maths_is_shown_as_it_was_written(formula: str) -> None:
    text = MarkdownText()
    text.show_markdown(f"So _here_ it is:\n\n{formula}\n\n| a | b |\n|---|---|\n| {formula[:4]} | $|z_1|$ |", LIGHT)
    assert formula in text.toPlainText()
    assert "So here it is" in text.toPlainText()
    assert "$|z_1|$" in text.toPlainText()


def test_words_from_right_to_left_begin_at_the_right() -> None:
    text = MarkdownText()
    text.show_markdown("שלום עולם\n\nhello world", LIGHT)
    text.fit(500)
    first, second = text.document().firstBlock(), text.document().lastBlock()
    assert first.layout().lineAt(0).naturalTextRect().right() > 490
    assert second.layout().lineAt(0).naturalTextRect().left() < 5


def test_a_word_without_end_is_wrapped() -> None:
    text = MarkdownText()
    text.show_markdown("endless" * 60, LIGHT)
    assert text.fit(300) > 5 * text.fontMetrics().height()
    assert text.document().size().width() <= 300


def test_a_selection_survives_what_is_added_behind_it() -> None:
    text = MarkdownText()
    text.show_markdown("One two three", LIGHT)
    cursor = text.textCursor()
    cursor.setPosition(4)
    cursor.setPosition(7, QTextCursor.MoveMode.KeepAnchor)
    text.setTextCursor(cursor)
    text.show_markdown("One two three four\n\nfive", LIGHT)
    assert text.textCursor().selectedText() == "two"


def test_a_question_is_shown_as_it_was_written() -> None:
    widget = QuestionWidget()
    widget.resize(500, 100)
    widget.show_view(QuestionView("**no** <b>markup</b>\nhere"))
    assert text_of(widget).toPlainText() == "**no** <b>markup</b>\nhere"


def test_an_endings_height_holds_all_its_lines() -> None:
    ending = AnswerEnding()
    ending.show_view(AnswerView("", recoveries=("One of many computers left. " * 20,), footer="x", can_copy=True))
    high = ending.fit(300)
    assert high > ending.fit(900)
    ending.show_view(AnswerView(""))
    assert ending.fit(300) < 20
