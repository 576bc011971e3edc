"""The painter: a scene becomes an anime portrait, drawn with Pillow alone.

Owns composition: where figures stand, in what order their parts are drawn, which style follows.
The same scene gives the same pixels.
"""

import random

import msgspec
from PIL import Image, ImageChops, ImageFilter

from pipeline.chibi import vocabulary as words
from pipeline.chibi.painter import accessories, face, hair, outfits, styles
from pipeline.chibi.painter.backgrounds import paint_background
from pipeline.chibi.painter.canvas import SIDE, Frame, Pen
from pipeline.chibi.painter.lights import lit
from pipeline.chibi.scene import Figure, Scene

__all__ = ["faces", "paint"]

_NATIVE = SIDE // 2
_DEPTH = 1.5
"""Blur of what lies behind the figures, in pixels of 512: it is further away."""

_INK = 0.8
_SOFT_INK = 0.5
_SKULL, _CAP, _FEATURES = 0.1, 0.15, 0.26
"""How far the middle of each moves, in the head's units, when a head turns all it can."""

_TURNS = {
    "looking at viewer": (0.0, 0.3),
    "looking to the side": (0.75, 1.0),
}
_FRAMINGS = {
    "upper body": (112, 134, 250),
    "portrait": (150, 172, 276),
    "cowboy shot": (92, 102, 168),
}
"""Smallest and largest scale, and the height of the head's middle, in pixels of 512."""

_FACE_Y = 0.35
_FACE_RADIUS = 0.85


def paint(scene: Scene, size: int = _NATIVE) -> Image.Image:
    """Paint a scene as an RGB picture of `size` by `size` pixels.

    Raises ValueError for a size below 1.
    """
    if size < 1:
        raise ValueError(f"paint: size {size} is no picture; give at least 1 pixel")
    picture = paint_background(scene.background, _chance(scene, "background"))
    picture = picture.filter(ImageFilter.BoxBlur(_DEPTH))
    empty = picture.copy()
    for figure, pose in zip(scene.figures, _poses(scene), strict=True):
        _paint_figure(picture, figure, pose, scene.style)
    changed = ImageChops.difference(picture, empty).convert("L")
    figures = changed.point(lambda value: 255 * (value > 2))
    if scene.style != "manga":
        picture = lit(picture, figures, scene.background)
    if scene.style is None:
        return picture.resize((size, size), Image.Resampling.LANCZOS)
    styled = _in_style(scene.style, picture, figures, _chance(scene, "style"))
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
    """Where a figure's body and head are, and how far its face turns (-1 left, 1 right)."""

    body: Frame
    head: Frame
    turn: float


def _chance(scene: Scene, part: str) -> random.Random:
    """Return the random numbers of one part of the picture; the parts do not know each other."""
    return random.Random(f"{scene.seed}/{part}")


def _poses(scene: Scene) -> list[_Pose]:
    rng = _chance(scene, "poses")
    return [_pose(scene, index, rng) for index in range(len(scene.figures))]


def _pose(scene: Scene, index: int, rng: random.Random) -> _Pose:
    place = _place(scene, index, rng)
    angle = rng.uniform(-6, 6)
    low, high = _TURNS[scene.figures[index].gaze]
    turn = rng.choice((-1, 1)) * rng.uniform(low, high)
    # The head turns about the neck, which keeps its place.
    (neck,) = place.pixels([(0.0, 0.9)])
    tilted = Frame(x=neck[0], y=neck[1], scale=place.scale, angle=angle)
    (centre,) = tilted.pixels([(0.0, -0.9)])
    head = Frame(x=centre[0], y=centre[1], scale=place.scale, angle=angle)
    return _Pose(body=place, head=head, turn=turn)


def _place(scene: Scene, index: int, rng: random.Random) -> Frame:
    low, high, y = _FRAMINGS[scene.framing]
    if len(scene.figures) == 1:
        x = 256 + rng.uniform(-26, 26)
        return Frame(x=x, y=y + rng.uniform(-14, 14), scale=rng.uniform(low, high))
    if scene.framing == words.FRAMINGS[0]:
        low, high, y = 84, 92, 276
    else:
        low, high = 82, 88
    x = (132, 380)[index] + rng.uniform(-6, 6)
    return Frame(x=x, y=y + rng.uniform(-16, 16), scale=rng.uniform(low, high))


def _paint_figure(picture: Image.Image, figure: Figure, pose: _Pose, style: str | None) -> None:
    if style == "manga":
        # White paper stands for every skin: dots on a face would hide its expression.
        figure = msgspec.structs.replace(figure, skin="pale skin")
    ink = _SOFT_INK if style == "studio_ghibli" else _INK
    body = Pen(picture, pose.body, ink=ink)

    def turned(depth: float) -> Pen:
        frame = msgspec.structs.replace(pose.head, turn=pose.turn * depth)
        return body.moved(frame)

    # What stands out further from the head's axis moves further when the head turns.
    skull, cap, features = turned(_SKULL), turned(_CAP), turned(_FEATURES)
    hair.paint_back(turned(-_SKULL), figure)
    outfits.paint_body(body, figure)
    accessories.paint_scarf(body, figure)
    face.paint_head(skull, figure)
    face.paint_features(features, figure)
    accessories.paint_behind(skull, figure)
    hair.paint_front(cap, figure)
    face.paint_brows(features, figure)
    accessories.paint_glasses(features, figure)
    accessories.paint_before(skull, figure)


def _in_style(
    style: str, picture: Image.Image, figures: Image.Image, rng: random.Random
) -> Image.Image:
    if style == "manga":
        return styles.apply(style, picture, figures, rng)
    half = (_NATIVE, _NATIVE)
    mask = figures.resize(half, Image.Resampling.BOX)
    return styles.apply(style, picture.resize(half, Image.Resampling.LANCZOS), mask, rng)
