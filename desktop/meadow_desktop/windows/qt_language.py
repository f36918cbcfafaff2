"""Qt's own words (menus of text fields, names of keys) and numbers in fields, in the app's language. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QTranslator
from PySide6.QtGui import QGuiApplication

from meadow_desktop.language import SOURCE_LANGUAGE


def speak(application: QCoreApplication, code: str) -> None:
    """Before anything is drawn. Where Qt lacks a language, its few words are English.

    The language's marks for numbers count, not the system's: the app's own texts have them, too (`in_figures`). Where
    its lines begin on the right, everything is mirrored.
    """
    QLocale.setDefault(QLocale(code))
    QGuiApplication.setLayoutDirection(QLocale(code).textDirection())
    if code == SOURCE_LANGUAGE:
        return
    translator = QTranslator(application)
    if translator.load(f"qtbase_{code}", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)):
        application.installTranslator(translator)
