"""The files of a journal, read as one run of bytes: sealed segments in order, then the open one.

    events.000001.jsonl, events.000002.jsonl, …, events.jsonl

A segment is sealed when the open file has become large: it takes the next number, and from then on
nobody writes to it. The chain of crcs goes on from the last line of one file to the first of the
next. Offsets count through all of them, so that a Mark says the same before and after.

Owns their names and order. Never writes, and never looks into a line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from pipeline.journal.errors import JournalDamaged
from pipeline.journal.files import Files

_CHUNK: Final = 1 << 20
_NUMBER: Final = re.compile(r"\.([0-9]{6,9})\Z")


class Part(Struct, frozen=True, kw_only=True):
    """One file of a journal; `start` is how many bytes stand in those before it."""

    path: Path
    start: int
    size: int

    @property
    def end(self) -> int:
        return self.start + self.size


class View:
    """The files of a journal as they were when it was looked at.

    All before `floor` is sealed; `size` is that of all files together; `open` is the file that is
    written to, which may be absent and is then empty.
    """

    def __init__(self, sealed: list[Part], last: Part, fd: int | None, files: Files) -> None:
        self.sealed, self.open = sealed, last
        self._fd, self._files = fd, files

    @property
    def floor(self) -> int:
        return self.open.start

    @property
    def size(self) -> int:
        return self.open.end

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` to `end`; without an end, also those that come meanwhile."""
        for part in self.sealed:
            if start < part.end and (end is None or part.start < end):
                fd = self._files.open(part.path, os.O_RDONLY)
                try:
                    yield from _within(part, fd, self._files, start, end)
                finally:
                    self._files.close(fd)
        if self._fd is not None:
            yield from _within(self.open, self._fd, self._files, start, end)

    def locate(self, offset: int) -> tuple[Path, int, int]:
        """The file in which the byte at `offset` stands, its line there, and the offset there."""
        part = self.holding(offset)
        before = self.chunks(part.start, offset)
        return part.path, 1 + sum(chunk.count(b"\n") for chunk in before), offset - part.start

    def holding(self, offset: int) -> Part:
        """The file that has the byte at `offset`, or would have the next one."""
        return next((part for part in self.sealed if offset < part.end), self.open)


@contextmanager
def view(path: Path, files: Files, *, after: int = 0) -> Iterator[View]:
    """Look at the journal whose open file is at `path`; no journal at all is an empty one.

    Raises OSError; and JournalDamaged if it is shorter than the `after` bytes that were read of it.
    """
    names, fd = _settled(path, files)
    try:
        sealed: list[Part] = []
        start = 0
        for each in names:
            sealed.append(part := Part(path=each, start=start, size=_size(each, files)))
            start = part.end
        size = 0 if fd is None else files.size(fd)
        now = View(sealed, Part(path=path, start=start, size=size), fd, files)
        if now.size < after:
            where, line, inside = now.locate(now.size)
            why = "the journal ends here, and more of it had been read: follow it anew"
            raise JournalDamaged(where, line=line, offset=inside, keep=now.size, why=why)
        yield now
    finally:
        if fd is not None:
            files.close(fd)


def sealed_names(path: Path, files: Files) -> list[Path]:
    """The sealed segments of the journal whose open file is at `path`, by number."""
    found: list[tuple[int, Path]] = []
    try:
        names = files.names(path.parent)
    except FileNotFoundError:
        return []
    for name in names:
        each = path.with_name(name)
        number = _NUMBER.search(each.stem)
        if each.suffix == path.suffix and number and each.stem[: number.start()] == path.stem:
            found.append((int(number[1]), each))
    return [each for _, each in sorted(found)]


def next_name(path: Path, files: Files) -> Path:
    """The name that the open file at `path` takes when it is sealed."""
    last = sealed_names(path, files)
    number = int(last[-1].stem.rpartition(".")[2]) + 1 if last else 1
    return path.with_name(f"{path.stem}.{number:06d}{path.suffix}")


def chunks_of(fd: int, files: Files, offset: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The bytes of an open file from `offset` to `end`, or to the file's own."""
    while chunk := files.read(fd, offset, _CHUNK if end is None else min(_CHUNK, end - offset)):
        yield chunk
        offset += len(chunk)


def _within(part: Part, fd: int, files: Files, start: int, end: int | None) -> Iterator[bytes]:
    """What of a file lies between two bytes of the whole journal."""
    first = max(0, start - part.start)
    last = None if end is None else max(first, end - part.start)
    return chunks_of(fd, files, first, last)


def _settled(path: Path, files: Files) -> tuple[list[Path], int | None]:
    """The sealed segments and the file that was open behind them, also while one is sealed."""
    before = sealed_names(path, files)
    while True:
        try:
            fd = files.open(path, os.O_RDONLY)
        except FileNotFoundError:
            fd = None
        now = sealed_names(path, files)
        if now == before:
            return now, fd
        if fd is not None:
            files.close(fd)
        before = now


def _size(path: Path, files: Files) -> int:
    fd = files.open(path, os.O_RDONLY)
    try:
        return files.size(fd)
    finally:
        files.close(fd)
