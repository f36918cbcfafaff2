"""Answers as widgets: markdown, colours, and nothing loaded from anywhere."""

from __future__ import annotations

import http.server
import threading
from pathlib import Path

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtGui import QImage, QTextCursor, QTextDocument
from PySide6.QtWidgets import QTextEdit, QWidget

from fakes.desktop_qt import settle
from meadow_desktop.chat.view import AnswerView, QuestionView
from meadow_desktop.windows.chat.code_card import CodeCard
from meadow_desktop.windows.chat.markdown_text import MarkdownText
from meadow_desktop.windows.chat.message_widgets import AnswerWidget, QuestionWidget
from meadow_desktop.windows.theme import DARK, LIGHT, Theme
from meadow_desktop.windows.chat.transcript import Transcript


def colours(document: QTextDocument) -> set[str]:
    found = set()
    block = document.begin()
    while block.isValid():
        iterator = block.begin()
        while not iterator.atEnd():
            found.add(iterator.fragment().charFormat().foreground().color().name())
            iterator += 1
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
    text = MarkdownText(LIGHT)
    text.show_markdown(
        f"See ![a spy](http://127.0.0.1:{server.server_port}/pixel.png) and ![]({picture.as_uri()}) here", LIGHT
    )
    text.resize(500, 200)
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
    text = MarkdownText(LIGHT)
    text.show_markdown("before <b>bold</b> <img src='http://127.0.0.1:9/x'> after", LIGHT)
    assert "<b>" in text.toPlainText()


def test_links_to_files_are_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("PySide6.QtGui.QDesktopServices.openUrl", lambda url: opened.append(url.toString()))
    text = MarkdownText(LIGHT)
    for address in ("file:///etc/passwd", "javascript:x", "https://example.org/"):
        text.anchorClicked.emit(QUrl(address))
    assert opened == ["https://example.org/"]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_code_has_colours_also_behind_characters_of_two_units(theme: Theme) -> None:
    card = CodeCard()
    code = '# 🌱 sprout\ndef grow():\n    return "leaf"'
    card.show_code("python", code, theme)
    document = text_of(card).document()
    assert document.toPlainText() == code
    assert len(colours(document)) >= 4
    line = document.findBlockByLineNumber(1)
    first = line.begin().fragment()
    assert first.text() == "def"


def test_an_unknown_language_is_plain_text() -> None:
    card = CodeCard()
    card.show_code("no-such-language{}", "some text", LIGHT)
    assert text_of(card).toPlainText() == "some text"


def test_a_selection_survives_what_is_added_behind_it() -> None:
    text = MarkdownText(LIGHT)
    text.show_markdown("One two three", LIGHT)
    cursor = text.textCursor()
    cursor.setPosition(4)
    cursor.setPosition(7, QTextCursor.MoveMode.KeepAnchor)
    text.setTextCursor(cursor)
    text.show_markdown("One two three four\n\nfive", LIGHT)
    assert text.textCursor().selectedText() == "two"


def test_a_growing_answer_keeps_its_widgets() -> None:
    widget = AnswerWidget()
    text = "Intro\n\n```python\nx = 1\n```\n\nEnd"
    for length in range(len(text) + 1):
        widget.show_view(AnswerView(text[:length]), LIGHT)
    settle()
    assert [text_of(card).toPlainText() for card in widget.findChildren(CodeCard)] == ["x = 1"]
    assert [prose.toPlainText() for prose in widget.findChildren(MarkdownText)] == ["Intro", "End"]


def test_a_question_is_shown_as_it_was_written() -> None:
    widget = QuestionWidget()
    widget.resize(500, 100)
    widget.show_view(QuestionView("**no** <b>markup</b>\nhere"), LIGHT)
    assert text_of(widget).toPlainText() == "**no** <b>markup</b>\nhere"


def test_the_transcript_follows_the_end_only_while_the_reader_is_there() -> None:
    transcript = Transcript()
    transcript.resize(600, 300)
    transcript.show()
    bar = transcript.verticalScrollBar()

    def show(paragraphs: int) -> None:
        transcript.show_messages([QuestionView("q"), AnswerView("Some words.\n\n" * paragraphs)], LIGHT)
        settle()

    show(30)
    assert bar.value() == bar.maximum() > 0
    show(40)
    assert bar.value() == bar.maximum()
    bar.setValue(10)
    show(60)
    assert bar.value() == 10
    transcript.go_to_end()
    show(70)
    assert bar.value() == bar.maximum()
    transcript.close()
