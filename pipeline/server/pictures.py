"""Reading a finished picture from the inbox, for the page.

Owns the check that it is what the journal says it is: a PNG, a plain file, inside the inbox even
after every link is followed. Never takes a path from a request: the file comes from the state.
"""

import os
import stat
from pathlib import Path

from msgspec import Struct

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Picture(Struct, frozen=True, kw_only=True):
    """A picture's bytes, and a tag that changes when somebody retouches the file. `data` is None
    where whoever asks has the picture of that tag."""

    tag: str
    data: bytes | None


def read(inbox: Path, file: str, *, most: int, known: str = "") -> Picture | None:
    """The PNG at `file` (relative to the inbox), or None if there is none that may be shown.

    `most` is the size in bytes beyond which a file is no picture of ours. `known` is the tag of the
    picture that the asker has: a file that is still the same is not read.
    """
    path = within(inbox, file)
    if path is None:
        return None
    try:
        with open(path, "rb", opener=_open) as opened:
            about = os.fstat(opened.fileno())
            if not stat.S_ISREG(about.st_mode) or about.st_size > most:
                return None
            tag = f'"{about.st_ino:x}-{about.st_mtime_ns:x}-{about.st_size:x}"'
            data = None if tag == known else opened.read(most)
    except OSError:
        return None
    if data is not None and not data.startswith(_SIGNATURE):
        return None
    return Picture(tag=tag, data=data)


def within(inbox: Path, file: str) -> Path | None:
    """Where the PNG at `file` really stands, or None if that is outside the inbox."""
    root = os.path.realpath(inbox)
    path = os.path.realpath(inbox / file)
    if not file.endswith(".png") or os.path.commonpath((root, path)) != root:
        return None
    return Path(path)


def _open(path: str, flags: int) -> int:
    # NONBLOCK: a pipe in a picture's place must not hold the reader.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
