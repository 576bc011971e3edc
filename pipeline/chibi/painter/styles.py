"""The five styles as looks of the whole picture, applied to a painted picture.

Owns grading, light and the marks of a style. Never draws figures or backgrounds.
"""

import random
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from pipeline.chibi.painter.canvas import SIDE, Frame, Pen, arc, star
from pipeline.chibi.vocabulary import Color

Pixels: TypeAlias = NDArray[np.float32]
Look: TypeAlias = Callable[[Image.Image, Image.Image, random.Random], Image.Image]

_HALF: Final = SIDE // 2
_GRAY: Final = np.array([0.3, 0.59, 0.11], dtype=np.float32)


def apply(style: str, picture: Image.Image, mask: Image.Image, rng: random.Random) -> Image.Image:
    """Return the picture in this style; `mask` (L) is white where the figures are.

    Picture and mask are 256 pixels wide and high, except for manga, which takes 512.
    """
    return _LOOKS[style](picture, mask, rng)


def _pixels(image: Image.Image) -> Pixels:
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def _image(pixels: NDArray[Any]) -> Image.Image:
    return Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8))


def _rgb(color: Color) -> Pixels:
    return np.array(color, dtype=np.float32) / np.float32(255)


def _ramp(gray: Pixels, *colors: Color) -> Pixels:
    table = np.stack([_rgb(color) for color in colors])
    places = np.linspace(0, 1, len(colors))
    channels = [np.interp(gray, places, table[:, i]) for i in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def _grown(mask: Image.Image, radius: int) -> Image.Image:
    # A blur and a threshold: far quicker than a rank filter of the same radius.
    return mask.filter(ImageFilter.BoxBlur(radius)).point(lambda value: min(255, value * 12))


def _cyberpunk(picture: Image.Image, mask: Image.Image, rng: random.Random) -> Image.Image:
    pixels, figure = _pixels(picture), _pixels(mask)[..., None]
    neon = _ramp(pixels @ _GRAY, (12, 4, 40), (92, 10, 132), (240, 30, 160), (60, 190, 236))
    back = 0.22 * pixels + 0.7 * neon
    side = np.linspace(0, 1, _HALF, dtype=np.float32)[None, :, None]
    lamp = (1 - side) * _rgb((40, 230, 255)) + side * _rgb((255, 40, 190))
    lit = pixels * 0.82 + pixels * lamp * 0.2
    out = back * (1 - figure) + lit * figure
    glow = _pixels(mask.filter(ImageFilter.BoxBlur(7)).filter(ImageFilter.BoxBlur(5)))[..., None]
    out = out + (1 - figure) * glow * lamp * 0.9
    inner = _pixels(ImageChops.invert(_grown(ImageChops.invert(mask), 3)))[..., None]
    out = out + (figure - inner).clip(0, 1) * (lamp * 1.05 - out) * 0.95
    rows = (np.arange(_HALF) % 8 < 3).astype(np.float32)[:, None, None]
    return _image(out * (1 - 0.24 * rows))


def _fantasy(picture: Image.Image, mask: Image.Image, rng: random.Random) -> Image.Image:
    pixels, figure = _pixels(picture), _pixels(mask)[..., None]
    pastel = _ramp(
        pixels @ _GRAY, (112, 84, 196), (186, 138, 236), (240, 176, 236), (255, 222, 244)
    )
    back = 0.32 * pixels + 0.68 * pastel
    halo = _pixels(mask.filter(ImageFilter.BoxBlur(14)).filter(ImageFilter.BoxBlur(10)))[..., None]
    back = back + halo * (_rgb((255, 250, 214)) - back) * 0.95
    out = back * (1 - figure) + (pixels * 0.92 + 0.08) * figure
    soft = _pixels(_image(out).filter(ImageFilter.BoxBlur(4)))
    out = 1 - (1 - out) * (1 - soft * soft * 0.42)
    image = _image(out)
    pen = Pen(image, Frame(scale=0.5))
    spots = ((60, 80), (440, 60), (70, 330), (450, 300), (250, 30), (120, 460), (400, 450))
    for i, (x, y) in enumerate(spots):
        x, y = x + rng.randint(-24, 24), y + rng.randint(-20, 20)
        size = 44 if i % 2 else 30
        pen.fill(star(x, y, size, 0.2), (255, 226, 130))
        pen.fill(star(x, y, size * 0.66, 0.24), (255, 255, 246))
    return image


def _gear(pen: Pen, x: float, y: float, radius: float, turn: float) -> None:
    brass, dark, bright = (198, 146, 64), (84, 52, 26), (240, 200, 116)
    teeth = []
    for i in range(8):
        for angle, r in ((0, 0.8), (8, 1.0), (29, 1.0), (37, 0.8)):
            degrees = i * 45 + angle + turn
            teeth.append(arc(x, y, radius * r, radius * r, degrees, degrees + 360)[0])
    pen.fill(teeth, brass)
    pen.stroke([*teeth, teeth[0]], dark, 7)
    pen.stroke(arc(x, y, radius * 0.56, radius * 0.56), bright, 8)
    pen.fill(arc(x, y, radius * 0.32, radius * 0.32), dark)


def _steampunk(picture: Image.Image, mask: Image.Image, rng: random.Random) -> Image.Image:
    pixels, figure = _pixels(picture), _pixels(mask)[..., None]
    sepia = _ramp(pixels @ _GRAY, (44, 24, 12), (150, 98, 50), (226, 184, 120), (252, 234, 196))
    back = 0.12 * pixels + 0.88 * sepia
    front = 0.74 * pixels * _rgb((255, 242, 220)) + 0.26 * sepia
    image = _image(back * (1 - figure) + front * figure)
    pen = Pen(image, Frame(scale=0.5))
    for inset, width, color in (
        (8, 30, (92, 56, 28)),
        (8, 20, (204, 152, 70)),
        (5, 6, (246, 210, 130)),
    ):
        frame = [(inset, inset), (504, inset), (504, 504), (inset, 504), (inset, inset)]
        pen.stroke([(min(x, SIDE - inset), min(y, SIDE - inset)) for x, y in frame], color, width)
    turn = rng.uniform(0, 45)
    for x, y, r in ((44, 44, 86), (468, 44, 70), (40, 470, 70), (470, 468, 90)):
        _gear(pen, x, y, r, turn)
    return image


def _paper_edge() -> Pixels:
    edge = Image.new("L", (_HALF, _HALF), 0)
    half, reach = _HALF / 2, _HALF / 2 - 7
    box = []
    for i, (x, y) in enumerate(arc(0, 0, 1, 1)):
        # A rounded box whose side wavers as a brush does.
        stretch = reach * (1 - 0.03 * (i % 3)) / (x**6 + y**6) ** (1 / 6)
        box.append((half + x * stretch, half + y * stretch))
    ImageDraw.Draw(edge).polygon(box, fill=255)
    return _pixels(edge.filter(ImageFilter.GaussianBlur(3)))[..., None]


_EDGE: Final = _paper_edge()


def _ghibli(picture: Image.Image, mask: Image.Image, rng: random.Random) -> Image.Image:
    figure = _pixels(mask)[..., None]
    wash = picture.filter(ImageFilter.BoxBlur(3))
    pixels = _pixels(wash) * (1 - figure) + _pixels(picture) * figure
    gray = (pixels @ _GRAY)[..., None]
    calm = gray + (pixels - gray) * (0.84 + 0.1 * figure)
    warm = 1 - (1 - calm * _rgb((255, 251, 230))) * (0.7 + 0.14 * figure)
    x, y = np.meshgrid(np.linspace(0, 1, _HALF), np.linspace(0, 1, _HALF))
    sun = (np.clip(1 - (x + y) * 1.1, 0, 1) * 0.45).astype(np.float32)[..., None]
    warm = warm + sun * (_rgb((255, 244, 186)) - warm)
    return _image(warm * _EDGE + _rgb((253, 248, 232)) * (1 - _EDGE))


def _screen(period: int, radius: float) -> NDArray[np.bool_]:
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    u, v = (x + y) % period - period / 2, (x - y) % period - period / 2
    inside: NDArray[np.bool_] = u * u + v * v < radius * radius * 2
    return inside


_DOTS: Final = _screen(16, 3.6)


def _manga(picture: Image.Image, mask: Image.Image, rng: random.Random) -> Image.Image:
    gray = picture.convert("L")
    speed = Image.new("L", (SIDE, SIDE), 255)
    draw = ImageDraw.Draw(speed)
    turn = rng.uniform(0, 12)
    for i in range(30):
        angle = i * 12 + turn
        wedge = [(400, angle), (222 + 26 * (i % 2), angle + 2.5), (400, angle + 5)]
        draw.polygon([arc(256, 250, r, r, a, a)[0] for r, a in wedge], fill=0)
    tones, figure = np.asarray(gray), np.asarray(mask) > 0
    # Faces and hair need clear values; what lies behind them stays paler.
    black = np.where(figure, tones < 118, tones < 66)
    dotted = ~black & (tones < np.where(figure, 165, 150)) & _DOTS
    paper = np.where(black | dotted, 0, 255)
    page = Image.fromarray(paper.astype(np.uint8))
    lined = ImageChops.darker(page, speed)
    lined.paste(255, (0, 0), _grown(mask, 4))
    page = Image.composite(page, lined, mask)
    return page.resize((_HALF, _HALF), Image.Resampling.LANCZOS).convert("RGB")


_LOOKS: Final[dict[str, Look]] = {
    "cyberpunk": _cyberpunk,
    "fantasy": _fantasy,
    "steampunk": _steampunk,
    "studio_ghibli": _ghibli,
    "manga": _manga,
}
