"""How much room there is: the disk that the inbox stands on, and what the journal takes of it.

Owns the question to the file system; says nothing where that has no answer.
"""

import os
import shutil
from pathlib import Path

from msgspec import Struct

from pipeline.journal import JOURNAL_NAME


class Room(Struct, frozen=True, kw_only=True):
    """In bytes; None where the file system does not say."""

    free: int | None
    total: int | None
    journal: int | None


def room(journal: Path) -> Room:
    """The room on the disk of the journal at that path, and the journal's own size."""
    try:
        disk = shutil.disk_usage(journal.parent)
        return Room(free=disk.free, total=disk.total, journal=_size(journal.parent))
    except OSError:
        return Room(free=None, total=None, journal=None)


def _size(folder: Path) -> int:
    stem = JOURNAL_NAME.partition(".")[0]
    with os.scandir(folder) as entries:
        return sum(
            entry.stat(follow_symlinks=False).st_size
            for entry in entries
            if entry.name.startswith(stem) and entry.is_file(follow_symlinks=False)
        )
