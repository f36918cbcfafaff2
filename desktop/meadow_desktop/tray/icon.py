"""Draws Meadow's icons. Each state has its own outline, so that it can be told apart without colour.

    sharing     a full disc with a white sprout in it
    waiting     a thin ring with the two hands of a clock
    paused      a thin ring with two bars
    off         a thin ring with the sprout's outline, nothing filled
    offline     a ring with gaps, struck through
    starting    three dots in a row under an open arc
    attention   a triangle standing on its base, with an exclamation mark

Colours are of middle brightness with a pale rim, so that they show on light and on dark panels.
Units: drawn in a square of 64 × 64 and scaled. Threads: GUI thread.
"""

from __future__ import annotations

from typing import assert_never

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPainterPath, QPen, QPixmap

from meadow_desktop.tray.view import IconShape

SIZES = (16, 22, 24, 32, 48, 64, 128, 256)

GREEN = QColor("#2f9a57")
GREY = QColor("#8b9298")
BLUE = QColor("#4a8fc7")
AMBER = QColor("#d98a1f")
PALE = QColor("#ffffff")


def make_icon(shape: IconShape) -> QIcon:
    """The icon of a state in all sizes that panels use."""
    icon = QIcon()
    for size in SIZES:
        icon.addPixmap(draw_pixmap(shape, size))
    return icon


def draw_pixmap(shape: IconShape, size: int, ratio: float = 1.0) -> QPixmap:
    """The icon of a state, `size` device-independent pixels wide."""
    pixmap = QPixmap(round(size * ratio), round(size * ratio))
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(size / 64, size / 64)
    draw(painter, shape)
    painter.end()
    return pixmap


def draw(painter: QPainter, shape: IconShape) -> None:
    """Draw the icon of a state into the square from (0, 0) to (64, 64)."""
    match shape:
        case "sharing":
            _draw_sharing(painter)
        case "waiting":
            _draw_waiting(painter)
        case "paused":
            _draw_paused(painter)
        case "off":
            _draw_off(painter)
        case "offline":
            _draw_offline(painter)
        case "starting":
            _draw_starting(painter)
        case "attention":
            _draw_attention(painter)
        case _:
            assert_never(shape)


def _draw_sharing(painter: QPainter) -> None:
    painter.setPen(QPen(PALE, 2))
    painter.setBrush(GREEN)
    painter.drawEllipse(QRectF(3, 3, 58, 58))
    painter.setBrush(PALE)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.drawPath(_leaves())
    painter.setPen(QPen(PALE, 5, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    painter.drawPath(_stem())


def _draw_off(painter: QPainter) -> None:
    painter.setPen(_round_pen(GREY, 6))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawEllipse(QRectF(4, 4, 56, 56))
    painter.setPen(_round_pen(GREY, 4.6))
    painter.drawPath(_leaves())
    painter.drawPath(_stem())


def _draw_waiting(painter: QPainter) -> None:
    painter.setPen(_round_pen(GREEN, 6))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawEllipse(QRectF(4, 4, 56, 56))
    painter.drawPolyline([QPointF(32, 16), QPointF(32, 33), QPointF(44, 41)])


def _draw_paused(painter: QPainter) -> None:
    painter.setPen(_round_pen(GREY, 6))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawEllipse(QRectF(4, 4, 56, 56))
    painter.setPen(_round_pen(GREY, 8))
    for x in (25, 39):
        painter.drawLine(QPointF(x, 22), QPointF(x, 42))


def _draw_offline(painter: QPainter) -> None:
    painter.setPen(_round_pen(GREY, 6))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for quarter in range(4):
        painter.drawArc(QRectF(6, 6, 52, 52), (quarter * 90 + 22) * 16, 46 * 16)
    painter.drawLine(QPointF(20, 44), QPointF(44, 20))


def _draw_starting(painter: QPainter) -> None:
    painter.setPen(QPen(BLUE, 6, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    painter.drawArc(QRectF(7, 7, 50, 50), 20 * 16, 140 * 16)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(BLUE)
    for x in (13, 32, 51):
        painter.drawEllipse(QPointF(x, 44), 7, 7)


def _draw_attention(painter: QPainter) -> None:
    triangle = QPainterPath(QPointF(32, 6))
    triangle.lineTo(60, 57)
    triangle.lineTo(4, 57)
    triangle.closeSubpath()
    painter.setPen(_round_pen(AMBER, 6))
    painter.setBrush(AMBER)
    painter.drawPath(triangle)
    painter.setPen(QPen(PALE, 7, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    painter.drawLine(QPointF(32, 24), QPointF(32, 38))
    painter.drawPoint(QPointF(32, 50))


def _round_pen(colour: QColor, width: float) -> QPen:
    return QPen(colour, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)


def _leaves() -> QPainterPath:
    """Two leaves that meet at (32, 36): a small one to the left, a large one to the right."""
    path = QPainterPath(QPointF(32, 38))
    path.cubicTo(20, 39, 13, 33, 12, 21)
    path.cubicTo(24, 20, 31, 26, 32, 38)
    path.closeSubpath()
    path.moveTo(32, 34)
    path.cubicTo(33, 21, 41, 14, 53, 14)
    path.cubicTo(53, 27, 45, 34, 32, 34)
    path.closeSubpath()
    return path


def _stem() -> QPainterPath:
    path = QPainterPath(QPointF(32, 34))
    path.lineTo(32, 52)
    return path
