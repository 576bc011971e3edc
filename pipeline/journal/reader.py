"""Reading a journal: every line verified, batch by batch, without the lock.

Owns the judgement of what is a torn tail and what is damage. Never writes. A torn tail is the
last batch and nothing else, beyond the acknowledged end: its write was cut short, and nobody
was told of it. All else that does not add up is JournalDamaged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from pathlib import Path

from pipeline.journal import mark as marks
from pipeline.journal.errors import JournalDamaged, told
from pipeline.journal.files import REAL, Files
from pipeline.journal.line import Broken, Line, closing, later_batch, verify
from pipeline.journal.mark import START, Mark
from pipeline.journal.segments import View, view

Locate = Callable[[int], tuple[Path, int, int]]
"""The file, line and byte there at which a byte of the whole journal stands."""


class Walk:
    """One pass over the bytes of a journal that follow `good`.

    Nothing before the end `acknowledged`, nor before the byte `sealed`, can be a torn tail.
    Afterwards `good` is the end of the last whole batch, `floor` the end of what is sealed, and
    `torn` says what is wrong with the tail behind it (None if there is none).
    """

    def __init__(
        self, locate: Locate, *, good: Mark = START, acknowledged: Mark = START, sealed: int = 0
    ) -> None:
        self.good = self.floor = good
        self.torn: str | None = None
        self._locate = locate
        self._acknowledged = acknowledged
        self._sealed = sealed

    @classmethod
    def over(cls, now: View, *, good: Mark = START, acknowledged: Mark = START) -> Walk:
        """A pass over the files of a journal; `batches` is to be given their bytes."""
        return cls(now.locate, good=good, acknowledged=acknowledged, sealed=now.floor)

    def batches(self, chunks: Iterable[bytes]) -> Iterator[list[Line]]:
        """The whole batches in order; raises JournalDamaged."""
        lines_in = pieces(chunks)
        seq, crc, offset = self.good.seq, self.good.crc, self.good.offset
        batch = (1, 1)
        lines: list[Line] = []
        for raw, ended in lines_in:
            try:
                if not ended:
                    raise Broken("it has no end (its write was cut short)")
                line = verify(raw, seq=seq, crc=crc, batch=batch)
            except Broken as broken:
                self._judge(str(broken), offset, chain([(raw, ended)], lines_in))
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
            self._judge(missing, offset - len(lines[-1].raw) - 1, lines_in)
        elif offset < self._acknowledged.offset:
            self._judge("the journal ends here", offset, lines_in)

    def _pass(self, mark: Mark) -> None:
        """Step over a whole batch, unless it is not the one that was acknowledged."""
        known = self._acknowledged
        if self.good.offset < known.offset <= mark.offset and mark != known:
            why = (
                "the batch that begins here is not the one that was acknowledged: that "
                f"ended with seq {known.seq} and crc {known.crc} at byte {known.offset}"
            )
            raise self._damage(why, self.good.offset)
        self.good = mark
        if mark.offset == self._sealed:
            self.floor = mark

    def _judge(self, why: str, offset: int, rest: Iterable[tuple[bytes, bool]]) -> None:
        """A torn tail, then `torn` says so; or damage, then it is raised."""
        if self.good.offset < self._acknowledged.offset:
            why += f"; all up to line {self._acknowledged.seq} was acknowledged"
        elif self.good.offset < self._sealed:
            why += "; it stands before the end of what is sealed"
        elif any(later_batch(raw, seq=self.good.seq) for raw, _ in rest):
            why += "; more was written after it, so this is no write that was cut short"
        else:
            self.torn = f"line {self._locate(offset)[1]}: {why}"
            return
        raise self._damage(why, offset)

    def _damage(self, why: str, offset: int) -> JournalDamaged:
        path, line, inside = self._locate(offset)
        if inside == 0 and offset > 0:
            why += "; it begins a file, so the file before it may be missing or shortened"
        return JournalDamaged(path, line=line, offset=inside, keep=self.good.offset, why=why)


def replay(path: Path, *, after: Mark = START, files: Files = REAL) -> Iterator[Line]:
    """Every line of the journal at `path` in order, up to a torn tail; behind `after` only.

    Needs no lock. Beside a running writer it may show a batch a moment before that is durable.
    A journal that is not there is empty. Raises JournalDamaged at the place of the damage, after
    the lines before it, and JournalFailed if the file cannot be read.
    """
    with told(path, "reading"):
        # The mark is read first: read later it could lie beyond the bytes that were read.
        known = marks.read(path.parent, files)
        with view(path, files, after=after.offset) as now:
            walk = Walk.over(now, good=after, acknowledged=known)
            for batch in walk.batches(now.chunks(after.offset)):
                yield from batch


def has(path: Path, mark: Mark, *, files: Files = REAL) -> bool:
    """Whether a line of the journal at `path` ends at that mark with its crc.

    Since crcs are chained, what stands before is then what stood there when the mark was made.
    Raises JournalFailed if it cannot be read.
    """
    ending = closing(mark.crc)
    with told(path, "reading"), view(path, files) as now:
        start = mark.offset - len(ending)
        if start < 0 or now.size < mark.offset:
            return mark == START
        return b"".join(now.chunks(start, mark.offset)) == ending


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
            with view(self.path, self._files, after=self._good.offset) as now:
                walk = Walk.over(now, good=self._good, acknowledged=known)
                lines = [
                    line
                    for batch in walk.batches(now.chunks(self._good.offset))
                    for line in batch
                    if line.seq > self._after
                ]
        self._good = walk.good
        return lines


def follow(path: Path, after: int = 0) -> Tail:
    """Follow the journal at `path` from the line behind seq `after` on (0: from the first)."""
    return Tail(path, after)


def pieces(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Lines without their newline, and whether they had one: only the last may lack it."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from zip(lines, repeat(True))
    if rest:
        yield rest, False
