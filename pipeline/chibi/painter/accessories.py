"""What is worn on head and neck: glasses, headphones, cat ears, a bow, a scarf, a flower.

Owns the six accessories. None of them hides an eye.
"""

from typing import Final

from pipeline.chibi.painter.canvas import WHITE, Pen, arc, flip, light, mix, path, shade
from pipeline.chibi.painter.face import EYE_X, EYE_Y
from pipeline.chibi.scene import Figure
from pipeline.chibi.vocabulary import HAIR_COLORS, Color

_FRAME: Final[Color] = (40, 30, 52)
_CUP: Final[Color] = (40, 206, 226)
_BOW: Final[Color] = (236, 48, 76)
_SCARF: Final[Color] = (240, 120, 48)
_STRIPE: Final[Color] = (255, 238, 206)
_PETAL: Final[Color] = (255, 250, 250)


def paint_behind(pen: Pen, figure: Figure) -> None:
    """Draw what the hair's cap covers: cat ears and the headphones' band."""
    if figure.accessory == "cat ears":
        color = HAIR_COLORS[figure.hair_color]
        ear = path((-1.0, -0.55), (-1.14, -1.2, -0.98, -1.72), (-0.55, -1.5, -0.2, -1.02))
        inner = path((-0.86, -0.8), (-0.98, -1.2, -0.9, -1.48), (-0.6, -1.3, -0.42, -1.05))
        for outer, pink in ((ear, inner), (flip(ear), flip(inner))):
            pen.shape(outer, color)
            pen.fill(pink, (255, 160, 176))


def paint_scarf(pen: Pen, figure: Figure) -> None:
    """Draw the scarf over the collar, in the body's frame."""
    if figure.accessory != "scarf":
        return
    end = path((0.2, 1.4), (0.3, 2.0, 0.22, 2.5), (0.66, 2.5), (0.72, 1.9, 0.56, 1.3))
    pen.shape(end, _SCARF)
    pen.inside(end, [(0.0, 2.16), (0.9, 2.16), (0.9, 2.34), (0.0, 2.34)], _STRIPE)
    pen.outline(end, _SCARF)
    wrap = path(
        (-0.62, 1.0), (-0.86, 1.2, -0.66, 1.44), (0, 1.8, 0.66, 1.44), (0.86, 1.2, 0.62, 1.0)
    )
    wrap += path((0.62, 1.0), (0, 1.34, -0.62, 1.0))
    pen.fill(wrap, _SCARF)
    for x in (-0.42, 0.02, 0.46):
        pen.inside(
            wrap, [(x - 0.1, 0.9), (x + 0.08, 0.9), (x + 0.06, 1.8), (x - 0.14, 1.8)], _STRIPE
        )
    pen.inside(wrap, arc(0, 0.86, 0.7, 0.34), shade(_SCARF, 0.3))
    pen.outline(wrap, _SCARF)


def paint_glasses(pen: Pen, figure: Figure) -> None:
    """Draw glasses, over brows and bangs."""
    if figure.accessory != "glasses":
        return
    for side in (-1, 1):
        pen.stroke(arc(side * EYE_X, EYE_Y + 0.02, 0.36, 0.35), _FRAME, 0.062)
        pen.stroke([(side * 0.79, EYE_Y), (side * 0.98, EYE_Y - 0.05)], _FRAME, 0.055)
    pen.stroke(path((-0.08, EYE_Y), (0, EYE_Y - 0.06, 0.08, EYE_Y)), _FRAME, 0.055)


def paint_before(pen: Pen, figure: Figure) -> None:
    """Draw what lies over the hair."""
    if figure.accessory == "headphones":
        _headphones(pen)
    elif figure.accessory == "hair bow":
        _bow(pen)
    elif figure.accessory == "flower":
        _flower(pen)


def _headphones(pen: Pen) -> None:
    band = arc(0, 0.0, 1.17, 1.24, 184, 356)
    pen.stroke(band, _FRAME, 0.2)
    pen.stroke(band, light(_CUP, 0.2), 0.1)
    for side in (-1, 1):
        pen.shape(arc(side * 1.12, 0.18, 0.25, 0.38), _FRAME)
        pen.shape(arc(side * 1.2, 0.18, 0.19, 0.3), _CUP)
        pen.fill(arc(side * 1.2 - 0.04, 0.08, 0.07, 0.1), light(_CUP, 0.6))


def _bow(pen: Pen) -> None:
    # Its place is the left side, away from the ponytail.
    x, y = -0.62, -1.0
    wing = path((0, 0), (-0.3, -0.46, -0.58, -0.34), (-0.66, 0.0, -0.54, 0.34), (-0.24, 0.36, 0, 0))
    tilt = -0.42
    for part in (wing, flip(wing)):
        moved = [(x + px - py * tilt, y + py + px * tilt) for px, py in part]
        pen.shape(moved, _BOW)
        fold = [
            (x + px * 0.5 - py * tilt * 0.2, y + py * 0.25 + px * 0.5 * tilt) for px, py in part
        ]
        pen.fill(fold, shade(_BOW, 0.35))
    pen.shape(arc(x, y, 0.14, 0.15), mix(_BOW, WHITE, 0.15))


def _flower(pen: Pen) -> None:
    x, y = -0.72, -0.66
    for i in range(5):
        dx, dy = arc(0, 0, 0.21, 0.21, i * 72 - 90, i * 72 + 270)[0]
        pen.shape(arc(x + dx, y + dy, 0.17, 0.17), _PETAL, 0.035)
    for i in range(5):
        dx, dy = arc(0, 0, 0.15, 0.15, i * 72 - 90, i * 72 + 270)[0]
        pen.fill(arc(x + dx, y + dy, 0.12, 0.12), _PETAL)
    pen.shape(arc(x, y, 0.12, 0.12), (255, 196, 40), 0.035)
