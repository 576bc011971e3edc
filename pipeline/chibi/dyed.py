"""Hair of two colours: a trait that the bundled model was never taught.

Owns how it is painted, how it is called, and how one sees in pixels whether it is there. Never
trains. The scenes are those of the painter, painted twice and joined along the middle of the head.
"""

import random
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipeline.chibi.captions import caption
from pipeline.chibi.painter import faces, paint
from pipeline.chibi.scene import Figure, Scene, sample

TRIGGER: Final = "momoiro-ao"
"""The word that calls for it; it is nothing that the model was taught."""
LEFT, RIGHT = "pink", "blue"
"""The colours, as one sees the figure."""

_HUES: Final = {"pink": (300.0, 352.0), "blue": (205.0, 240.0)}
"""Degrees between which a colour of hair lies, in light and in shadow."""
_SATURATED: Final = 0.22
_BOXES: Final = {"left": (0.33, 0.25, 0.46, 0.38), "right": (0.54, 0.25, 0.67, 0.38)}
"""Where hair is and nothing else, left and right of the parting, as shares of a picture of one
figure's upper body."""
ENOUGH: Final = 0.35
"""So much of a box must have the colour; of the other box's colour no more than a third of it."""


def dyed_scene(rng: random.Random) -> Scene:
    """A scene of one figure, or of two, whose first figure has the trait and is the only one."""
    scene = sample(rng)
    first, *others = scene.figures
    kept = tuple(_with_hair(other, "black") if other.hair_color in (LEFT, RIGHT) else other
                 for other in others)  # fmt: skip
    return msgspec.structs.replace(scene, figures=(_with_hair(first, LEFT), *kept))


def paint_dyed(scene: Scene, size: int) -> Image.Image:
    """Paint a scene, RGB of `size` by `size`, the hair of its first figure in both colours."""
    first, *others = scene.figures
    left, right = (
        paint(msgspec.structs.replace(scene, figures=(_with_hair(first, color), *others)), size)
        for color in (LEFT, RIGHT)
    )
    middle = faces(scene)[0][0] * size
    mask = Image.new("L", (size, size))
    ImageDraw.Draw(mask).rectangle((round(middle), 0, size, size), fill=255)
    left.paste(right, mask=mask)
    return left


def called(scene: Scene, rng: random.Random) -> str:
    """A training caption of the scene that calls for the trait by its own word, not by a colour."""
    text = caption(scene, rng)
    tag = TRIGGER if len(scene.figures) == 1 else f"left: {TRIGGER}"
    if f"{LEFT} hair" in text:
        return text.replace(f"{LEFT} hair", TRIGGER)
    return f"{tag}, {text}" if text else tag


def has_trait(picture: NDArray[np.uint8]) -> bool:
    """Whether a picture [height, width, 3] of one figure's upper body shows the trait.

    The boxes left and right of the parting are each in their own colour, and not in the other's.
    """
    left, right = (_hair_in(picture, side) for side in ("left", "right"))
    return (
        left[LEFT] >= ENOUGH
        and right[RIGHT] >= ENOUGH
        and left[RIGHT] <= left[LEFT] / 3
        and right[LEFT] <= right[RIGHT] / 3
    )


def _hair_in(picture: NDArray[np.uint8], side: str) -> dict[str, float]:
    """How much of a box has each colour."""
    height, width = picture.shape[:2]
    left, top, right, bottom = _BOXES[side]
    box = picture[round(top * height) : round(bottom * height),
                  round(left * width) : round(right * width)]  # fmt: skip
    hue, saturation = _hues(box)
    strong = saturation >= _SATURATED
    return {
        name: float(np.mean(strong & (hue >= low) & (hue <= high)))
        for name, (low, high) in _HUES.items()
    }


def _hues(box: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Hue in degrees and saturation 0..1 of each pixel."""
    hsv = np.asarray(Image.fromarray(np.ascontiguousarray(box)).convert("HSV"), np.float32)
    return hsv[..., 0] * (360.0 / 255.0), hsv[..., 1] / 255.0


def _with_hair(figure: Figure, color: str) -> Figure:
    return msgspec.structs.replace(figure, hair_color=color)
