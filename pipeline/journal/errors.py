"""What can go wrong with the journal, told so that a person can act on it.

Owns the words and exit codes; never decides that something is wrong.
"""

from __future__ import annotations

import errno
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from pipeline.errors import AnimeError

# EFBIG is the file-size limit of the process (ulimit -f): for the writer it is a full disk.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class InboxHeld(AnimeError):
    """Another runner holds the lock of this inbox; `pid` is None if it could not be read."""

    exit_code: ClassVar[int] = 4

    def __init__(self, *, lock: Path, pid: int | None, host: str | None, started: str | None):
        self.lock, self.pid = lock, pid
        who = "another runner" if pid is None else f"the runner with pid {pid}"
        where = f" on {host}" if host else ""
        since = f" since {started}" if started else ""
        super().__init__(
            f"this inbox is held by {who}{where}{since} (lock: {lock})",
            "stop that runner first, or give this one another inbox",
        )


class JournalDamaged(AnimeError):
    """Something recorded is not there as it was written, and it is no torn tail.

    `line` counts from 1 and `offset` is the byte at which that line begins; `keep` is the
    number of bytes before the batch of that line: all of them are whole. `path` stands in the
    private folder of its inbox.
    """

    exit_code: ClassVar[int] = 6

    def __init__(self, path: Path, *, line: int, offset: int, keep: int, why: str):
        self.path, self.line, self.offset, self.keep, self.why = path, line, offset, keep, why
        inbox = shlex.quote(str(path.parent.parent))
        super().__init__(
            f"{path}:{line} (byte {offset}): {why}",
            "put back a whole copy of the file; or go on from the last whole batch before it, "
            "without what was recorded later, which is set aside and not deleted: "
            f"anime log repair --inbox {inbox} says what that is, and with --yes does it",
        )


class JournalFull(AnimeError):
    """There is no room for the batch: nothing of it was recorded, and it may be tried again."""

    exit_code: ClassVar[int] = 6


class JournalFailed(AnimeError):
    """The journal cannot be opened, written or made durable: stop, and never try again."""

    exit_code: ClassVar[int] = 6


@contextmanager
def told(path: Path, doing: str) -> Iterator[None]:
    """Turn an OSError of the block into JournalFull or JournalFailed that names `path`."""
    try:
        yield
    except OSError as error:
        raise refusal(path, doing, error) from error


def refusal(path: Path, doing: str, error: OSError) -> JournalFull | JournalFailed:
    """The error that says of `path` that `doing` went wrong, by what the system said."""
    message = f"{path}: {doing} failed: {error.strerror or error}"
    if error.errno in _FULL:
        return JournalFull(message, "make room on that disk (or lift the quota), then go on")
    if error.errno == errno.ELOOP:
        return JournalFailed(message, "it is a symbolic link; put the file itself there")
    return JournalFailed(message, "check the disk and the permissions of that folder, then restart")
