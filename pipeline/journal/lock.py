"""The lock that makes one runner the only writer of an inbox.

Owns `.pipeline/lock`: the kernel's lock on it is what counts, its text only names the holder.
The file is never deleted, because a deleted one could be locked twice. Never waits.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from pipeline.journal.errors import InboxHeld, told
from pipeline.journal.files import Files

LOCK_NAME: Final = "lock"


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds the lock: `started` is RFC 3339."""

    pid: int
    host: str
    started: str


def take(folder: Path, *, started: str, files: Files) -> int:
    """Lock the folder; returns the descriptor that holds the lock until it is closed.

    Raises InboxHeld if another process (or this one) has it, JournalFailed if the file
    system cannot lock.
    """
    path = folder / LOCK_NAME
    with told(path, "opening the lock"):
        fd = files.open(path, os.O_RDWR | os.O_CREAT)
    try:
        with told(path, "locking"):
            if not files.lock(fd):
                holder = _holder(files.read(fd, 0, 4096))
                raise InboxHeld(
                    lock=path,
                    pid=holder.pid if holder else None,
                    host=holder.host if holder else None,
                    started=holder.started if holder else None,
                )
        holder = Holder(pid=os.getpid(), host=socket.gethostname(), started=started)
        # On a full disk the lock holds all the same; only its text is missing.
        with suppress(OSError):
            files.ftruncate(fd, 0)
            files.write(fd, msgspec.json.encode(holder) + b"\n")
    except BaseException:
        files.close(fd)
        raise
    return fd


def _holder(data: bytes) -> Holder | None:
    try:
        return msgspec.json.decode(data, type=Holder)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
