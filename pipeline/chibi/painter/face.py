"""The face: skin, eyes, brows, mouth, blush and tears.

Owns what an expression looks like. Head coordinates: centre (0, 0), half width about 0.93,
chin at y = 0.97. Never draws hair.
"""

from typing import Final

import msgspec

from pipeline.chibi.painter.canvas import WHITE, Pen, Point, arc, light, mix, path, shade, whole
from pipeline.chibi.scene import Figure
from pipeline.chibi.vocabulary import EYE_COLORS, HAIR_COLORS, SKINS, Color

EYE_X: Final = 0.43
EYE_Y: Final = 0.29
_MOUTH: Final[Color] = (150, 40, 52)
_TONGUE: Final[Color] = (246, 128, 130)
_PINK: Final[Color] = (255, 96, 116)
_TEAR: Final[Color] = (112, 192, 255)
_LASH: Final[Color] = (44, 24, 44)

HEAD: Final = whole(
    path(
        (0.0, -0.9),
        (-0.93, -0.9, -0.93, -0.05),
        (-0.95, 0.42, -0.6, 0.7),
        (-0.28, 0.97, 0.0, 0.97),
    )
)


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """An expression: lids and brows as heights (inner, outer), eye and pupil sizes, blush."""

    lid: tuple[float, float] | None = None
    brow: tuple[float, float] = (-0.2, -0.16)
    bend: float = -0.05
    eye: float = 1.0
    pupil: float = 1.0
    blush: float = 0.4


LOOKS: Final[dict[str, Look]] = {
    "smile": Look(blush=0.5),
    "laughing": Look(brow=(-0.24, -0.18), blush=0.6),
    "sad": Look(lid=(-0.26, -0.12), brow=(-0.27, -0.06), bend=0.0, blush=0.3),
    "angry": Look(lid=(-0.06, -0.27), brow=(-0.02, -0.24), bend=0.03, pupil=0.85, blush=0.25),
    "surprised": Look(brow=(-0.33, -0.28), eye=1.1, pupil=0.55, blush=0.3),
    "expressionless": Look(lid=(-0.06, -0.06), brow=(-0.17, -0.17), bend=0.0, blush=0.0),
}


def paint_head(pen: Pen, figure: Figure) -> None:
    """Draw skin, ears, the hair's shadow on the forehead."""
    skin = SKINS[figure.skin]
    for side in (-1, 1):
        pen.shape(arc(side * 0.93, 0.2, 0.13, 0.2), skin)
        pen.fill(arc(side * 0.95, 0.21, 0.06, 0.11), shade(skin))
    pen.shape(HEAD, skin)
    pen.inside(HEAD, arc(0, -0.62, 1.0, 0.58), shade(skin, 0.16))


def paint_features(pen: Pen, figure: Figure) -> None:
    """Draw eyes, mouth, nose and blush."""
    look, skin = LOOKS[figure.expression], SKINS[figure.skin]
    if look.blush:
        for side in (-1, 1):
            blush = mix(skin, _PINK, look.blush)
            pen.inside(HEAD, arc(side * 0.61, 0.6, 0.16, 0.085), blush)
    nose = 0.35 * pen.frame.turn
    pen.fill([(nose - 0.03, 0.56), (nose + 0.035, 0.56), (nose * 1.3, 0.49)], shade(skin, 0.4))
    for side in (-1, 1):
        if figure.expression == "laughing":
            _closed_eye(pen, side * EYE_X)
        else:
            _open_eye(pen, side * EYE_X, side, figure, look)
    if figure.expression == "sad":
        for side in (-1, 1):
            _tear(pen, side * 0.5)
    _MOUTHS[figure.expression](pen, skin)


def paint_brows(pen: Pen, figure: Figure) -> None:
    """Draw the brows; they lie over the bangs, as is usual in anime."""
    look = LOOKS[figure.expression]
    color = mix(HAIR_COLORS[figure.hair_color], _LASH, 0.72)
    inner, outer = look.brow
    width = 0.075 if figure.expression == "angry" else 0.055
    for side in (-1, 1):
        x = side * EYE_X
        middle = (inner + outer) / 2 + look.bend
        curve = path((x - side * 0.2, inner), (x + side * 0.02, middle, x + side * 0.24, outer))
        pen.stroke(curve, color, width)


def _open_eye(pen: Pen, x: float, side: int, figure: Figure, look: Look) -> None:
    y, size = EYE_Y, look.eye
    color, skin = EYE_COLORS[figure.eye_color], SKINS[figure.skin]
    pen.fill(arc(x, y, 0.255 * size, 0.3 * size), WHITE)
    iris = arc(x - side * 0.015, y + 0.02, 0.2 * size, 0.265 * size)
    pen.fill(arc(x - side * 0.015, y + 0.02, 0.215 * size, 0.28 * size), mix(color, _LASH, 0.72))
    pen.gradient(iris, mix(color, _LASH, 0.36), light(color, 0.24))
    pupil = 0.105 * size * look.pupil
    pen.fill(arc(x - side * 0.015, y + 0.0, pupil, pupil * 1.4), mix(color, _LASH, 0.86))
    lower = arc(x, y, 0.25 * size, 0.3 * size, 50, 130)
    pen.stroke(lower, mix(skin, _LASH, 0.55), 0.03)
    _lids(pen, x, side, skin, look)
    drop = 0.06 if look.lid else 0.0
    pen.fill(arc(x - 0.08, y - 0.1 + drop, 0.085, 0.095), WHITE)
    pen.fill(arc(x + 0.085, y + 0.15, 0.048, 0.052), WHITE)


def _lids(pen: Pen, x: float, side: int, skin: Color, look: Look) -> None:
    y, size = EYE_Y, look.eye

    def at(dx: float, dy: float) -> Point:
        return x + side * dx * size, y + dy * size

    if look.lid is None:
        outer = [*path(at(-0.25, -0.1), (*at(-0.14, -0.36), *at(0.03, -0.345)))]
        outer += path(at(0.03, -0.345), (*at(0.2, -0.34), *at(0.28, -0.12)), at(0.35, -0.1))
        inner = path(at(0.27, 0.03), (*at(0.2, -0.24), *at(0.02, -0.25)))
        inner += path(at(0.02, -0.25), (*at(-0.14, -0.25), *at(-0.25, -0.1)))
        pen.fill([*outer, *inner], _LASH)
        return
    near, far = look.lid
    line = path(at(-0.27, near), (*at(0.0, (near + far) / 2 - 0.05), *at(0.28, far)))
    pen.fill([*line, at(0.3, -0.38), at(-0.3, -0.38)], skin)
    pen.stroke([*line, at(0.33, far + 0.06)], _LASH, 0.085)


def _closed_eye(pen: Pen, x: float) -> None:
    y = EYE_Y + 0.1
    curve = path((x - 0.25, y + 0.06), (x - 0.2, y - 0.2, x, y - 0.2))
    curve += path((x, y - 0.2), (x + 0.2, y - 0.2, x + 0.25, y + 0.06))
    pen.stroke(curve, _LASH, 0.085)


def _tear(pen: Pen, x: float) -> None:
    drop = path((x, 0.5), (x + 0.13, 0.74, x, 0.8), (x - 0.13, 0.74, x, 0.5))
    pen.shape(drop, _TEAR, 0.025)
    pen.fill(arc(x - 0.02, 0.7, 0.025, 0.04), WHITE)


def _smile(pen: Pen, skin: Color) -> None:
    curve = path((-0.17, 0.67), (0, 0.83, 0.17, 0.67))
    pen.stroke(curve, mix(skin, _LASH, 0.8), 0.05)


def _laugh(pen: Pen, skin: Color) -> None:
    mouth = path((-0.23, 0.62), (0, 0.68, 0.23, 0.62), (0.19, 0.88, 0, 0.88))
    mouth += path((0, 0.88), (-0.19, 0.88, -0.23, 0.62))
    pen.shape(mouth, _MOUTH)
    pen.inside(mouth, arc(0, 0.89, 0.13, 0.1), _TONGUE)
    pen.outline(mouth, skin)


def _frown(pen: Pen, skin: Color) -> None:
    curve = path((-0.15, 0.78), (0, 0.64, 0.15, 0.78))
    pen.stroke(curve, mix(skin, _LASH, 0.8), 0.05)


def _grit(pen: Pen, skin: Color) -> None:
    mouth = path((-0.13, 0.67), (0, 0.63, 0.13, 0.67), (0.24, 0.8), (0, 0.75, -0.24, 0.8))
    pen.shape(mouth, WHITE)
    pen.stroke([(-0.16, 0.73), (0.16, 0.73)], mix(skin, _LASH, 0.8), 0.025)


def _gasp(pen: Pen, skin: Color) -> None:
    pen.shape(arc(0, 0.75, 0.1, 0.135), _MOUTH)
    pen.fill(arc(0, 0.82, 0.06, 0.05), _TONGUE)


def _flat(pen: Pen, skin: Color) -> None:
    pen.stroke([(-0.11, 0.72), (0.11, 0.72)], mix(skin, _LASH, 0.8), 0.05)


_MOUTHS: Final = {
    "smile": _smile,
    "laughing": _laugh,
    "sad": _frown,
    "angry": _grit,
    "surprised": _gasp,
    "expressionless": _flat,
}
