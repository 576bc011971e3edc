"""What a PNG says of itself: its texts, our record among them, and its pixels.

Owns the limits under which a picture that anybody may have made is opened: PNG alone, a plain file,
its size and pixels known to be bearable before anything is decoded, only its first frame. Runs
nothing that a picture says, and writes nothing.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct
from PIL import Image

from pipeline import disk
from pipeline.core.record import KEY, Record, decode
from pipeline.core.resolved import Task
from pipeline.errors import AnimeError

MOST_BYTES = 256 * 1024 * 1024
"""Of a file."""
MOST_PIXELS = 64 * 1024 * 1024
"""Four times what a manifest can ask for, since other tools enlarge."""
LONGEST_TEXT = 1 << 20
"""Characters of one text; Pillow unpacks no more bytes than that of each, and 64 of them in all."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">8sI4sII")
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error,
           Image.DecompressionBombError)  # fmt: skip


class NotRead(AnimeError):
    """The file is no picture that is read here."""


class Inscription(Struct, frozen=True, kw_only=True):
    """The texts of a picture of `width` x `height`; `texts` has those that are neither ours nor
    `parameters`."""

    width: int
    height: int
    record: Record | None
    parameters: str | None
    texts: dict[str, str]


def read(path: Path) -> Inscription:
    """What the PNG says.

    Raises:
        NotRead: it is not there, is no PNG, is too large, or broken.
    """
    with _opened(path) as image:
        try:
            texts = _texts(image)
        except _BROKEN as error:
            raise _refusal(path, error) from error
        size = image.size
    mine = texts.pop(KEY, None)
    return Inscription(
        width=size[0],
        height=size[1],
        record=decode(mine) if mine is not None else None,
        parameters=texts.pop("parameters", None),
        texts=texts,
    )


def record_of(path: Path) -> Record | None:
    """Our record in a PNG, or None where there is none that we understand."""
    try:
        return read(path).record
    except NotRead:
        return None


def pixels_in(path: Path) -> str:
    """`pixels_of` the PNG at this path.

    Raises:
        NotRead: as `read`.
    """
    with _opened(path) as image:
        try:
            return pixels_of(image)
        except _BROKEN as error:
            raise _refusal(path, error) from error


def is_ours(path: Path, task: Task) -> bool:
    """Whether the file is this very task's picture, just as we drew it, at whatever commit.

    A file that someone has retouched may still carry our record; its pixels tell.
    """
    try:
        found = read(path)
        mine = found.record
        if mine is None or (found.width, found.height) != mine.resolved.size:
            return False
        same = (mine.job, mine.take, mine.index, mine.digest, mine.seed) == (
            task.job, task.take, task.index, task.digest, task.seed,
        )  # fmt: skip
        return same and pixels_in(path) == mine.pixels
    except NotRead:
        return False


def pixels_of(image: Image.Image) -> str:
    """sha256 over the picture's RGB bytes, row by row."""
    return hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        stream = disk.open_plain(path)
    except OSError as error:
        raise NotRead(f"{path} cannot be read: {error.strerror or error}") from error
    with stream:
        try:
            _bear(path, stream.read(_HEADER.size), stream.seek(0, 2))
            stream.seek(0)
            image = Image.open(stream, formats=["PNG"])
        except _BROKEN as error:
            raise _refusal(path, error) from error
        with image:
            yield image


def _bear(path: Path, head: bytes, size: int) -> None:
    """Raises NotRead unless this is the head of a PNG that is not too large."""
    if len(head) < _HEADER.size or not head.startswith(_SIGNATURE):
        raise NotRead(f"{path} is no PNG", "only PNGs are read; other formats lose what they say")
    _, _, _, width, height = _HEADER.unpack(head)
    if size > MOST_BYTES:
        raise NotRead(f"{path} has {size:,} bytes, and {MOST_BYTES:,} are the most that is read")
    if width * height > MOST_PIXELS:
        raise NotRead(f"{path} has {width}x{height} pixels, and {MOST_PIXELS:,} are the most")


def _texts(image: Image.Image) -> dict[str, str]:
    """The texts before the pixels; only where nothing of use is there, those behind them."""
    found = _strings(image)
    if KEY not in found and "parameters" not in found:
        image.load()
        found = _strings(image)
    return found


def _strings(image: Image.Image) -> dict[str, str]:
    return {
        str(key): str(value)
        for key, value in image.info.items()
        if isinstance(value, str) and len(value) <= LONGEST_TEXT
    }


def _refusal(path: Path, error: BaseException) -> NotRead:
    return NotRead(f"{path} is a broken PNG: {str(error) or type(error).__name__}")
