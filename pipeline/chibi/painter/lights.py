"""The light of a place, as it falls on the figures that stand in it.

Owns what each background does to a figure: the tone of its shadows, and a rim towards the light.
Never draws anything of its own.
"""

from typing import Final

import msgspec
from PIL import Image, ImageChops, ImageFilter

from pipeline.chibi.painter.canvas import SIDE, WHITE, mix
from pipeline.chibi.vocabulary import Color

_RIM: Final = 7
"""Width of the lit rim, in pixels of the 512-pixel picture."""


class _Light(msgspec.Struct, frozen=True, kw_only=True):
    """`tone` multiplies the figure, more so away from the light; `rim` edges it on one side.

    `side` is -1 where the light comes from the left, 1 from the right, 0 from behind.
    """

    tone: Color = WHITE
    rim: Color = WHITE
    glow: float = 0.0
    side: int = -1


_LIGHTS: Final = {
    "city at night": _Light(tone=(186, 178, 232), rim=(255, 150, 220), glow=0.8, side=1),
    "classroom": _Light(tone=(250, 236, 220), rim=(255, 252, 224), glow=0.5, side=1),
    "forest": _Light(tone=(222, 240, 206), rim=(246, 255, 196), glow=0.6, side=-1),
    "beach": _Light(tone=(240, 244, 255), rim=(255, 255, 236), glow=0.6, side=1),
    "sunset": _Light(tone=(250, 206, 206), rim=(255, 216, 120), glow=0.9, side=1),
    "starry sky": _Light(tone=(190, 194, 240), rim=(196, 216, 255), glow=0.8, side=-1),
    "cherry blossoms": _Light(tone=(255, 234, 242), rim=(255, 246, 250), glow=0.5, side=-1),
    "blue sky": _Light(tone=(238, 243, 255), rim=(255, 255, 244), glow=0.5, side=-1),
    "rain": _Light(tone=(206, 214, 230), rim=(232, 242, 255), glow=0.4, side=0),
    "simple background": _Light(),
}


def lit(picture: Image.Image, figures: Image.Image, background: str) -> Image.Image:
    """Return a 512-pixel picture with its figures in the background's light.

    `figures` (L) is white where they are.
    """
    light = _LIGHTS[background]
    if light.tone == WHITE and not light.glow:
        return picture
    shadow = ImageChops.multiply(picture, Image.new("RGB", picture.size, light.tone))
    depth = ImageChops.multiply(figures, _FALL[light.side])
    toned = Image.composite(shadow, picture, depth)
    rim = ImageChops.subtract(figures, _moved(figures, light.side)).filter(ImageFilter.BoxBlur(1))
    rim = rim.point(lambda value: round(value * light.glow))
    return Image.composite(Image.new("RGB", picture.size, mix(light.rim, WHITE, 0.1)), toned, rim)


def _moved(figures: Image.Image, side: int) -> Image.Image:
    """Return the mask moved away from the light, so that what it leaves bare is the rim."""
    box = (_RIM * side, _RIM // 2 if side else -_RIM, SIDE + _RIM * side, SIDE)
    left, top = box[0], -abs(box[1])
    moved = Image.new("L", figures.size, 0)
    moved.paste(figures, (-left, -top))
    return moved


def _falls() -> dict[int, Image.Image]:
    across = Image.linear_gradient("L").rotate(90).resize((SIDE, SIDE))
    right = across.point(lambda value: 90 + value * 165 // 255)
    middle = Image.new("L", (SIDE, SIDE), 190)
    return {-1: right, 0: middle, 1: right.transpose(Image.Transpose.FLIP_LEFT_RIGHT)}


_FALL: Final = _falls()
"""How deep the shadow is from place to place (L), by the light's side."""
