"""Setting bytes aside: what is about to be cut off a file goes into a new one beside it first; a
whole file takes a new name.

Owns the names of such files. Never cuts, never overwrites, and never looks into the bytes.
"""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import count
from pathlib import Path

from pipeline.journal.files import Files
from pipeline.journal.segments import chunks_of


def save(path: Path, fd: int, offset: int, kind: str, *, files: Files) -> Path:
    """Copy the bytes of `path`, open as `fd`, from `offset` on; returns the file that has them.

    That is `<path>.<kind>-<n>` with the first n that is free, and it is on the disk on return.
    Raises OSError; a part of a copy may then be left, and the next try takes the next number.
    """
    saved, copy = _fresh(path, kind, files)
    try:
        for chunk in chunks_of(fd, files, offset):
            written = 0
            while written < len(chunk):
                written += files.write(copy, chunk[written:])
        files.fdatasync(copy)
    finally:
        files.close(copy)
    files.sync_folder(saved.parent)
    return saved


def move(path: Path, kind: str, *, files: Files) -> Path:
    """Give the file at `path` such a name, durably; returns it. Raises OSError."""
    saved, taken = _fresh(path, kind, files)
    files.close(taken)
    files.rename(path, saved)
    files.sync_folder(saved.parent)
    return saved


def _fresh(path: Path, kind: str, files: Files) -> tuple[Path, int]:
    for number in count(1):
        saved = path.with_name(f"{path.name}.{kind}-{number}")
        with suppress(FileExistsError):
            return saved, files.open(saved, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    raise AssertionError("numbers do not end")
