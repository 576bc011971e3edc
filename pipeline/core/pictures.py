"""Pictures that a manifest may name: what the journal knows of one, and by what name it is found.

Pure: reads no file. What is in one is read by `pipeline.rasters`. A picture that was drawn here is
known by what drew it and not by its file, so that a run does not tell twice of each.
"""

import re
import unicodedata
from collections.abc import Iterator

from msgspec import Struct

from pipeline.core.adapters import inside
from pipeline.core.keys import folders_above

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
PICTURES, REFERENCES = "pictures", "references"
"""Folders in which such files are looked for too: those to draw from, and those to draw after."""
_DRAWN = re.compile(r"(?P<stem>.+)\.(?:\d{2,}|sheet)(?:-\d+)?\.png")
"""How the names end of what is drawn here (`pipeline.core.keys.picture_file`)."""


class PictureFile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A picture file of an inbox; width and height in pixels, as they are stored.

    `fault` says why it cannot be drawn from, or is empty; such a file has no `sha256`.
    """

    sha256: str = ""
    width: int = 0
    height: int = 0
    fault: str = ""


def is_picture_file(file: str) -> bool:
    """Whether a file may be a picture that somebody put there, by its name."""
    return file.lower().endswith(SUFFIXES) and drawn_stem(file) is None


def drawn_stem(file: str) -> str | None:
    """What stands before the number of a picture that is called as those that are drawn here."""
    found = _DRAWN.fullmatch(file)
    return found["stem"] if found else None


def jobs_of(file: str) -> tuple[str, ...]:
    """The keys of the jobs that may have drawn a picture of this name."""
    stem = drawn_stem(file)
    if stem is None:
        return ()
    head, dot, name = stem.rpartition(".")
    return (stem, f"{head}#{name}") if dot and "/" not in name else (stem,)


def picture_fault(name: str, also: str = PICTURES) -> tuple[str, str]:
    """What is wrong with a name of a picture by itself, and the way out; empty if nothing is."""
    if inside(name) is None:
        return (
            f"{name!r} is outside the inbox, where nothing is read",
            f"copy the picture into the inbox, beside the manifest or into a folder {also}",
        )
    if not name.lower().endswith(SUFFIXES):
        return (
            f"{name!r} is no picture that is drawn from",
            "PNG, JPEG and WebP are read; save it as one of these",
        )
    return "", ""


def places(manifest: str, name: str, also: str = PICTURES) -> Iterator[str]:
    """Where in the inbox the picture may stand that a manifest calls `name`, first choice first:
    beside the manifest, in a folder called `also` there, or in the same two of a folder above."""
    below = inside(unicodedata.normalize("NFC", name))
    if below is None:
        return
    for folder in folders_above(manifest):
        yield f"{folder}/{below}".lstrip("/")
        yield f"{folder}/{also}/{below}".lstrip("/")
