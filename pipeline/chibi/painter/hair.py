"""Hair: what lies behind the body, and the cap with bangs, locks and shine before the face.

Owns the six hair styles, in head coordinates. Never draws what is worn in the hair.
"""

from typing import Final

from pipeline.chibi.painter.canvas import Pen, Point, arc, flip, light, path, shade, whole
from pipeline.chibi.scene import Figure
from pipeline.chibi.vocabulary import HAIR_COLORS, Color

_TIE: Final[Color] = (255, 250, 240)

_LONG: Final = whole(
    path(
        (0, -1.15),
        (-1.1, -1.15, -1.14, -0.1),
        (-1.2, 0.9, -1.5, 1.7),
        (-1.62, 2.2, -1.5, 2.75),
        (-1.2, 2.5, -1.05, 2.2),
        (-0.95, 2.7, -0.75, 2.95),
        (-0.5, 2.6, 0, 2.4),
    )
)
_SHORT: Final = whole(
    path(
        (0, -1.15),
        (-1.1, -1.15, -1.12, -0.1),
        (-1.18, 0.45, -1.3, 0.68),
        (-1.1, 0.74, -1.0, 0.64),
        (-0.98, 0.9, -1.06, 1.02),
        (-0.8, 1.0, -0.66, 0.84),
        (-0.4, 1.1, 0, 1.0),
    )
)
_BOB: Final = whole(
    path(
        (0, -1.17),
        (-1.16, -1.16, -1.18, -0.1),
        (-1.24, 0.55, -1.34, 0.92),
        (-1.28, 1.2, -0.98, 1.2),
        (-0.5, 1.22, 0, 1.12),
    )
)
_NAPE: Final = whole(
    path((0, -1.1), (-1.08, -1.1, -1.08, -0.05), (-1.0, 0.7, -0.5, 0.95), (0, 0.95))
)
_TAIL: Final = path(
    (-0.92, -0.62),
    (-1.5, -1.0, -1.78, -0.3),
    (-2.0, 0.5, -1.62, 1.55),
    (-1.56, 1.2, -1.5, 1.05),
    (-1.36, 1.5, -1.22, 1.75),
    (-1.05, 0.7, -1.12, 0.2),
    (-1.1, -0.2, -0.88, -0.36),
)
_PONYTAIL: Final = path(
    (0.42, -1.0),
    (0.75, -1.7, 1.35, -1.36),
    (1.95, -0.9, 1.78, 0.2),
    (1.7, 0.9, 1.84, 1.4),
    (1.5, 1.2, 1.42, 0.9),
    (1.34, 1.2, 1.2, 1.38),
    (1.12, 0.6, 1.22, 0.0),
    (1.2, -0.6, 0.74, -0.8),
)
_SPIKES: Final = whole(
    [
        (0, -1.66),
        *path((-0.2, -1.3), (-0.4, -1.5, -0.78, -1.6)),
        *path((-0.76, -1.12), (-1.0, -1.16, -1.5, -1.06)),
        *path((-1.12, -0.56), (-1.4, -0.5, -1.76, -0.3)),
        *path((-1.14, -0.02), (-1.36, 0.16, -1.62, 0.5)),
        *path((-1.02, 0.44), (-1.1, 0.7, -1.22, 0.96)),
        *path((-0.7, 0.76), (-0.4, 0.9, 0, 0.9)),
    ]
)

_TOP: Final = arc(0, -0.05, 1.07, 1.1, 180, 360)
_LOCKS: Final = [
    *_TOP,
    *path(
        (1.07, -0.05),
        (1.13, 0.35, 0.92, 0.68),
        (0.88, 0.1, 0.7, -0.3),
        (0.42, -0.36, 0.14, -0.04),
        (0.12, -0.26, 0.04, -0.36),
        (-0.06, -0.2, -0.24, -0.08),
        (-0.4, -0.36, -0.68, -0.34),
        (-0.88, 0.1, -0.92, 0.68),
        (-1.13, 0.35, -1.07, -0.05),
    ),
]
_SWEPT: Final = [
    *_TOP,
    *path(
        (1.07, -0.05),
        (1.1, 0.25, 0.96, 0.5),
        (0.92, 0.1, 0.76, -0.18),
        (0.72, -0.3, 0.62, -0.42),
        (0.48, -0.16, 0.22, -0.08),
        (0.2, -0.3, 0.06, -0.46),
        (-0.2, -0.14, -0.62, -0.06),
        (-0.66, -0.2, -0.74, -0.28),
        (-0.92, 0.1, -0.96, 0.5),
        (-1.1, 0.25, -1.07, -0.05),
    ),
]
_BLUNT: Final = [
    *arc(0, -0.05, 1.12, 1.13, 180, 360),
    *path(
        (1.12, -0.05),
        (1.2, 0.5, 1.2, 0.92),
        (1.0, 1.02, 0.84, 0.9),
        (0.86, 0.3, 0.76, -0.2),
        (0, -0.14, -0.76, -0.2),
        (-0.86, 0.3, -0.84, 0.9),
        (-1.0, 1.02, -1.2, 0.92),
        (-1.2, 0.5, -1.12, -0.05),
    ),
]
_JAGGED: Final = [
    *_TOP,
    (1.07, -0.05),
    *path((0.94, 0.46), (0.84, 0.0, 0.74, -0.3)),
    *path((0.56, -0.04), (0.5, -0.26, 0.36, -0.42)),
    *path((0.1, 0.04), (0.06, -0.26, -0.02, -0.42)),
    *path((-0.3, -0.06), (-0.34, -0.26, -0.42, -0.42)),
    *path((-0.7, -0.02), (-0.74, -0.2, -0.78, -0.28)),
    (-0.94, 0.46),
    (-1.07, -0.05),
]
_FRONT_LOCK: Final = path(
    (-1.08, 0.0),
    (-1.3, 0.8, -1.24, 1.9),
    (-1.1, 2.1, -0.96, 2.3),
    (-0.86, 1.6, -0.9, 0.9),
    (-0.84, 0.4, -0.86, 0.05),
)
_BANGS: Final = {
    "long hair": _LOCKS,
    "short hair": _SWEPT,
    "twintails": _LOCKS,
    "ponytail": _SWEPT,
    "bob cut": _BLUNT,
    "spiky hair": _JAGGED,
}
_STRANDS: Final = {
    "long hair": ((0.7, -0.3, 0.62, -0.6), (0.04, -0.36, 0.0, -0.62), (-0.68, -0.34, -0.6, -0.6)),
    "twintails": ((0.7, -0.3, 0.62, -0.6), (0.04, -0.36, 0.0, -0.62), (-0.68, -0.34, -0.6, -0.6)),
    "short hair": ((0.62, -0.42, 0.5, -0.66), (0.06, -0.46, 0.1, -0.7)),
    "ponytail": ((0.62, -0.42, 0.5, -0.66), (0.06, -0.46, 0.1, -0.7)),
    "bob cut": ((0.76, -0.2, 0.72, -0.5), (-0.76, -0.2, -0.72, -0.5)),
    "spiky hair": (
        (0.36, -0.42, 0.3, -0.66),
        (-0.02, -0.42, -0.02, -0.66),
        (-0.42, -0.42, -0.36, -0.66),
    ),
}


def paint_back(pen: Pen, figure: Figure) -> None:
    """Draw the hair that lies behind neck and body."""
    color = HAIR_COLORS[figure.hair_color]
    deep = shade(color, 0.3)
    style = figure.hair_style
    if style == "spiky hair":
        pen.shape(_SPIKES, color)
        pen.inside(_SPIKES, arc(0, 0.5, 1.3, 0.9), deep)
        return
    backs = {"long hair": _LONG, "short hair": _SHORT, "bob cut": _BOB}
    back = backs.get(style, _NAPE)
    pen.shape(back, deep)
    if style == "twintails":
        _tail(pen, _TAIL, color)
        _tail(pen, flip(_TAIL), color)
    elif style == "ponytail":
        _tail(pen, _PONYTAIL, color)


def paint_front(pen: Pen, figure: Figure) -> None:
    """Draw the cap of hair, its bangs and the locks that fall before the shoulders."""
    color, style = HAIR_COLORS[figure.hair_color], figure.hair_style
    if style == "long hair":
        for lock in (_FRONT_LOCK, flip(_FRONT_LOCK)):
            pen.shape(lock, color)
    bangs = _BANGS[style]
    pen.fill(bangs, shade(color, 0.24))
    pen.inside(bangs, arc(-0.14, -0.42, 1.0, 0.92), color)
    _shine(pen, color)
    for x0, y0, x1, y1 in _STRANDS[style]:
        pen.stroke(path((x0, y0), ((x0 + x1) / 2, (y0 + y1) / 2, x1, y1)), shade(color, 0.5), 0.03)
    pen.outline(bangs, color)
    if style == "twintails":
        for side in (-1, 1):
            pen.shape(arc(side * 0.97, -0.5, 0.13, 0.19), _TIE)
    elif style == "ponytail":
        pen.shape(arc(0.6, -0.95, 0.2, 0.13), _TIE)


def _shine(pen: Pen, color: Color) -> None:
    upper = arc(0, -0.02, 0.84, 0.8, 212, 318)
    lower: list[Point] = []
    for i, point in enumerate(arc(0, -0.02, 0.76, 0.6, 318, 212)):
        if i % 3 == 0:
            lower.append((point[0] * 1.04, point[1] * 1.16))
        else:
            lower.append(point)
    pen.fill([*upper, *lower], light(color))


def _tail(pen: Pen, tail: list[Point], color: Color) -> None:
    pen.fill(tail, shade(color, 0.24))
    side = 1 if tail[0][0] > 0 else -1
    pen.inside(tail, arc(side * 1.62, -0.1, 0.42, 1.3), color)
    pen.inside(tail, arc(side * 1.5, -0.36, 0.09, 0.28), light(color))
    pen.outline(tail, color)
