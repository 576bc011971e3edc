"""A disk that loses its power: files in memory that know what of them is on the disk, and every
state that they may be in when the power is back.

What is modelled, by what POSIX promises and no more: a write is on the disk after fdatasync of the
file; before, any subset of its 512-byte sectors may be, and its growth may be or not, so that a
hole of zeros may stand where a lost sector would. A shortening may be on the disk or not. A name
is on the disk after its folder is flushed; before, any subset of creations and renamings may be. A
rename is whole: the name is the old file's or the new one's. A disk that lies about its flushes is
not modelled, since nothing can be promised on it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import chain, combinations, product
from pathlib import Path
from typing import TypeVar

from pipeline.journal.lock import LOCK_NAME

SECTOR = 512
Image = tuple[tuple[str, bytes], ...] | None
"""What is on the disk: the files of the folder by name; None without the folder."""


_Item = TypeVar("_Item")


class _Inode:
    """A file: `durable` is on the disk, `pending` what was done to it since, one item for each part
    that may reach the disk alone; `now` is what a program sees."""

    def __init__(self, data: bytes = b"") -> None:
        self.durable = data
        self.now = bytearray(data)
        self.pending: list[tuple[str, int, bytes]] = []

    def write(self, offset: int, data: bytes) -> None:
        if (end := offset + len(data)) > len(self.now):
            self.pending.append(("size", end, b""))
            self.now.extend(bytes(end - len(self.now)))
        self.now[offset:end] = data
        while data:
            part = data[: SECTOR - offset % SECTOR]
            self.pending.append(("sector", offset, part))
            offset, data = offset + len(part), data[len(part) :]

    def cut(self, size: int) -> None:
        self.pending.append(("size", size, b""))
        del self.now[size:]

    def flush(self) -> None:
        self.durable, self.pending = bytes(self.now), []

    def survivors(self) -> set[bytes]:
        """All that it may hold after a power loss."""
        return {self._after(subset) for subset in _subsets(self.pending)}

    def _after(self, done: tuple[tuple[str, int, bytes], ...]) -> bytes:
        size, sectors = len(self.durable), bytearray(self.durable)
        for kind, offset, data in done:
            if kind == "size":
                del sectors[offset:]
                size = offset
            else:
                sectors.extend(bytes(max(0, offset + len(data) - len(sectors))))
                sectors[offset : offset + len(data)] = data
        return bytes(sectors[:size].ljust(size, b"\0"))


class Disk:
    """The Files of the journal, in memory; `before` is called before every call that changes."""

    def __init__(self, image: Image = None) -> None:
        self.before: Callable[[], None] = lambda: None
        self.room: int | None = None
        """How many bytes of the next write go in; None for all."""
        self._folder, self._folder_durable = image is not None, image is not None
        self._names = {name: _Inode(data) for name, data in image or ()}
        self._durable = dict(self._names)
        self._renamings: list[tuple[str | None, str, _Inode]] = []
        self._open: dict[int, tuple[_Inode, list[int], bool]] = {}

    def survivors(self, *, seals: bool = True) -> set[Image]:
        """Everything that may be on the disk if the power goes now; what the lock says is nothing
        to anybody by then. Without `seals` those are gone, as if the cache had been deleted."""
        found: set[Image] = set() if self._folder_durable else {None}
        for done in _subsets(self._renamings):
            names = dict(self._durable)
            for source, target, inode in done:
                if source is not None and names.get(source) is not inode:
                    continue
                if source is not None:
                    del names[source]
                names[target] = inode
            listed = sorted(
                (name, inode)
                for name, inode in names.items()
                if name != LOCK_NAME and (seals or not name.endswith(".seal"))
            )
            for contents in product(*(inode.survivors() for _, inode in listed)):
                found.add(tuple(zip([name for name, _ in listed], contents, strict=True)))
        return found

    def killed(self) -> Disk:
        """The same after a kill of the program: all that it wrote is still seen."""
        other = deepcopy(self, {id(self.before): None})
        other._open, other.before, other.room = {}, lambda: None, None
        return other

    def make_folder(self, path: Path) -> None:
        self.before()
        self._folder = True

    def open(self, path: Path, flags: int) -> int:
        inode = self._names.get(path.name)
        if inode is None:
            if not flags & os.O_CREAT:
                raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
            self.before()
            inode = self._names[path.name] = _Inode()
            self._renamings.append((None, path.name, inode))
        elif flags & os.O_EXCL:
            raise FileExistsError(errno.EEXIST, "it is there", str(path))
        fd = max(self._open, default=2) + 1
        self._open[fd] = inode, [0], bool(flags & os.O_APPEND)
        return fd

    def close(self, fd: int) -> None:
        del self._open[fd]

    def lock(self, fd: int) -> bool:
        return True

    def size(self, fd: int) -> int:
        return len(self._open[fd][0].now)

    def is_at(self, fd: int, path: Path) -> bool:
        return self._names.get(path.name) is self._open[fd][0]

    def read(self, fd: int, offset: int, size: int) -> bytes:
        return bytes(self._open[fd][0].now[offset : offset + size])

    def write(self, fd: int, data: bytes) -> int:
        self.before()
        inode, place, appends = self._open[fd]
        data = data if self.room is None else data[: self.room]
        offset = len(inode.now) if appends else place[0]
        inode.write(offset, data)
        place[0] = offset + len(data)
        return len(data)

    def write_at(self, fd: int, data: bytes, offset: int) -> int:
        self.before()
        self._open[fd][0].write(offset, data)
        return len(data)

    def fdatasync(self, fd: int) -> None:
        self.before()
        self._open[fd][0].flush()

    def ftruncate(self, fd: int, size: int) -> None:
        self.before()
        self._open[fd][0].cut(size)

    def names(self, path: Path) -> list[str]:
        if not self._folder:
            raise FileNotFoundError(errno.ENOENT, "no such folder", str(path))
        return list(self._names)

    def rename(self, path: Path, target: Path) -> None:
        self.before()
        inode = self._names.pop(path.name)
        self._names[target.name] = inode
        self._renamings.append((path.name, target.name, inode))

    def seal(self, path: Path, *, sealed: bool = True) -> None:
        self.before()

    def sync_folder(self, path: Path) -> None:
        self.before()
        if path.name == ".pipeline":
            self._durable, self._renamings = dict(self._names), []
        else:
            self._folder_durable = self._folder


def _subsets(items: list[_Item]) -> Iterator[tuple[_Item, ...]]:
    return chain.from_iterable(combinations(items, size) for size in range(len(items) + 1))
