"""Bodies and clothes, in the head's coordinates without its tilt.

Owns the five outfits; the neck is at y = 0.9, the shoulders at 1.5. Never draws hair or scarves.
"""

from typing import Final

from pipeline.chibi.painter.canvas import INK, WHITE, Pen, arc, flip, light, path, shade, whole
from pipeline.chibi.scene import Figure
from pipeline.chibi.vocabulary import OUTFIT_COLORS, SKINS, Color

_NAVY: Final[Color] = (44, 52, 110)
_RED: Final[Color] = (226, 54, 66)
_BODY: Final = whole(
    path(
        (0, 1.2),
        (-0.26, 1.16),
        (-0.9, 1.3, -1.08, 1.62),
        (-1.2, 2.2, -1.24, 3.0),
        (-1.3, 5.4),
        (0, 5.4),
    )
)
_NECK: Final = whole(path((0, 0.7), (-0.23, 0.7), (-0.2, 1.05, -0.27, 1.3), (0, 1.5)))
_DENIM: Final[Color] = (62, 76, 120)
_TAIL: Final = path((0, 2.76), (-0.04, 3.7), (-0.2, 3.95), (-0.82, 3.95), (-0.8, 2.4))
_HOOD: Final = whole(path((0, 0.86), (-0.7, 0.7, -0.82, 1.16), (-0.7, 1.6, 0, 1.62)))


def paint_body(pen: Pen, figure: Figure) -> None:
    """Draw neck, shoulders and the outfit."""
    skin, color = SKINS[figure.skin], OUTFIT_COLORS[figure.outfit_color]
    if figure.outfit == "hoodie":
        pen.shape(_HOOD, shade(color, 0.3))
    if figure.outfit == "dress":
        pen.shape(_BODY, skin)
    else:
        pen.fill(_BODY, color)
        sides = path((1.3, 1.6), (0.74, 1.9, 0.86, 5.4), (2.0, 5.4))
        pen.inside(_BODY, sides, shade(color, 0.2))
        pen.inside(_BODY, flip(sides), shade(color, 0.2))
        pen.outline(_BODY, color)
        for side in (-1, 1):
            sleeve = path((side * 0.8, 1.95), (side * 0.76, 2.6, side * 0.82, 5.4))
            pen.stroke(sleeve, pen.line_color(color), 0.045)
            for y in (2.3, 3.2):
                fold = path((side * 1.16, y), (side * 1.02, y + 0.2, side * 0.9, y + 0.16))
                pen.stroke(fold, shade(color, 0.4), 0.035)
    _neck(pen, skin)
    _OUTFITS[figure.outfit](pen, color, skin)


def _neck(pen: Pen, skin: Color) -> None:
    pen.fill(_NECK, skin)
    pen.inside(_NECK, arc(0, 0.72, 0.5, 0.42), shade(skin, 0.3))
    for side in (-1, 1):
        edge = path((side * 0.23, 0.8), (side * 0.2, 1.05, side * 0.27, 1.3))
        pen.stroke(edge, pen.line_color(skin), 0.04)


def _lower(pen: Pen, color: Color, y: float, pleats: int = 0) -> None:
    """Draw skirt or trousers from `y` down, between the sleeves; `pleats` make it a skirt."""
    part = whole(path((0, y), (-0.79, y), (-0.84, 5.4), (0, 5.4)))
    pen.shape(part, color)
    for i in range(pleats):
        x = 1.44 * (i + 0.5) / pleats - 0.72
        pen.stroke([(x, y + 0.1), (x * 1.12, 5.4)], shade(color, 0.45), 0.045)
    if not pleats:
        pen.stroke([(0, y + 0.5), (0, 5.4)], shade(color, 0.45), 0.045)


def _uniform(pen: Pen, color: Color, skin: Color) -> None:
    pale = sum(color) > 700
    _lower(pen, _NAVY if pale else shade(color, 0.34), 3.3, pleats=5)
    collar = _NAVY if pale else WHITE
    stripe = WHITE if pale else shade(color, 0.2)
    half = path(
        (-0.25, 1.12), (-0.62, 1.16, -0.84, 1.4), (-0.82, 1.7, -0.72, 1.86), (0, 2.1), (0, 1.72)
    )
    for side in (half, flip(half)):
        pen.shape(side, collar)
    line = path((-0.71, 1.46), (-0.7, 1.62, -0.63, 1.73), (-0.05, 1.94))
    for edge in (line, flip(line)):
        pen.stroke(edge, stripe, 0.055)
    ribbon = _NAVY if color == OUTFIT_COLORS["red"] else _RED
    tail = path((0, 2.0), (-0.1, 2.3, -0.3, 2.62), (-0.16, 2.58), (-0.04, 2.5), (0.02, 2.2, 0, 2.0))
    wing = path((0, 2.0), (-0.3, 1.7, -0.5, 1.88), (-0.52, 2.1, -0.42, 2.26), (-0.2, 2.26, 0, 2.0))
    for part in (tail, flip(tail), wing, flip(wing)):
        pen.shape(part, ribbon)
    pen.shape(arc(0, 2.02, 0.11, 0.12), ribbon)


def _hoodie(pen: Pen, color: Color, skin: Color) -> None:
    ring = path(
        (-0.3, 1.02), (-0.86, 1.1, -0.78, 1.42), (-0.5, 1.8, 0, 1.86), (0.5, 1.8, 0.78, 1.42)
    )
    ring += path((0.78, 1.42), (0.86, 1.1, 0.3, 1.02), (0.3, 1.4, 0, 1.5), (-0.3, 1.4, -0.3, 1.02))
    pen.shape(ring, light(color, 0.14))
    cord = shade(WHITE, 0.12) if sum(color) < 700 else _NAVY
    for side in (-1, 1):
        pen.stroke(path((side * 0.22, 1.76), (side * 0.26, 2.0, side * 0.22, 2.32)), cord, 0.075)
        pen.fill(arc(side * 0.22, 2.34, 0.07, 0.08), cord)
    _lower(pen, _DENIM, 3.85)
    pen.shape(whole(path((0, 3.66), (-0.79, 3.66), (-0.8, 3.92), (0, 3.92))), light(color, 0.14))
    pocket = whole(path((0, 2.75), (-0.42, 2.75), (-0.66, 3.2), (-0.66, 3.5), (0, 3.5)))
    pen.shape(pocket, shade(color, 0.14))


def _kimono(pen: Pen, color: Color, skin: Color) -> None:
    pale = sum(color) > 700
    petal = _RED if pale else light(color, 0.62)
    for x, y in ((-0.62, 1.75), (0.72, 1.95), (-0.98, 2.55), (0.98, 2.75), (-0.4, 2.25)):
        for spot in range(5):
            dx, dy = arc(0, 0, 0.1, 0.1, spot * 72 - 90, spot * 72 + 270)[0]
            pen.fill(arc(x + dx, y + dy, 0.075, 0.075), petal)
        pen.fill(arc(x, y, 0.05, 0.05), (250, 200, 70))
    wrap = path((0.5, 3.1), (0.2, 4.2, 0.3, 5.4))
    pen.stroke(wrap, pen.line_color(color), 0.05)
    obi = _RED if pale or color == OUTFIT_COLORS["black"] else light(color, 0.72)
    pen.shape(whole(path((0, 2.5), (-0.8, 2.5), (-0.8, 3.1), (0, 3.1))), obi)
    pen.stroke([(-0.78, 2.8), (0.78, 2.8)], (236, 178, 56), 0.1)
    band = path(
        (0.24, 1.06), (0.44, 1.1), (0.4, 1.6, -0.42, 2.5), (-0.74, 2.5), (-0.1, 1.9, 0.24, 1.06)
    )
    chest = [(-0.25, 1.2), (0.25, 1.2), (0.0, 1.66)]
    pen.fill(chest, skin)
    for part in (band, flip(band)):
        pen.shape(part, _NAVY if pale else WHITE)
    edge = path((-0.44, 1.1), (-0.4, 1.6, 0.42, 2.5))
    pen.stroke(edge, pen.line_color(color), 0.06)


def _jacket(pen: Pen, color: Color, skin: Color) -> None:
    pale = sum(color) > 700
    shirt = (70, 72, 92) if pale else (250, 250, 252)
    tie = _NAVY if color == OUTFIT_COLORS["red"] else _RED
    pen.shape(whole(path((0, 1.3), (-0.28, 1.1), (-0.42, 2.0, -0.2, 2.7), (0, 2.7))), shirt)
    pen.shape(whole(path((0, 1.56), (-0.1, 1.56), (-0.07, 1.74), (-0.15, 2.5), (0, 2.7))), tie)
    collar = path((-0.26, 1.06), (-0.34, 1.3), (-0.14, 1.74), (0.0, 1.46), (-0.2, 1.3, -0.26, 1.06))
    lapel = path(
        (-0.28, 1.08), (-0.54, 1.14), (-0.78, 1.6), (-0.58, 1.68), (-0.68, 1.84), (-0.08, 2.8),
        (-0.42, 2.0, -0.34, 1.3),
    )  # fmt: skip
    for side in (collar, flip(collar)):
        pen.shape(side, shirt)
    for side in (lapel, flip(lapel)):
        pen.shape(side, shade(color, 0.3) if pale else light(color, 0.2))
    _lower(pen, shade((150, 152, 168), 0.3), 3.7)
    for edge in (_TAIL, flip(_TAIL)):
        pen.shape(edge, color)
    pen.shape(arc(0.14, 2.98, 0.07, 0.07), (250, 206, 84))


def _dress(pen: Pen, color: Color, skin: Color) -> None:
    pen.stroke(path((-0.3, 1.42), (-0.16, 1.5, -0.06, 1.46)), shade(skin, 0.4), 0.035)
    pen.stroke(path((0.3, 1.42), (0.16, 1.5, 0.06, 1.46)), shade(skin, 0.4), 0.035)
    for side in (-1, 1):
        arm = path((side * 0.86, 2.1), (side * 0.84, 2.8, side * 0.9, 5.4))
        pen.stroke(arm, pen.line_color(skin), 0.045)
    bodice = whole(
        path((0, 2.0), (-0.35, 1.72, -0.8, 1.86), (-0.84, 2.4, -0.74, 2.9), (-1.1, 5.4), (0, 5.4))
    )
    for side in (-1, 1):
        pen.stroke(
            path((side * 0.42, 1.22), (side * 0.56, 1.5, side * 0.58, 1.9)),
            pen.line_color(color),
            0.17,
        )
        pen.stroke(path((side * 0.42, 1.22), (side * 0.56, 1.5, side * 0.58, 1.9)), color, 0.09)
    pen.fill(bodice, color)
    pen.inside(
        bodice, path((0.2, 1.7), (0.5, 2.6, 0.3, 5.4), (1.4, 5.4), (1.4, 1.7)), shade(color, 0.18)
    )
    pen.outline(bodice, color)
    frill = light(color, 0.7) if sum(color) < 700 else (255, 196, 214)
    for i in (-3, 3, -2, 2, -1, 1):
        y = 1.84 if abs(i) > 1 else 1.9
        pen.shape(arc(i * 0.255 - (0.13 if i > 0 else -0.13), y, 0.16, 0.13), frill, 0.035)
    bow = path((0, 2.1), (-0.2, 1.9, -0.36, 1.98), (-0.4, 2.2, -0.32, 2.3), (-0.16, 2.26, 0, 2.1))
    for part in (bow, flip(bow)):
        pen.shape(part, frill)
    pen.shape(arc(0, 2.12, 0.09, 0.1), frill)
    pen.stroke([(-0.74, 2.9), (0.74, 2.9)], shade(color, 0.5) if color != INK else INK, 0.06)


_OUTFITS: Final = {
    "school uniform": _uniform,
    "hoodie": _hoodie,
    "kimono": _kimono,
    "jacket": _jacket,
    "dress": _dress,
}
