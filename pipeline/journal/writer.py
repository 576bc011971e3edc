"""The one writer of a journal: opens, verifies, cuts a torn tail, appends, makes durable, seals.

Owns `.pipeline/events.jsonl`, its segments, `events.jsonl.torn-<n>`, `acknowledged` and the lock.
Never retries a failed flush, never deletes a byte that was written, and never knows what an event
means. Not safe for use by several threads at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from pipeline.journal import aside, lock, seal
from pipeline.journal import mark as marks
from pipeline.journal.errors import JournalFailed, JournalFull, refusal, told
from pipeline.journal.files import REAL, Files
from pipeline.journal.line import Entry, Line, encode, stamp
from pipeline.journal.mark import START, Mark
from pipeline.journal.reader import Walk
from pipeline.journal.segments import next_name, view

JOURNAL_NAME: Final = "events.jsonl"
SEGMENT: Final = 16 << 20
"""Bytes from which on the open file is sealed before the next batch."""
_WRITING: Final = os.O_RDWR | os.O_APPEND


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """A torn tail that opening has cut off: `size` bytes of the open file from `offset`, where its
    `line` begins.

    `saved` is the file that keeps them, `why` what was wrong with them.
    """

    size: int
    line: int
    offset: int
    saved: Path
    why: str


class Journal:
    """The open journal of one inbox. `cut` is what opening had to cut off, if anything."""

    def __init__(
        self,
        path: Path,
        fd: int,
        *,
        clock: Callable[[], datetime],
        files: Files,
        segment: int,
        closing: ExitStack,
    ) -> None:
        """For `open` only: `closing` holds everything that `close` is to close."""
        self.path = path
        self.cut: Cut | None = None
        self._fd = fd
        self._clock = clock
        self._files = files
        self._segment = segment
        self._closing = closing
        self._acknowledged_fd = -1
        self._start = START
        """The end of what is sealed, before the open file."""
        self._end = START
        self._dead: str | None = None

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        clock: Callable[[], datetime],
        files: Files = REAL,
        segment: int = SEGMENT,
    ) -> Journal:
        """Open the journal in `folder` (`<inbox>/.pipeline`, made if absent) as its only writer.

        On return everything in it is durable. `clock` gives moments with a time zone; `segment` is
        how many bytes make the open file one to be sealed. Raises InboxHeld, JournalDamaged,
        JournalFull or JournalFailed, and then holds nothing.
        """
        path = folder / JOURNAL_NAME
        with ExitStack() as opened:
            with told(folder, "opening the folder"):
                files.make_folder(folder)
                # Also when they were there: whoever made them may have died before the flush.
                files.sync_folder(folder)
                files.sync_folder(folder.parent.resolve())
            held = lock.take(folder, started=stamp(clock()), files=files)
            opened.callback(files.close, held)
            with told(path, "opening"):
                fd = files.open(path, _WRITING | os.O_CREAT)
            journal = cls(path, fd, clock=clock, files=files, segment=segment, closing=opened)
            opened.callback(journal._close_open)
            journal._begin()
            journal._closing = opened.pop_all()
            return journal

    @property
    def seq(self) -> int:
        """The seq of the last durable line; 0 for none."""
        return self._end.seq

    @property
    def end(self) -> Mark:
        """The end of what is durable."""
        return self._end

    @property
    def sealed(self) -> int:
        """How many bytes of it are in sealed segments."""
        return self._start.offset

    def now(self) -> str:
        """The moment by this journal's clock, as its lines say it."""
        return stamp(self._clock())

    def append(self, entries: Sequence[Entry], *, at: str | None = None) -> list[Line]:
        """Write one batch and return its lines once they are on the disk, whole or not at all.

        `at` is what `now` gave when the batch happened; the moment of writing if it is left out.
        Raises ValueError for an entry that is not as Entry says, JournalFull if there is no
        room (nothing is recorded, a later try may succeed), and JournalFailed if it cannot be
        made durable: then this journal is dead, and so raises every later call.
        """
        if self._dead is not None:
            raise JournalFailed(self._dead, "restart the program; it goes on from what is durable")
        if not entries:
            return []
        end = self._end
        lines = encode(entries, at=at or self.now(), seq=end.seq, crc=end.crc)
        data = b"".join([line.raw + b"\n" for line in lines])
        self._look()
        if end.offset - self._start.offset >= self._segment:
            self._seal()
        self._write(data)
        self._flush()
        last = lines[-1]
        self._end = Mark(offset=end.offset + len(data), seq=last.seq, crc=last.crc)
        self._acknowledge()
        return lines

    def close(self) -> None:
        """Close the files and let go of the lock; append raises from then on."""
        if self._dead is None:
            self._dead = f"{self.path}: the journal is closed"
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _begin(self) -> None:
        files, folder = self._files, self.path.parent
        with told(self.path, "reading"):
            known = marks.read(folder, files)
            with view(self.path, files) as now:
                walk = Walk.over(now, good=seal.vouched(now, files=files), acknowledged=known)
                for _ in walk.batches(now.chunks(walk.good.offset)):
                    pass
        self._start, self._end = walk.floor, walk.good
        if walk.torn is not None:
            with told(self.path, "cutting the torn tail"):
                self.cut = self._cut(walk.torn)
        with told(self.path, "flushing"):
            # A whole batch may be there that a killed program had not flushed yet.
            files.fdatasync(self._fd)
            files.sync_folder(folder)
        acknowledged = folder / marks.ACKNOWLEDGED_NAME
        with told(acknowledged, "opening"):
            self._acknowledged_fd = files.open(acknowledged, os.O_RDWR | os.O_CREAT)
            self._closing.callback(files.close, self._acknowledged_fd)
        self._acknowledge()

    def _cut(self, why: str) -> Cut:
        """Set the torn tail aside, durably, before it is cut."""
        files, offset = self._files, self._end.offset - self._start.offset
        with view(self.path, files) as now:
            line = now.locate(self._end.offset)[1]
        size = files.size(self._fd) - offset
        saved = aside.save(self.path, self._fd, offset, "torn", files=files)
        files.ftruncate(self._fd, offset)
        return Cut(size=size, line=line, offset=offset, saved=saved, why=why)

    def _seal(self) -> None:
        """Give the open file its number and begin the next; where it cannot be, go on with it.

        The name is on the disk before the next file is: else a power loss could leave that one
        under the name that the full one had.
        """
        files, folder = self._files, self.path.parent
        try:
            sealed = next_name(self.path, files)
            files.rename(self.path, sealed)
        except OSError:
            return
        try:
            files.sync_folder(folder)
            try:
                fd = files.open(self.path, _WRITING | os.O_CREAT | os.O_EXCL)
            except OSError:
                files.rename(sealed, self.path)
                files.sync_folder(folder)
                return
            self._close_open()
            begin, self._fd, self._start = self._start, fd, self._end
            files.sync_folder(folder)
        except OSError as error:
            trouble = refusal(sealed, "sealing a full file of the journal", error)
            self._dead = trouble.message
            raise JournalFailed(trouble.message, trouble.hint) from error
        with suppress(OSError), view(self.path, files) as now:
            files.seal(sealed)
            seal.keep(now, now.sealed[-1], begin, self._start, files=files)

    def _close_open(self) -> None:
        self._files.close(self._fd)

    def _look(self) -> None:
        """Die if the file is no longer the one this journal wrote."""
        try:
            if not self._files.is_at(self._fd, self.path):
                why = "it was removed or replaced while it was open"
            elif (size := self._files.size(self._fd)) != self._end.offset - self._start.offset:
                why = (
                    f"it has {size} bytes, and {self._end.offset - self._start.offset} were written"
                )
            else:
                return
        except OSError as error:
            why = f"looking at it failed: {error.strerror}"
        self._dead = f"{self.path}: {why}"
        raise JournalFailed(self._dead, "find out who touched it, then restart")

    def _write(self, data: bytes) -> None:
        """Write all of it or nothing."""
        try:
            written = self._files.write(self._fd, data)
        except OSError as error:
            trouble = refusal(self.path, "writing", error)
        else:
            if written == len(data):
                return
            trouble = JournalFull(
                f"{self.path}: only {written} of {len(data)} bytes could be written",
                "make room on that disk (or lift the quota), then go on",
            )
        try:
            self._files.ftruncate(self._fd, self._end.offset - self._start.offset)
        except OSError as error:
            trouble = refusal(self.path, "taking back a batch that was cut short", error)
            self._dead = trouble.message
            raise JournalFailed(trouble.message, trouble.hint) from error
        if isinstance(trouble, JournalFailed):
            self._dead = trouble.message
        raise trouble

    def _flush(self) -> None:
        try:
            self._files.fdatasync(self._fd)
        except OSError as error:
            trouble = refusal(self.path, "making a batch durable", error)
            self._dead = trouble.message
            # After a failed flush the system may hold the bytes for clean and show them to the
            # next start, although they never reached the disk. Nobody was told of them: take
            # them out of sight. This is no second try; whether it works or not, we stop.
            with suppress(OSError):
                self._files.ftruncate(self._fd, self._end.offset - self._start.offset)
            raise JournalFailed(
                f"{trouble.message}; nothing more will be recorded",
                "check the disk, then restart; everything acknowledged before is still there",
            ) from error

    def _acknowledge(self) -> None:
        # The batch is durable whether this succeeds or not; the mark would merely be older.
        with suppress(OSError):
            self._files.write_at(self._acknowledged_fd, marks.encode(self._end), 0)
