"""Putting a manifest into the inbox: whole or not at all, durable, and never outside.

Owns the way there: folder by folder without following a link, a hidden part, fsync, its name, fsync
of the folder. Never overwrites a file that is not, byte for byte, what its caller has read.
"""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.inbox.yaml import LARGEST_FILE

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Changed(Exception):
    """The file is not what it was."""


def new(inbox: Path, file: str, data: bytes) -> None:
    """Put a new file in place, with its folders, and return when it is durable.

    Raises:
        FileExistsError: something has that name.
        OSError: it cannot be written, or a folder on the way is a link or no folder.
    """
    folder, _, name = file.rpartition("/")
    with _opened(inbox, folder, make=True) as place:
        part = _part(place, data)
        try:
            # A link takes a name only if it is free.
            os.link(part, name, src_dir_fd=place, dst_dir_fd=place, follow_symlinks=False)
        finally:
            os.unlink(part, dir_fd=place)
        os.fsync(place)


def replace(inbox: Path, file: str, data: bytes, *, over: bytes) -> None:
    """Put other bytes in a file's place, durably, if it still has those of `over`.

    Raises:
        Changed: it has others, or is gone, or is no plain file.
        OSError: it cannot be written.
    """
    folder, _, name = file.rpartition("/")
    with _opened(inbox, folder, make=False) as place:
        part = _part(place, data)
        try:
            if _bytes(place, name) != over:
                raise Changed
            os.replace(part, name, src_dir_fd=place, dst_dir_fd=place)
        except BaseException:
            os.unlink(part, dir_fd=place)
            raise
        os.fsync(place)


def read(inbox: Path, file: str) -> bytes | None:
    """The bytes of a plain file of the inbox, or None if there is none to be read."""
    folder, _, name = file.rpartition("/")
    try:
        with _opened(inbox, folder, make=False) as place:
            return _bytes(place, name)
    except OSError:
        return None


def withdraw(inbox: Path, file: str, data: bytes) -> None:
    """Take a file away that has these bytes and is no use to anybody."""
    folder, _, name = file.rpartition("/")
    with suppress(OSError), _opened(inbox, folder, make=False) as place:
        if _bytes(place, name) == data:
            os.unlink(name, dir_fd=place)
            os.fsync(place)


@contextmanager
def _opened(inbox: Path, folder: str, *, make: bool) -> Iterator[int]:
    """The folder, reached from the inbox without following a link."""
    place = os.open(inbox, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for step in filter(None, folder.split("/")):
            if make:
                with suppress(FileExistsError):
                    os.mkdir(step, dir_fd=place)
                    os.fsync(place)
            inner = os.open(step, _FOLDER, dir_fd=place)
            os.close(place)
            place = inner
        yield place
    finally:
        os.close(place)


def _part(place: int, data: bytes) -> str:
    name = f".anime-{os.getpid()}-{secrets.token_hex(8)}.part"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o666, dir_fd=place)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(descriptor)
    except BaseException:
        os.unlink(name, dir_fd=place)
        raise
    return name


def _bytes(place: int, name: str) -> bytes | None:
    try:
        # A pipe without a writer would be waited for.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(name, flags, dir_fd=place)
    except OSError:
        return None
    with open(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return stream.read(LARGEST_FILE + 1)
