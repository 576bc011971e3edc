"""A contact sheet: many pictures on one, each with its name and style under it.

Owns the layout. Never changes the pictures themselves.
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct
from PIL import Image, ImageDraw, ImageFont, ImageOps

Color = tuple[int, int, int]

_PAPER: Color = (20, 21, 29)
_CARD: Color = (33, 35, 47)
_INK: Color = (236, 238, 245)
_FAINT: Color = (142, 147, 168)
_ACCENTS: dict[str, Color] = {
    "cyberpunk": (244, 114, 208),
    "fantasy": (167, 139, 250),
    "steampunk": (245, 173, 88),
    "studio_ghibli": (122, 208, 140),
    "manga": (226, 228, 236),
}
_SIDE = 256
"""Pixels of the longest side of a picture on the sheet."""
_INSET, _GAP, _MARGIN, _CAPTION, _HEAD = 10, 20, 36, 58, 92
_RADIUS = 14


class Card(Struct, frozen=True, kw_only=True):
    """One picture: its file, the name under it, its style, and a word in place of the style's."""

    file: Path
    name: str
    style: str
    note: str = ""


def write_sheet(cards: Sequence[Card], file: Path, *, title: str, subtitle: str = "") -> None:
    """Draw the sheet and put it at `file` as PNG, whole or not at all.

    Raises:
        OSError: a picture cannot be read, or the sheet cannot be written.
        ValueError: there are no cards.
    """
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        draw_sheet(cards, title=title, subtitle=subtitle).save(part, format="PNG", optimize=True)
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


def draw_sheet(cards: Sequence[Card], *, title: str, subtitle: str = "") -> Image.Image:
    """The sheet as an RGB image, the cards in rows from the left, wider than high.

    Raises:
        OSError: a picture cannot be read.
        ValueError: there are no cards.
    """
    if not cards:
        raise ValueError("a contact sheet needs at least one picture")
    columns = max(1, min(len(cards), round(math.sqrt(len(cards) * 1.6))))
    rows = math.ceil(len(cards) / columns)
    wide, high = _SIDE + 2 * _INSET, _SIDE + 2 * _INSET + _CAPTION
    size = (
        2 * _MARGIN + columns * wide + (columns - 1) * _GAP,
        _HEAD + _MARGIN + rows * high + (rows - 1) * _GAP,
    )
    sheet = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    room = size[0] - 2 * _MARGIN
    _write(pen, (_MARGIN, 26), title, 30, _INK, room)
    _write(pen, (_MARGIN, 64), subtitle, 15, _FAINT, room)
    for number, card in enumerate(cards):
        row, column = divmod(number, columns)
        corner = (_MARGIN + column * (wide + _GAP), _HEAD + 8 + row * (high + _GAP))
        _place(sheet, pen, corner, (wide, high), card)
    return sheet


def _place(
    sheet: Image.Image,
    pen: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    size: tuple[int, int],
    card: Card,
) -> None:
    left, top = corner
    wide, high = size
    pen.rounded_rectangle((left, top, left + wide - 1, top + high - 1), _RADIUS, _CARD)
    with Image.open(card.file) as stored:
        picture = ImageOps.contain(stored.convert("RGB"), (_SIDE, _SIDE), Image.Resampling.LANCZOS)
    spot = (left + (wide - picture.width) // 2, top + _INSET + (_SIDE - picture.height) // 2)
    sheet.paste(picture, spot, _corners(picture.size))
    under = top + _INSET + _SIDE
    room = wide - 2 * _INSET - 8
    _write(pen, (left + _INSET + 4, under + 11), card.name, 17, _INK, room)
    accent = _ACCENTS.get(card.style, _FAINT)
    dot = (left + _INSET + 5, under + 41)
    pen.ellipse((*dot, dot[0] + 7, dot[1] + 7), accent)
    _write(
        pen, (dot[0] + 15, under + 36), card.note or card.style or "no style", 14, accent, room - 16
    )


def _corners(size: tuple[int, int]) -> Image.Image:
    """A mask that rounds the corners; drawn four times as large, so that the edge is smooth."""
    large = Image.new("L", (size[0] * 4, size[1] * 4), 0)
    box = (0, 0, large.width - 1, large.height - 1)
    ImageDraw.Draw(large).rounded_rectangle(box, (_RADIUS - 6) * 4, 255)
    return large.resize(size, Image.Resampling.LANCZOS)


def _write(
    pen: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    size: int,
    color: Color,
    room: int,
) -> None:
    """One line of text, cut with an ellipsis where it is longer than `room` pixels."""
    font = ImageFont.load_default(size)
    shown = " ".join(text.split())
    if pen.textlength(shown, font) > room:
        while shown and pen.textlength(shown + "…", font) > room:
            shown = shown[:-1]
        shown = shown.rstrip() + "…"
    pen.text(place, shown, color, font)
