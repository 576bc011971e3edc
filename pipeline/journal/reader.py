"""Reading a journal: every line verified, batch by batch, without the lock.

Owns the judgement of what is a torn tail and what is damage. Never writes. A torn tail is the
last batch and nothing else, beyond the acknowledged end: its write was cut short, and nobody
was told of it. All else that does not add up is JournalDamaged.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Final

from pipeline.journal import mark as marks
from pipeline.journal.errors import JournalDamaged, told
from pipeline.journal.files import REAL, Files
from pipeline.journal.line import Broken, Line, later_batch, verify
from pipeline.journal.mark import START, Mark

_CHUNK: Final = 1 << 20


class Walk:
    """One pass over the bytes of a journal that follow `good`.

    Afterwards `good` is the end of the last whole batch, and `torn` says what is wrong with
    the tail behind it (None if there is none).
    """

    def __init__(self, path: Path, *, good: Mark = START, acknowledged: Mark = START) -> None:
        self.path = path
        self.good = good
        self.torn: str | None = None
        self._acknowledged = acknowledged

    def batches(self, chunks: Iterable[bytes]) -> Iterator[list[Line]]:
        """The whole batches in order; raises JournalDamaged."""
        pieces = _pieces(chunks)
        seq, crc, offset = self.good.seq, self.good.crc, self.good.offset
        batch = (1, 1)
        lines: list[Line] = []
        for raw, ended in pieces:
            try:
                if not ended:
                    raise Broken("it has no end (its write was cut short)")
                line = verify(raw, seq=seq, crc=crc, batch=batch)
            except Broken as broken:
                self._judge(str(broken), seq + 1, offset, chain([(raw, ended)], pieces))
                return
            lines.append(line)
            seq, crc, batch = line.seq, line.crc, line.batch
            offset += len(raw) + 1
            if batch[0] == batch[1]:
                self._pass(Mark(offset=offset, seq=seq, crc=crc))
                yield lines
                lines = []
        if lines:
            missing = f"its batch of {batch[1]} ends after {batch[0]}"
            self._judge(missing, seq, offset - len(lines[-1].raw) - 1, pieces)
        elif offset < self._acknowledged.offset:
            self._judge("the file ends here", seq + 1, offset, pieces)

    def _pass(self, mark: Mark) -> None:
        """Step over a whole batch, unless it is not the one that was acknowledged."""
        known = self._acknowledged
        if self.good.offset < known.offset <= mark.offset and mark != known:
            raise JournalDamaged(
                self.path,
                line=self.good.seq + 1,
                offset=self.good.offset,
                keep=self.good.offset,
                why="the batch that begins here is not the one that was acknowledged: that "
                f"ended with seq {known.seq} and crc {known.crc} at byte {known.offset}",
            )
        self.good = mark

    def _judge(self, why: str, line: int, offset: int, rest: Iterable[tuple[bytes, bool]]) -> None:
        """A torn tail, then `torn` says so; or damage, then it is raised."""
        if self.good.offset < self._acknowledged.offset:
            why += f"; all up to line {self._acknowledged.seq} was acknowledged"
        elif any(later_batch(raw, seq=self.good.seq) for raw, _ in rest):
            why += "; more was written after it, so this is no write that was cut short"
        else:
            self.torn = f"line {line}: {why}"
            return
        raise JournalDamaged(self.path, line=line, offset=offset, keep=self.good.offset, why=why)


def replay(path: Path, *, files: Files = REAL) -> Iterator[Line]:
    """Every line of the journal at `path` in order, up to a torn tail.

    Needs no lock. Beside a running writer it may show a batch a moment before that is durable.
    A journal that is not there is empty. Raises JournalDamaged at the place of the damage, after
    the lines before it, and JournalFailed if the file cannot be read.
    """
    # The mark is read first: read later it could lie beyond the bytes that were read.
    with told(path, "reading"):
        walk = Walk(path, acknowledged=marks.read(path.parent, files))
        for batch in walk.batches(read_chunks(path, files)):
            yield from batch


class Tail:
    """The lines of a journal after `after`, as they come; poll it with `read`."""

    def __init__(self, path: Path, after: int = 0, *, files: Files = REAL) -> None:
        self.path = path
        self._after = after
        self._files = files
        self._good = START

    def read(self) -> list[Line]:
        """The lines that have come since the last call; [] if none, or no journal yet.

        A line or a batch that is not wholly there is waited for. Raises JournalDamaged, also
        when the journal has become shorter than what was already read.
        """
        with told(self.path, "reading"):
            known = marks.read(self.path.parent, self._files)
            walk = Walk(self.path, good=self._good, acknowledged=known)
            chunks = read_chunks(self.path, self._files, self._good)
            lines = [
                line for batch in walk.batches(chunks) for line in batch if line.seq > self._after
            ]
        self._good = walk.good
        return lines


def follow(path: Path, after: int = 0) -> Tail:
    """Follow the journal at `path` from the line behind seq `after` on (0: from the first)."""
    return Tail(path, after)


def read_chunks(path: Path, files: Files, good: Mark = START) -> Iterator[bytes]:
    """The bytes of the journal behind `good`; none if there is no journal yet.

    Raises JournalDamaged if the journal ends before `good`.
    """
    try:
        fd = files.open(path, os.O_RDONLY)
    except FileNotFoundError:
        if good == START:
            return
        raise
    try:
        if (size := files.size(fd)) < good.offset:
            why = f"the file ends at byte {size}, and more of it had been read: follow it anew"
            raise JournalDamaged(path, line=good.seq, offset=size, keep=size, why=why)
        yield from chunks_of(fd, files, good.offset)
    finally:
        files.close(fd)


def chunks_of(fd: int, files: Files, offset: int = 0) -> Iterator[bytes]:
    """The bytes of an open file from `offset` to its end."""
    while chunk := files.read(fd, offset, _CHUNK):
        yield chunk
        offset += len(chunk)


def _pieces(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Lines without their newline, and whether they had one: only the last may lack it."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from zip(lines, repeat(True))
    if rest:
        yield rest, False
