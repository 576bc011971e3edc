"""Picture files that somebody put into an inbox: what one is, by its bytes, without decoding it.

Owns the limits under which a picture is drawn from, and telling from its structure that it is one
and whole. Never decodes a pixel, so that the runner's thread may ask. Formats: PNG (W3C PNG, 5),
JPEG (ITU T.81, annex B) and WebP (RFC 9649).
"""

import hashlib
import os
import stat
import zlib
from pathlib import Path

from pipeline.core.pictures import PictureFile

MOST_BYTES = 64 * 2**20
"""Of a file."""
MOST_PIXELS = 64 * 2**20
"""Four times what a manifest can ask for."""

_PNG = b"\x89PNG\r\n\x1a\n"
_LFS = b"version https://git-lfs"
_ALONE = {0x01, *range(0xD0, 0xD8)}
"""Markers of a JPEG without a length after them."""
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG that say how large it is."""


class NoPicture(Exception):
    """The bytes are none that is drawn from; the text says why."""


def describe(path: Path) -> PictureFile | None:
    """What the file is as a picture, or None if it changed meanwhile: try again later.

    Raises OSError if it cannot be read, FileNotFoundError if it is no plain file.
    """
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(opened, "rb") as stream:
        before = os.fstat(opened)
        if not stat.S_ISREG(before.st_mode):
            raise FileNotFoundError(f"{path} is not a plain file")
        if before.st_size > MOST_BYTES:
            fault = f"it has {before.st_size:,} bytes, and {MOST_BYTES:,} are the most"
            return PictureFile(fault=fault)
        data = stream.read(MOST_BYTES + 1)
        after = os.fstat(opened)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        return None
    return described(data)


def described(data: bytes) -> PictureFile:
    """What these bytes are as a picture."""
    try:
        width, height = size_of(data)
    except NoPicture as no:
        return PictureFile(fault=str(no))
    return PictureFile(sha256=hashlib.sha256(data).hexdigest(), width=width, height=height)


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height in pixels, as they are stored.

    Raises:
        NoPicture: it is no PNG, JPEG or WebP, is cut short, or has too many pixels.
    """
    try:
        width, height = _size(data)
    except IndexError:
        raise _cut() from None
    if width < 1 or height < 1:
        raise NoPicture("it has no pixels")
    if width * height > MOST_PIXELS:
        raise NoPicture(f"it has {width}x{height} pixels, and {MOST_PIXELS:,} are the most")
    return width, height


def _size(data: bytes) -> tuple[int, int]:
    if data.startswith(_PNG):
        return _png(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    if data.startswith(_LFS):
        raise NoPicture("it is a Git LFS pointer and not the file itself; run `git lfs pull`")
    if not data:
        raise NoPicture("it is empty")
    if data[:64].lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise NoPicture("it is a web page and no picture; download it again")
    raise NoPicture("it is no PNG, JPEG or WebP, whatever its name says; save it as one of these")


def _png(data: bytes) -> tuple[int, int]:
    """Every chunk has to be there and as it was written."""
    place, size, pixels = len(_PNG), (0, 0), False
    while True:
        length, kind = _number(data, place, 4), data[place + 4 : place + 8]
        end = place + 8 + length
        if zlib.crc32(data[place + 4 : end]) != _number(data, end, 4):
            raise NoPicture("it is damaged; copy or save it again")
        if kind == b"IHDR":
            size = _number(data, place + 8, 4), _number(data, place + 12, 4)
        pixels |= kind == b"IDAT"
        if kind == b"IEND":
            if not pixels:
                raise NoPicture("it has no pixels")
            return size
        place = end + 4


def _jpeg(data: bytes) -> tuple[int, int]:
    """From segment to segment until the frame, whose end is looked for at the end of the file."""
    place = 2
    while (marker := data[place + 1]) not in _FRAMES:
        if data[place] != 0xFF:
            raise NoPicture("it is damaged; copy or save it again")
        if marker in (0xD9, 0xDA):
            raise NoPicture("it has no pixels")
        if marker == 0xFF or marker in _ALONE:
            place += 1 if marker == 0xFF else 2
        else:
            place += 2 + _number(data, place + 2, 2)
    if data.rfind(b"\xff\xd9", place) < 0:
        raise _cut()
    return _number(data, place + 7, 2), _number(data, place + 5, 2)


def _webp(data: bytes) -> tuple[int, int]:
    if 8 + int.from_bytes(data[4:8], "little") > len(data):
        raise _cut()
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + _little(data, 24, 3), 1 + _little(data, 27, 3)
    if kind == b"VP8L":
        bits = _little(data, 21, 4)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        return _little(data, 26, 2) & 0x3FFF, _little(data, 28, 2) & 0x3FFF
    raise NoPicture("it is a WebP of a kind that is not known")


def _number(data: bytes, place: int, size: int) -> int:
    found = data[place : place + size]
    if len(found) < size:
        raise _cut()
    return int.from_bytes(found, "big")


def _little(data: bytes, place: int, size: int) -> int:
    found = data[place : place + size]
    if len(found) < size:
        raise _cut()
    return int.from_bytes(found, "little")


def _cut() -> NoPicture:
    return NoPicture("it is cut short; copy or save it again")
