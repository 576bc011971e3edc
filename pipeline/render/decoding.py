"""Pictures that another is drawn from, decoded as the model takes them.

Owns the limits and what becomes of a picture on the way: it lies as its camera held it (EXIF),
what is transparent is white, and it is scaled with Lanczos until it covers the size that is drawn
and cut in the middle to that. Reads files below the inbox only, and those only that the job meant.
"""

import hashlib
import io
from pathlib import Path
from typing import ClassVar

from PIL import Image, ImageOps

from pipeline import disk
from pipeline.core.resolved import Picture
from pipeline.errors import AnimeError
from pipeline.rasters import MOST_BYTES, NoPicture, size_of

Size = tuple[int, int]
"""Width and height in pixels."""

LINES = ("lineart", "scribble", "softedge", "canny")
"""Kinds of control whose lines are white on black."""
_FORMATS = ("PNG", "JPEG", "WEBP")
_MIDDLE = 127.5
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


class CannotUse(AnimeError):
    """A file that a picture is drawn from or after is not there any more, is another one by now, or
    is none that can be used."""

    exit_code: ClassVar[int] = 1


def decoded(picture: Picture, root: Path) -> Image.Image:
    """The picture, RGB, in its own size.

    Raises:
        CannotUse: it is gone, changed or broken.
    """
    path = place(picture.file, root, "picture")
    try:
        with disk.open_plain(path) as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise CannotUse(
            f"the picture {picture.file} cannot be read: {error.strerror or error}"
        ) from error
    if hashlib.sha256(data).hexdigest() != picture.sha256:
        raise CannotUse(
            f"the picture {picture.file} is another one than when the job was read",
            "put the old one back, or wait until the new one has been seen; one that was drawn "
            "here and retouched needs a name of its own",
        )
    try:
        size_of(data)
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            return _upright(image)
    except NoPicture as no:
        raise CannotUse(f"the picture {picture.file} cannot be drawn from: {no}") from no
    except _BROKEN as error:
        raise CannotUse(
            f"the picture {picture.file} is broken: {error}", "copy or save it again"
        ) from error


def place(file: str, root: Path, what: str) -> Path:
    """Where a file of the inbox is; a link that leads out of it is not followed.

    Raises CannotUse for one that is outside.
    """
    path = disk.below(root, file)
    if path is None:
        raise CannotUse(f"the {what} {file!r} is outside the inbox", "copy it into the inbox")
    return path


def fitted(image: Image.Image, size: Size) -> Image.Image:
    """The picture scaled until it covers the size, and cut in the middle to that."""
    if image.size == size:
        return image
    return ImageOps.fit(image, size, Image.Resampling.LANCZOS)


def lines(image: Image.Image, kind: str) -> Image.Image:
    """A picture for a control of this kind: lines that are black on white are turned around."""
    if kind not in LINES:
        return image
    grey = image.convert("L")
    levels = grey.histogram()
    mean = sum(level * count for level, count in enumerate(levels)) / max(sum(levels), 1)
    return ImageOps.invert(image) if mean > _MIDDLE else image


def _upright(image: Image.Image) -> Image.Image:
    """The first frame as it is seen, RGB."""
    image.seek(0)
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16") or upright.mode in ("I", "F"):
        # Sixteen bits a pixel, which a plain conversion would cut off at 255.
        upright = upright.convert("I").point(lambda level: level / 257).convert("L")
    if not upright.has_transparency_data:
        return upright.convert("RGB")
    clear = upright.convert("RGBA")
    white = Image.new("RGBA", clear.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, clear).convert("RGB")
