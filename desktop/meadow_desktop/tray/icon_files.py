"""Writes the program's icon as files, for packages and menus: `python -m meadow_desktop.tray.icon_files FOLDER`.

The drawing is `tray/icon.py`'s; the files in `assets/meadow_assets/icons` come from here and are not edited by hand.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from PySide6.QtCore import QRect, QSize
from PySide6.QtGui import QGuiApplication, QPainter
from PySide6.QtSvg import QSvgGenerator

from meadow_desktop.tray.icon import draw, draw_pixmap

FILE_SIZES = (16, 32, 48, 64, 128, 256, 512)


def write_icons(folder: Path) -> list[Path]:
    """Write meadow.svg and meadow-SIZE.png; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "meadow.svg"]
    generator = QSvgGenerator()
    generator.setFileName(str(paths[0]))
    generator.setSize(QSize(64, 64))
    generator.setViewBox(QRect(0, 0, 64, 64))
    generator.setTitle("Meadow")
    painter = QPainter(generator)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    draw(painter, "sharing")
    painter.end()
    for size in FILE_SIZES:
        paths.append(folder / f"meadow-{size}.png")
        if not draw_pixmap("sharing", size).save(str(paths[-1])):
            raise OSError(f"{paths[-1]} could not be written")
    return paths


def main() -> int:
    """Write the icons into the folder that was named."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m meadow_desktop.tray.icon_files FOLDER\n")
        return 2
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    application = QGuiApplication(["icons"])
    write_icons(Path(sys.argv[1]))
    application.quit()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
