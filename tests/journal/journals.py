"""What the journal's tests share: a clock that stands still, entries, and a small journal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pipeline.journal import Entry, Files, Line, RealFiles, replay
from pipeline.journal import Journal as _Journal
from pipeline.journal.writer import SEGMENT

NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


class FailingFiles(RealFiles):
    """The real files, with one call that fails where a test says so, and a record of the calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.failing: dict[str, OSError] = {}
        self.short: int | None = None

    def write(self, fd: int, data: bytes) -> int:
        self._step("write")
        return super().write(fd, data if self.short is None else data[: self.short])

    def write_at(self, fd: int, data: bytes, offset: int) -> int:
        self._step("write_at")
        return super().write_at(fd, data, offset)

    def fdatasync(self, fd: int) -> None:
        self._step("fdatasync")
        super().fdatasync(fd)

    def ftruncate(self, fd: int, size: int) -> None:
        self._step("ftruncate")
        super().ftruncate(fd, size)

    def rename(self, path: Path, target: Path) -> None:
        self._step("rename")
        super().rename(path, target)

    def sync_folder(self, path: Path) -> None:
        self._step("sync_folder")
        super().sync_folder(path)

    def _step(self, call: str) -> None:
        self.calls.append(call)
        if call in self.failing:
            raise self.failing[call]


def nowhere(offset: int) -> tuple[Path, int, int]:
    """A place in a journal that is in no file."""
    return Path("events.jsonl"), 1, offset


def noon() -> datetime:
    return NOON


def entry(number: int) -> Entry:
    return Entry(type="job_submitted", fields=b'{"job":"a/b","number":%d}' % number)


def opened(folder: Path, files: Files | None = None, *, segment: int = SEGMENT) -> _Journal:
    return _Journal.open(folder, clock=noon, files=files or RealFiles(), segment=segment)


def written(folder: Path, batches: Sequence[int], *, segment: int = SEGMENT) -> bytes:
    """The bytes of a closed journal in `folder` with batches of those sizes; of its open file."""
    with opened(folder, segment=segment) as journal:
        for size in batches:
            journal.append([entry(journal.seq + n) for n in range(1, size + 1)])
        return journal.path.read_bytes()


def raws(lines: Sequence[Line]) -> bytes:
    return b"".join(line.raw + b"\n" for line in lines)


def replayed(folder: Path) -> bytes:
    return raws(list(replay(folder / "events.jsonl")))
