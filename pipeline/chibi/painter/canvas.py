"""Curves, colours and a pen that draws them in a figure's own coordinates.

Owns geometry and ink. Knows nothing of hair, faces or scenes.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import msgspec
from PIL import Image, ImageChops, ImageDraw

from pipeline.chibi.vocabulary import Color

Point: TypeAlias = tuple[float, float]

SIDE: Final = 512
"""Pictures are drawn at this size in pixels and then reduced."""
BALL: Final = 1.1
"""Radius of a head, hair included, in its own units."""
INK: Final[Color] = (34, 18, 40)
WHITE: Final[Color] = (255, 255, 255)
SHADOW: Final[Color] = (52, 20, 84)
_STEPS: Final = 8
_WIDE: Final = 9


def mix(first: Color, second: Color, share: float) -> Color:
    """Return the colour between two, `share` in 0..1 of the second."""
    r, g, b = (round(x + (y - x) * share) for x, y in zip(first, second, strict=True))
    return r, g, b


def shade(color: Color, share: float = 0.26) -> Color:
    """Return the colour in shadow."""
    return mix(color, SHADOW, share)


def light(color: Color, share: float = 0.45) -> Color:
    """Return the colour in light."""
    return mix(color, WHITE, share)


def path(start: Point, *segments: tuple[float, ...]) -> list[Point]:
    """Sample a path; a segment is a line (x, y) or a quadratic curve (cx, cy, x, y)."""
    points = [start]
    for segment in segments:
        if len(segment) == 2:
            points.append((segment[0], segment[1]))
            continue
        (x0, y0), (cx, cy, x1, y1) = points[-1], segment
        for step in range(1, _STEPS + 1):
            t = step / _STEPS
            a, b, c = (1 - t) * (1 - t), 2 * t * (1 - t), t * t
            points.append((a * x0 + b * cx + c * x1, a * y0 + b * cy + c * y1))
    return points


def flip(points: Iterable[Point]) -> list[Point]:
    """Mirror points left to right about x = 0."""
    return [(-x, y) for x, y in points]


def whole(half: Sequence[Point]) -> list[Point]:
    """Complete a left half outline, from top to bottom, with its mirror image."""
    return [*half, *reversed(flip(half))]


def arc(
    x: float, y: float, rx: float, ry: float, start: float = 0.0, end: float = 360.0
) -> list[Point]:
    """Sample an ellipse's arc; degrees clockwise from the right, as the eye sees it."""
    count = max(6, round(abs(end - start) / 11))
    angles = (math.radians(start + (end - start) * i / count) for i in range(count + 1))
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


def star(x: float, y: float, radius: float, waist: float = 0.25, rays: int = 4) -> list[Point]:
    """Return a pointed star; `waist` is the share of the radius between two rays."""
    points = []
    for i in range(rays * 2):
        r = radius * (waist if i % 2 else 1)
        angle = math.pi * i / rays - math.pi / 2
        points.append((x + r * math.cos(angle), y + r * math.sin(angle)))
    return points


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """Where a figure's coordinates lie: origin in pixels, pixels per unit, angle in degrees.

    `turn` in -0.5..0.5 is how far the middle of a ball of radius `BALL` about the origin has
    turned to the side: what lies on its far side is foreshortened, its outline stays.
    """

    x: float = 0.0
    y: float = 0.0
    scale: float = 1.0
    angle: float = 0.0
    turn: float = 0.0

    def pixels(self, points: Iterable[Point]) -> list[Point]:
        """Map points of this frame to pixels of the picture."""
        if self.turn:
            points = [(x + self.turn * max(0.0, 1 - (x / BALL) ** 2), y) for x, y in points]
        angle = math.radians(self.angle)
        cos, sin = math.cos(angle) * self.scale, math.sin(angle) * self.scale
        return [(self.x + x * cos - y * sin, self.y + x * sin + y * cos) for x, y in points]


class Pen:
    """Draws shapes on a picture in one frame; widths are in the frame's units."""

    def __init__(self, image: Image.Image, frame: Frame, *, ink: float = 0.8) -> None:
        """Draw on `image`; `ink` in 0..1 says how dark outlines are."""
        self.image = image
        self.frame = frame
        self.ink = ink
        self._draw = ImageDraw.Draw(image)

    def moved(self, frame: Frame) -> "Pen":
        """Return a pen for the same picture in another frame."""
        return Pen(self.image, frame, ink=self.ink)

    def line_color(self, color: Color) -> Color:
        """Return the outline's colour for a shape of this colour."""
        return mix(color, INK, self.ink)

    def fill(self, points: Iterable[Point], color: Color) -> None:
        """Fill a closed shape without an outline."""
        self._draw.polygon(self.frame.pixels(points), fill=color)

    def shape(self, points: Sequence[Point], color: Color, width: float = 0.045) -> None:
        """Fill a closed shape and outline it."""
        self.fill(points, color)
        self.outline(points, color, width)

    def outline(self, points: Sequence[Point], color: Color, width: float = 0.045) -> None:
        """Outline a closed shape in the line colour that goes with `color`."""
        self.stroke([*points, points[0], points[1]], self.line_color(color), width)

    def stroke(self, points: Iterable[Point], color: Color, width: float) -> None:
        """Draw an open line with round ends, at least three pixels wide."""
        dots = self.frame.pixels(points)
        wide = max(3, round(width * self.frame.scale))
        joint = "curve" if wide > _WIDE else None
        self._draw.line(dots, fill=color, width=wide, joint=joint)
        r = wide / 2 - 0.5
        for x, y in (dots[0], dots[-1], *_corners(dots)):
            self._draw.ellipse((x - r, y - r, x + r, y + r), fill=color)

    def inside(self, clip: Sequence[Point], points: Sequence[Point], color: Color) -> None:
        """Fill the part of `points` that lies within `clip`."""
        clip_dots, dots = self.frame.pixels(clip), self.frame.pixels(points)
        left, top, right, bottom = _common_box(clip_dots, dots)
        if right <= left or bottom <= top:
            return
        masks = []
        for shape in (clip_dots, dots):
            mask = Image.new("L", (right - left, bottom - top))
            ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in shape], fill=255)
            masks.append(mask)
        self.image.paste(color, (left, top), ImageChops.darker(*masks))

    def gradient(self, points: Sequence[Point], top: Color, bottom: Color) -> None:
        """Fill a convex shape of an arc's symmetry in bands from one colour to another."""
        ys = [y for _, y in points]
        low, high = min(ys), max(ys)
        count = 10
        self.fill(points, top)
        for i in range(1, count):
            edge = low + (high - low) * i / count
            self.fill(_below(points, edge), mix(top, bottom, i / (count - 1)))


def _corners(dots: Sequence[Point]) -> list[Point]:
    # Only where a line bends sharply do wide segments leave a notch to be rounded.
    corners = []
    for (x0, y0), (x1, y1), (x2, y2) in zip(dots, dots[1:], dots[2:], strict=False):
        ax, ay, bx, by = x1 - x0, y1 - y0, x2 - x1, y2 - y1
        if ax * bx + ay * by < 3 * abs(ax * by - ay * bx):
            corners.append((x1, y1))
    return corners


def _below(points: Sequence[Point], edge: float) -> list[Point]:
    kept: list[Point] = []
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
        if y0 >= edge:
            kept.append((x0, y0))
        if (y0 >= edge) != (y1 >= edge):
            kept.append((x0 + (x1 - x0) * (edge - y0) / (y1 - y0), edge))
    return kept


def _common_box(first: Sequence[Point], second: Sequence[Point]) -> tuple[int, int, int, int]:
    boxes = []
    for dots in (first, second):
        xs, ys = [x for x, _ in dots], [y for _, y in dots]
        boxes.append((min(xs), min(ys), max(xs), max(ys)))
    (l0, t0, r0, b0), (l1, t1, r1, b1) = boxes
    return (
        max(0, math.floor(max(l0, l1))),
        max(0, math.floor(max(t0, t1))),
        min(SIDE, math.ceil(min(r0, r1)) + 1),
        min(SIDE, math.ceil(min(b0, b1)) + 1),
    )
