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

__all__ = ["paint"]

_NATIVE = SIDE // 2
_INK = 0.8
_SOFT_INK = 0.5


def paint(scene: Scene, size: int = _NATIVE) -> Image.Image:
    """Paint a scene as an RGB picture of `size` by `size` pixels.

    Raises ValueError for a size below 1.
    """
    if size < 1:
        raise ValueError(f"paint: size {size} is no picture; give at least 1 pixel")
    rng = random.Random(scene.seed)
    picture = paint_background(scene.background, rng)
    empty = picture.copy() if scene.style is not None else None
    for index, figure in enumerate(scene.figures):
        _paint_figure(picture, figure, _place(index, len(scene.figures), rng), rng, scene.style)
    if scene.style is None or empty is None:
        return picture.resize((size, size), Image.Resampling.LANCZOS)
    styled = _in_style(scene.style, picture, empty, rng)
    if size == _NATIVE:
        return styled
    return styled.resize((size, size), Image.Resampling.LANCZOS)


def _place(index: int, count: int, rng: random.Random) -> Frame:
    if count == 1:
        scale = rng.uniform(104, 126)
        return Frame(x=256 + rng.uniform(-26, 26), y=252 + rng.uniform(-14, 14), scale=scale)
    scale = rng.uniform(72, 80)
    x = (136, 376)[index] + rng.uniform(-8, 8)
    return Frame(x=x, y=280 + rng.uniform(-18, 18), scale=scale)


def _paint_figure(
    picture: Image.Image, figure: Figure, place: Frame, rng: random.Random, style: str | None
) -> None:
    angle, turn = rng.uniform(-6, 6), rng.uniform(-1, 1)
    # The head turns about the neck, which keeps its place.
    (neck,) = place.pixels([(0.0, 0.9)])
    tilted = Frame(x=neck[0], y=neck[1], scale=place.scale, angle=angle)
    (centre,) = tilted.pixels([(0.0, -0.9)])
    if style == "manga":
        # White paper stands for every skin: dots on a face would hide its expression.
        figure = msgspec.structs.replace(figure, skin="pale skin")
    ink = _SOFT_INK if style == "studio_ghibli" else _INK
    body = Pen(picture, place, ink=ink)
    frame = Frame(x=centre[0], y=centre[1], scale=place.scale, angle=angle)
    head = body.moved(frame)
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
