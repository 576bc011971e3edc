"""What a sealed segment looked like when it was sealed, so that a start need not go through its
lines again: it is the same as long as its size and the crc32 of all its bytes are.

A cache: where it is missing, spoilt or does not fit, the segment is read line by line, and that is
what says whether it is damaged. It is not flushed.

Owns `cache/<segment>.seal`.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec

from pipeline.journal.files import Files
from pipeline.journal.mark import START, Mark
from pipeline.journal.segments import Part, View

_FOLDER: Final = "cache"


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """A segment between two marks, the crc32 of its bytes, and the one of what is said here."""

    begin: Mark
    end: Mark
    sum: int
    check: int = 0

    def checked(self) -> Seal:
        """The same with its own check."""
        said = msgspec.json.encode(msgspec.structs.replace(self, check=0))
        return msgspec.structs.replace(self, check=crc32(said))


def keep(now: View, part: Part, begin: Mark, end: Mark, *, files: Files) -> None:
    """Remember a segment whose lines lead from `begin` to `end`; a failure is no harm."""
    seal = Seal(begin=begin, end=end, sum=_sum(now, part)).checked()
    path = _path(part)
    with suppress(OSError):
        files.make_folder(path.parent)
        fd = files.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            files.write(fd, msgspec.json.encode(seal))
        finally:
            files.close(fd)


def vouched(now: View, *, files: Files) -> Mark:
    """The end of the sealed segments, from the first on, that are as they were when sealed."""
    good = START
    for part in now.sealed:
        seal = _read(_path(part), files)
        if seal is None or seal.begin != good or seal.end.offset != part.end:
            break
        if seal.sum != _sum(now, part):
            break
        good = seal.end
    return good


def _path(part: Part) -> Path:
    return part.path.parent / _FOLDER / f"{part.path.name}.seal"


def _sum(now: View, part: Part) -> int:
    found = 0
    for chunk in now.chunks(part.start, part.end):
        found = crc32(chunk, found)
    return found


def _read(path: Path, files: Files) -> Seal | None:
    try:
        fd = files.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        seal = msgspec.json.decode(files.read(fd, 0, 4096), type=Seal)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    finally:
        files.close(fd)
    return seal if seal == seal.checked() else None
