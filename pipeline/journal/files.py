"""The few system calls the journal makes, as a Protocol, so that their failures can be modelled.

Owns nothing but the calls. Never retries, never hides an error: every method raises OSError as
the system does.
"""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path
from typing import Final, Protocol


class Files(Protocol):
    """Files by descriptor; offsets and sizes in bytes."""

    def make_folder(self, path: Path) -> None:
        """Make the folder if it is not there; its parent must be."""

    def open(self, path: Path, flags: int) -> int:
        """Open a file, never through a symbolic link in its last component."""

    def close(self, fd: int) -> None:
        """Close it; locks taken on it go with it."""

    def lock(self, fd: int) -> bool:
        """Take an exclusive lock without waiting; False if somebody else has it."""

    def size(self, fd: int) -> int:
        """The size of the open file."""

    def is_at(self, fd: int, path: Path) -> bool:
        """Whether the open file is still the one under that name."""

    def read(self, fd: int, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset`; fewer or none at the end of the file."""

    def write(self, fd: int, data: bytes) -> int:
        """Write once; the number of bytes that went in may be less than asked."""

    def write_at(self, fd: int, data: bytes, offset: int) -> int:
        """Write once at an offset; the file must not be open for appending."""

    def fdatasync(self, fd: int) -> None:
        """Return when the file's bytes and size are on the disk."""

    def ftruncate(self, fd: int, size: int) -> None:
        """Cut the file to `size` bytes."""

    def names(self, path: Path) -> list[str]:
        """The names in a folder, in no order."""

    def rename(self, path: Path, target: Path) -> None:
        """Give a file another name, at once and whole; whoever had that name is gone."""

    def seal(self, path: Path, *, sealed: bool = True) -> None:
        """Have nobody write to the file by accident, or let its owner write to it again."""

    def sync_folder(self, path: Path) -> None:
        """Return when the folder's names are on the disk; never through a symbolic link."""


class RealFiles:
    """The Files of the operating system."""

    def make_folder(self, path: Path) -> None:
        path.mkdir(exist_ok=True)

    def open(self, path: Path, flags: int) -> int:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)

    def close(self, fd: int) -> None:
        os.close(fd)

    def lock(self, fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def size(self, fd: int) -> int:
        return os.fstat(fd).st_size

    def is_at(self, fd: int, path: Path) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), os.lstat(path))
        except FileNotFoundError:
            return False

    def read(self, fd: int, offset: int, size: int) -> bytes:
        return os.pread(fd, size, offset)

    def write(self, fd: int, data: bytes) -> int:
        return os.write(fd, data)

    def write_at(self, fd: int, data: bytes, offset: int) -> int:
        return os.pwrite(fd, data, offset)

    def fdatasync(self, fd: int) -> None:
        if sys.platform == "darwin":
            # There, fsync stops at the drive's cache, and fdatasync does not exist.
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        else:
            os.fdatasync(fd)

    def ftruncate(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)

    def names(self, path: Path) -> list[str]:
        return os.listdir(path)

    def rename(self, path: Path, target: Path) -> None:
        os.rename(path, target)

    def seal(self, path: Path, *, sealed: bool = True) -> None:
        path.chmod(0o444 if sealed else 0o644)

    def sync_folder(self, path: Path) -> None:
        fd = self.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


REAL: Final = RealFiles()
