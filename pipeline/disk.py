"""Plain files on the disk: opened without surprises, copied, linked and made durable.

Owns the calls and what their failures mean. Never knows what a file holds.
"""

import errno
import fcntl
import os
import shutil
import stat
import sys
from io import BufferedReader
from pathlib import Path

from pipeline.core.adapters import inside

_FICLONE = 0x40049409
"""ioctl of Linux that makes a file share another's blocks (linux/fs.h)."""
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}


def is_plain(path: Path) -> bool:
    """Whether a plain file stands there: no link, no folder, nothing that could block a reader."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def open_plain(path: Path) -> BufferedReader:
    """Open a plain file for reading; never waits.

    Raises:
        OSError: it is not there, is a link (ELOOP), or is no plain file (EINVAL).
    """
    # A pipe without a writer would be waited for.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "no plain file", str(path))
    return open(descriptor, "rb")


def below(root: Path, file: str) -> Path | None:
    """Where a file is whose path is relative to `root`; None where that, or a link on its way,
    leads out of it."""
    inner = inside(file)
    path = (root / inner).resolve() if inner is not None else root
    return path if inner is not None and path.is_relative_to(root.resolve()) else None


def copy(source: Path, target: Path) -> None:
    """Copy a plain file, durably; shares the blocks where the file system can."""
    with open_plain(source) as read, open(target, "wb") as write:
        if not _cloned(read.fileno(), write.fileno()):
            shutil.copyfileobj(read, write)
            write.flush()
        os.fsync(write.fileno())


def link(source: Path, target: Path) -> bool:
    """Give a file another name too; false if that name is taken or the file system has no links."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS | {errno.EEXIST}:
            raise
        return False
    return True


def move_if_free(source: Path, target: Path) -> bool:
    """Give a file another name unless something has it; a link never overwrites.

    The old name may remain.
    """
    if link(source, target):
        return True
    if os.path.lexists(target):
        return False
    os.replace(source, target)
    return True


def sync(file: Path) -> None:
    """Return when a plain file's bytes are on the disk."""
    with open_plain(file) as stream:
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Return when a folder's names are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cloned(source: int, target: int) -> bool:
    if sys.platform != "linux":
        return False
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    return True
