"""Pictures of the inbox that others are drawn after: what one is, by its head and its sha256.

Owns the limits under which a picture that anybody may have made is opened: PNG, JPEG or WebP, a
plain file, its size and pixels known to be bearable before anything is decoded, only its first
frame. `decoded` decodes one; nothing else here does.
"""

import hashlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline import disk
from pipeline.core.pictured import PictureFile
from pipeline.errors import AnimeError

MOST_BYTES = 64 * 1024 * 1024
"""Of a file."""
MOST_PIXELS = 64 * 1024 * 1024
"""Of a picture; a large camera has as many."""
FORMATS = ("PNG", "JPEG", "WEBP")

_BROKEN = (OSError, SyntaxError, ValueError, EOFError)
_AGAIN = "copy or download it again"


class NotDecoded(AnimeError):
    """A picture is not there any more, is another one by now, or is broken."""


class _Refused(Exception):
    """It is no picture that is read; the text says why."""


def describe(path: Path) -> PictureFile | None:
    """What the file is, or None if it changed meanwhile: try again later.

    Raises OSError if it cannot be read, FileNotFoundError if it is no plain file.
    """
    before = path.stat()
    if before.st_size > MOST_BYTES:
        return PictureFile(
            fault=f"it has {before.st_size:,} bytes, and {MOST_BYTES:,} are the most"
        )
    data = _bytes(path)
    after = path.stat()
    if (before.st_size, before.st_mtime_ns, before.st_ino) != (
        after.st_size, after.st_mtime_ns, after.st_ino
    ) or len(data) != after.st_size:  # fmt: skip
        return None
    try:
        with _opened(data) as image:
            width, height = image.size
            _see_its_end(image.format or "", data)
    except _Refused as refused:
        return PictureFile(fault=str(refused))
    return PictureFile(sha256=hashlib.sha256(data).hexdigest(), width=width, height=height)


def decoded(path: Path, sha256: str, called: str) -> Image.Image:
    """The picture of that `sha256`, as a person sees it: RGB, turned as its EXIF says, what is
    transparent on white. `called` is how it is spoken of.

    Raises:
        NotDecoded: it is not there, another one by now, or broken.
    """
    try:
        data = _bytes(path)
    except OSError as error:
        raise NotDecoded(
            f"the picture {called} cannot be read: {error.strerror or error}"
        ) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise NotDecoded(
            f"the picture {called} is another one than when the job was read",
            "put the old one back, or wait until the new one has been seen",
        )
    try:
        with _opened(data) as image:
            return _seen(image)
    except _Refused as refused:
        raise NotDecoded(f"the picture {called} cannot be used: {refused}") from None


def _bytes(path: Path) -> bytes:
    """At most one byte more than `MOST_BYTES`."""
    with disk.open_plain(Path(os.path.realpath(path))) as stream:
        return stream.read(MOST_BYTES + 1)


@contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings():
            # Pillow warns of many pixels; they are counted here.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(BytesIO(data), formats=FORMATS) as image:
                width, height = image.size
                if width * height > MOST_PIXELS:
                    raise _Refused(
                        f"it has {width}x{height} pixels, and {MOST_PIXELS:,} are the most"
                    )
                yield image
    except UnidentifiedImageError:
        raise _Refused(_what(data)) from None
    except Image.DecompressionBombError:
        why = f"it has too many pixels, and {MOST_PIXELS:,} are the most"
        raise _Refused(why) from None
    except _BROKEN as error:
        said = str(error) or type(error).__name__
        raise _Refused(f"it is cut short or damaged ({said}); {_AGAIN}") from None


def _seen(image: Image.Image) -> Image.Image:
    turned = ImageOps.exif_transpose(image)
    if "A" not in turned.getbands() and "transparency" not in turned.info:
        return turned.convert("RGB")
    drawn = turned.convert("RGBA")
    ground = Image.new("RGBA", drawn.size, (255, 255, 255, 255))
    return Image.alpha_composite(ground, drawn).convert("RGB")


def _see_its_end(kind: str, data: bytes) -> None:
    """Raises _Refused if the end of the file is missing, as far as is seen without decoding."""
    whole = {
        "PNG": b"IEND\xae\x42\x60\x82" in data,
        "JPEG": b"\xff\xd9" in data,
        "WEBP": len(data) >= int.from_bytes(data[4:8], "little") + 8,
    }
    if not whole.get(kind, True):
        raise _Refused(f"it is cut short; {_AGAIN}")


def _what(data: bytes) -> str:
    if not data:
        return "it is empty"
    if data.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer and not the picture itself; run `git lfs pull`"
    if data[:64].lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "it is a web page and no picture; download it again"
    if data.startswith((b"\x89PNG", b"\xff\xd8\xff", b"RIFF")):
        return f"it is cut short or damaged; {_AGAIN}"
    return "it is no PNG, JPEG or WebP; save it as one of these"
