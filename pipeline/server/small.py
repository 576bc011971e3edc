"""Small versions of pictures: a gallery shows many, and a model's own may be large.

Owns how small they are and which are kept. Lives in the event loop, and shrinks in threads, so that
the loop goes on. Never reads a file.
"""

import asyncio
from collections import OrderedDict
from io import BytesIO

from PIL import Image
from starlette.concurrency import run_in_threadpool

LONGEST = 512
"""Pixels of the longer side: sharp at the size of a hand on a screen."""
QUALITY = 88
_KEPT = 128
_AT_ONCE = 2
"""More at a time would take the memory and the cores that the workers draw with."""


class Small:
    """The small versions of pictures, the last ones kept by their tags."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._most = kept
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def of(self, tag: str, data: bytes) -> bytes:
        """The small version of the PNG `data`; `tag` is another one for other bytes."""
        async with self._turn:
            found = self._kept.pop(tag, None)
            if found is None:
                found = await run_in_threadpool(shrink, data)
            self._kept[tag] = found
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return found


def media_type(data: bytes) -> str:
    """As what these bytes are served: of two types, whatever else they look like."""
    return "image/webp" if data.startswith(b"RIFF") else "image/png"


def shrink(data: bytes) -> bytes:
    """A WebP no longer than `LONGEST` on either side, a tenth of a PNG of that size; `data` itself
    if it is that small already, or if it cannot be read."""
    try:
        with Image.open(BytesIO(data), formats=["PNG"]) as picture:
            if max(picture.size) <= LONGEST:
                return data
            picture.thumbnail((LONGEST, LONGEST))
            shrunk = BytesIO()
            picture.save(shrunk, "WEBP", quality=QUALITY)
            return shrunk.getvalue()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return data
