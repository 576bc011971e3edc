"""The ten backgrounds, in pixels of the 512-pixel picture.

Owns what lies behind the figures. Never draws figures and never knows the style.
"""

import random
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from PIL import Image, ImageDraw

from pipeline.chibi.painter.canvas import SIDE, Frame, Pen, arc, light, mix, path, shade, star
from pipeline.chibi.vocabulary import Color

Scenery: TypeAlias = Callable[[Image.Image, Pen, random.Random], None]


def paint_background(name: str, rng: random.Random) -> Image.Image:
    """Return a fresh 512x512 RGB picture of this background; `rng` places its parts."""
    image = Image.new("RGB", (SIDE, SIDE))
    _SCENERY[name](image, Pen(image, Frame(), ink=0.5), rng)
    return image


def _sky(image: Image.Image, colors: Sequence[Color], top: int = 0, bottom: int = SIDE) -> None:
    draw = ImageDraw.Draw(image)
    parts, band = len(colors) - 1, 4
    for y in range(top, bottom, band):
        t = (y - top) / (bottom - top) * parts
        i = min(int(t), parts - 1)
        draw.rectangle((0, y, SIDE, y + band), fill=mix(colors[i], colors[i + 1], t - i))


def _box(pen: Pen, x0: float, y0: float, x1: float, y1: float, color: Color) -> None:
    pen.fill([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], color)


def _cloud(pen: Pen, x: float, y: float, size: float, color: Color, under: Color) -> None:
    puffs = ((-1.1, 0.1, 0.55), (-0.45, -0.25, 0.7), (0.35, -0.4, 0.8), (1.1, 0.05, 0.6))
    for tone, lift in ((under, 0.14), (color, 0.0)):
        for dx, dy, r in puffs:
            pen.fill(arc(x + dx * size, y + (dy + lift) * size, r * size, r * size * 0.8), tone)
    pen.fill(arc(x, y + 0.3 * size, 1.5 * size, 0.34 * size), color)


def _city(image: Image.Image, pen: Pen, rng: random.Random) -> None:
    _sky(image, ((18, 16, 58), (54, 34, 112), (150, 66, 140)))
    shift = rng.randint(-30, 30)
    for i in range(-1, 7):
        height = (210, 120, 170, 90, 190, 130, 230, 150)[i + 1]
        _box(pen, i * 86 + shift, height, i * 86 + 78 + shift, SIDE, (50, 40, 102))
    for i in range(-1, 6):
        x, top = i * 112 + shift * 2, (150, 260, 110, 290, 240, 130, 250)[i + 1]
        _box(pen, x, top, x + 92, SIDE, (24, 20, 56))
        for row in range((SIDE - top) // 40):
            for column in range(3):
                if (row * 5 + column * 3 + i * 7) % 4 != 0:
                    color = ((255, 214, 96), (255, 214, 96), (104, 226, 255))[(row + i) % 3]
                    wx, wy = x + 12 + column * 26, top + 16 + row * 40
                    _box(pen, wx, wy, wx + 16, wy + 20, color)


def _classroom(image: Image.Image, pen: Pen, rng: random.Random) -> None:
    _sky(image, ((252, 236, 200), (244, 218, 168)))
    shift = rng.randint(-24, 24)
    _box(pen, -20, 60, 330 + shift, 290, (150, 96, 56))
    _box(pen, -20, 74, 316 + shift, 272, (46, 110, 84))
    _box(pen, -20, 74, 316 + shift, 92, (38, 92, 70))
    for i in range(3):
        line = path((30, 130 + i * 44), (90, 120 + i * 44, 250 + shift, 130 + i * 44))
        pen.stroke(line, (170, 214, 190), 7)
    _box(pen, 362 + shift, 30, 540, 300, (255, 250, 238))
    _box(pen, 376 + shift, 44, 540, 288, (140, 208, 250))
    pen.fill(arc(470 + shift, 220, 60, 30), (255, 255, 255))
    _box(pen, 448 + shift, 44, 458 + shift, 288, (255, 250, 238))
    _box(pen, 0, 372, SIDE, SIDE, (196, 138, 84))
    _box(pen, 0, 372, SIDE, 386, (162, 106, 62))
    for x in (30, 390):
        _box(pen, x + shift, 418, x + 130 + shift, 440, (232, 184, 122))
        _box(pen, x + 12 + shift, 440, x + 26 + shift, SIDE, (120, 124, 136))
        _box(pen, x + 104 + shift, 440, x + 118 + shift, SIDE, (120, 124, 136))


def _forest(image: Image.Image, pen: Pen, rng: random.Random) -> None:
    _sky(image, ((214, 244, 176), (160, 222, 142), (92, 172, 96)))
    shift = rng.randint(-30, 30)
    for x in (70, 190, 330, 450):
        _box(pen, x - 16 + shift, 0, x + 16 + shift, 460, (112, 170, 96))
    for x in (10, 262, 500):
        trunk = path(
            (x - 34, 0), (x - 24, 250, x - 46, 480), (x + 46, 480), (x + 24, 250, x + 34, 0)
        )
        pen.fill([(px - shift, py) for px, py in trunk], (116, 84, 58))
        _box(pen, x + 6 - shift, 0, x + 22 - shift, 440, (90, 62, 48))
    for i in range(7):
        pen.fill(arc(i * 86 - shift, (10, 40, 0)[i % 3], 80, 70), (58, 146, 74))
    for i in range(7):
        pen.fill(arc(i * 90 + 20 + shift, (-14, 6)[i % 2], 70, 50), (40, 116, 66))
    for i in range(6):
        pen.fill(arc(i * 104 + shift, 500, 84, 76), (52, 138, 70))
        pen.fill(arc(i * 104 + 40 - shift, 530, 76, 66), (36, 108, 62))


def _beach(image: Image.Image, pen: Pen, rng: random.Random) -> None:
    horizon = 240 + rng.randint(-16, 16)
    _sky(image, ((88, 190, 250), (206, 242, 255)), 0, horizon)
    _sky(image, ((24, 122, 206), (60, 200, 220)), horizon, SIDE)
    _cloud(pen, 90 + rng.randint(-40, 40), 150, 44, (255, 255, 255), (206, 230, 248))
    pen.fill(arc(430, 76, 44, 44), (255, 244, 170))
    for i in range(4):
        y = horizon + 24 + i * 24
        x = (40, 380, 120, 420)[i]
        pen.stroke([(x, y), (x + 90, y)], (176, 240, 248), 7)
    shore = path((0, 404), (140, 372, 270, 398), (400, 424, 512, 390), (512, 512), (0, 512))
    pen.fill([(x, y - 14 if y < 500 else y) for x, y in shore], (240, 252, 255))
    pen.fill(shore, (248, 222, 160))
    # A parasol gives the beach its sign when the figure hides the sea.
    x = 60 + rng.randint(-10, 20)
    pen.stroke([(x, 270), (x, 460)], (250, 250, 250), 9)
    pen.fill(arc(x, 300, 92, 76, 180, 360), (240, 78, 78))
    pen.fill(arc(x, 300, 34, 76, 180, 360), (255, 250, 240))


def _sunset(image: Image.Image, pen: Pen, rng: random.Random) -> None:
    _sky(image, ((92, 56, 150), (226, 84, 120), (255, 150, 66), (255, 214, 110)), 0, 352)
    x = rng.choice((96, 256, 416)) + rng.randint(-30, 30)
    pen.fill(arc(x, 330, 110, 110), (255, 196, 90))
    pen.fill(arc(x, 330, 82, 82), (255, 244, 176))
    for dx, y, w in ((-180, 110, 120), (90, 160, 150), (-60, 220, 130)):
        pen.fill(arc(256 + dx, y, w, 13), (255, 140, 120))
    _sky(image, ((214, 92, 90), (96, 44, 110)), 352, SIDE)
    hills = path(
        (0, 352),
        (80, 286, 170, 352),
        (260, 300, 340, 352),
        (440, 270, 512, 336),
        (512, 366),
        (0, 366),
    )
    pen.fill(hills, (84, 38, 96))
    for i in range(4):
        y = 388 + i * 32
        pen.stroke([(x - 60 + i * 8, y), (x + 60 - i * 8, y)], (255, 200, 110), 9)


def _stars(image: Image.Image, pen: Pen, rng: random.Random) -> None:
    _sky(image, ((10, 12, 52), (28, 38, 112), (70, 76, 168)))
    pen.fill(path((0, 330), (180, 150, 512, 40), (512, 150), (220, 250, 0, 430)), (50, 56, 140))
    x = rng.choice((84, 424))
    pen.fill(arc(x, 92, 58, 58), (255, 240, 168))
    pen.fill(arc(x + 26, 78, 50, 50), (18, 22, 74))
    spots = (
        (60, 210),
        (180, 60),
        (300, 40),
        (460, 220),
        (400, 330),
        (110, 330),
        (250, 120),
        (30, 430),
    )
    for i, (sx, sy) in enumerate((*spots, (490, 440), (340, 160), (200, 250))):
        sx, sy = sx + rng.randint(-22, 22), sy + rng.randint(-22, 22)
        pen.fill(star(sx, sy, 26 if i % 3 == 0 else 15, 0.3), (255, 252, 216))
    pen.fill(
        path((0, 470), (130, 400, 280, 460), (400, 410, 512, 460), (512, 512), (0, 512)),
        (12, 16, 50),
    )


def _sakura(image: Image.Image, pen: Pen, rng: random.Random) -> None:
    _sky(image, ((198, 228, 255), (255, 226, 238), (255, 206, 224)))
    pen.fill(path((0, 430), (256, 370, 512, 430), (512, 512), (0, 512)), (176, 218, 150))
    trunk = path((-20, 512), (60, 300, 0, 60), (70, 40), (110, 300, 90, 512))
    pen.fill(trunk, (122, 82, 82))
    pen.stroke(path((40, 150), (160, 60, 330, 50)), (122, 82, 82), 22)
    blobs = (
        (20, 40, 90),
        (130, 20, 80),
        (240, 30, 76),
        (350, 20, 70),
        (470, 10, 70),
        (20, 170, 60),
    )
    for dx, tone in ((0, (248, 150, 188)), (-14, (255, 184, 210))):
        for x, y, r in blobs:
            pen.fill(arc(x + dx, y + dx, r + dx, r * 0.8 + dx), tone)
    for i in range(9):
        x, y = (i * 197) % 512 + rng.randint(-20, 20), 130 + (i * 83) % 360 + rng.randint(-16, 16)
        petal = path((x - 15, y), (x - 4, y - 16, x + 15, y), (x, y + 14, x - 15, y))
        pen.fill(petal, (248, 138, 180))


def _blue_sky(image: Image.Image, pen: Pen, rng: random.Random) -> None:
    _sky(image, ((38, 122, 236), (120, 192, 252), (214, 240, 255)))
    white, under = (255, 255, 255), (196, 222, 248)
    _cloud(pen, 90 + rng.randint(-40, 40), 110 + rng.randint(-20, 20), 58, white, under)
    _cloud(pen, 430 + rng.randint(-40, 40), 200 + rng.randint(-20, 20), 66, white, under)
    _cloud(pen, 60 + rng.randint(-30, 30), 370, 76, white, under)
    _cloud(pen, 380 + rng.randint(-30, 30), 440, 92, white, under)


def _rain(image: Image.Image, pen: Pen, rng: random.Random) -> None:
    _sky(image, ((82, 96, 122), (126, 144, 168), (158, 174, 192)))
    for i in range(6):
        pen.fill(arc(i * 104, (10, 36)[i % 2], 90, 66), (66, 78, 104))
    pen.fill(path((0, 440), (256, 420, 512, 440), (512, 512), (0, 512)), (96, 114, 140))
    for x, y in ((80, 476), (430, 470)):
        pen.stroke(arc(x, y, 56, 14), (178, 200, 220), 7)
    shift = rng.randint(0, 60)
    for i in range(26):
        x, y = (i * 151 + shift) % 560, (i * 97) % 480
        pen.stroke([(x, y), (x - 22, y + 74)], (206, 224, 242), 7)


def _simple(image: Image.Image, pen: Pen, rng: random.Random) -> None:
    color = (238, 234, 246)
    pen.fill([(0, 0), (SIDE, 0), (SIDE, SIDE), (0, SIDE)], color)
    pen.fill(arc(256 + rng.randint(-20, 20), 250, 214, 214), light(color, 0.7))
    pen.stroke(arc(256, 250, 236, 236), shade(color, 0.1), 7)


_SCENERY: Final[dict[str, Scenery]] = {
    "city at night": _city,
    "classroom": _classroom,
    "forest": _forest,
    "beach": _beach,
    "sunset": _sunset,
    "starry sky": _stars,
    "cherry blossoms": _sakura,
    "blue sky": _blue_sky,
    "rain": _rain,
    "simple background": _simple,
}
