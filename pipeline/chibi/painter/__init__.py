"""The painter: a scene becomes an anime portrait, drawn with Pillow alone.

Owns composition: where figures stand, in what order their parts are drawn, which style follows.
The same scene gives the same pixels.
"""

import random

import msgspec
from PIL import Image, ImageChops

from pipeline.chibi.painter import accessories, face, hair, outfits, styles
from pipeline.chibi.painter.backgrounds import paint_background
from pipeline.chibi.painter.canvas import SIDE, Frame, Pen
from pipeline.chibi.scene import Figure, Scene

__all__ = ["faces", "paint"]

_NATIVE = SIDE // 2
_INK = 0.8
_SOFT_INK = 0.5
_FACE_Y = 0.35
_FACE_RADIUS = 0.85


def paint(scene: Scene, size: int = _NATIVE) -> Image.Image:
    """Paint a scene as an RGB picture of `size` by `size` pixels.

    Raises ValueError for a size below 1.
    """
    if size < 1:
        raise ValueError(f"paint: size {size} is no picture; give at least 1 pixel")
    picture = paint_background(scene.background, _chance(scene, "background"))
    empty = picture.copy() if scene.style is not None else None
    for figure, pose in zip(scene.figures, _poses(scene), strict=True):
        _paint_figure(picture, figure, pose, scene.style)
    if scene.style is None or empty is None:
        return picture.resize((size, size), Image.Resampling.LANCZOS)
    styled = _in_style(scene.style, picture, empty, _chance(scene, "style"))
    if size == _NATIVE:
        return styled
    return styled.resize((size, size), Image.Resampling.LANCZOS)


def faces(scene: Scene) -> tuple[tuple[float, float, float], ...]:
    """Return where the faces are: the middle (x, y) and radius of each, as shares of the side."""
    found = []
    for pose in _poses(scene):
        ((x, y),) = pose.head.pixels([(0.0, _FACE_Y)])
        found.append((x / SIDE, y / SIDE, _FACE_RADIUS * pose.head.scale / SIDE))
    return tuple(found)


class _Pose(msgspec.Struct, frozen=True, kw_only=True):
    """Where a figure's body and head are, and how far its face turns (-1..1)."""

    body: Frame
    head: Frame
    turn: float


def _chance(scene: Scene, part: str) -> random.Random:
    """Return the random numbers of one part of the picture; the parts do not know each other."""
    return random.Random(f"{scene.seed}/{part}")


def _poses(scene: Scene) -> list[_Pose]:
    rng = _chance(scene, "poses")
    return [_pose(index, len(scene.figures), rng) for index in range(len(scene.figures))]


def _pose(index: int, count: int, rng: random.Random) -> _Pose:
    place = _place(index, count, rng)
    angle, turn = rng.uniform(-6, 6), rng.uniform(-1, 1)
    # The head turns about the neck, which keeps its place.
    (neck,) = place.pixels([(0.0, 0.9)])
    tilted = Frame(x=neck[0], y=neck[1], scale=place.scale, angle=angle)
    (centre,) = tilted.pixels([(0.0, -0.9)])
    head = Frame(x=centre[0], y=centre[1], scale=place.scale, angle=angle)
    return _Pose(body=place, head=head, turn=turn)


def _place(index: int, count: int, rng: random.Random) -> Frame:
    if count == 1:
        scale = rng.uniform(104, 126)
        return Frame(x=256 + rng.uniform(-26, 26), y=252 + rng.uniform(-14, 14), scale=scale)
    scale = rng.uniform(72, 80)
    x = (136, 376)[index] + rng.uniform(-8, 8)
    return Frame(x=x, y=280 + rng.uniform(-18, 18), scale=scale)


def _paint_figure(picture: Image.Image, figure: Figure, pose: _Pose, style: str | None) -> None:
    if style == "manga":
        # White paper stands for every skin: dots on a face would hide its expression.
        figure = msgspec.structs.replace(figure, skin="pale skin")
    ink = _SOFT_INK if style == "studio_ghibli" else _INK
    body = Pen(picture, pose.body, ink=ink)
    head, turn = body.moved(pose.head), pose.turn
    hair.paint_back(head, figure)
    outfits.paint_body(body, figure)
    accessories.paint_scarf(body, figure)
    face.paint_head(head, figure)
    face.paint_features(head, figure, turn)
    accessories.paint_behind(head, figure)
    hair.paint_front(head, figure)
    face.paint_brows(head, figure, turn)
    accessories.paint_before(head, figure, turn)


def _in_style(
    style: str, picture: Image.Image, empty: Image.Image, rng: random.Random
) -> Image.Image:
    changed = (
        ImageChops.difference(picture, empty).convert("L").point(lambda value: 255 * (value > 2))
    )
    if style == "manga":
        return styles.apply(style, picture, changed, rng)
    half = (_NATIVE, _NATIVE)
    mask = changed.resize(half, Image.Resampling.BOX)
    return styles.apply(style, picture.resize(half, Image.Resampling.LANCZOS), mask, rng)
