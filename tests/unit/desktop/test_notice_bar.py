"""What the window says above its pages has room around it, which nothing else loses while there is nothing to say."""

from __future__ import annotations

from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QApplication, QFrame

from fakes.desktop_qt import settle
from meadow_desktop.windows.main_window import MainWindow
from meadow_desktop.windows.page import Page
from meadow_engine.api.errors import Problem


def test_a_notice_takes_room_only_while_it_is_shown(application: QApplication) -> None:
    window, page = MainWindow(), Page()
    window.add_page("chat", "Chat", page)
    window.show()
    settle()
    assert page.mapTo(window, QPoint(0, 0)).y() == 0
    window.show_problem(Problem(code="disk-full", message="The disk is full."))
    settle()
    notice = window.findChild(QFrame, "warning")
    assert notice is not None
    top = notice.mapTo(window, QPoint(0, 0)).y()
    assert top > 0
    assert page.mapTo(window, QPoint(0, 0)).y() == notice.height() + 2 * top
    window.hide_problem()
    settle()
    assert page.mapTo(window, QPoint(0, 0)).y() == 0
    window.hide()
    window.deleteLater()
