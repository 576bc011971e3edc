"""Power lost at every call of every short life of a journal: whatever of the unflushed bytes and
names survives, all that was acknowledged is read again, and nothing that was not written.

By default all lives of up to three operations; those of four are marked slow.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from pipeline.journal import Entry, Journal, JournalDamaged, JournalFull, replay
from pipeline.journal.writer import SEGMENT
from tests.conftest import Figures
from tests.journal.journals import noon
from tests.journal.power import Disk, Image

FOLDER = Path("/inbox/.pipeline")
PATH = FOLDER / "events.jsonl"
SMALL = 250
"""Bytes of a segment that two lines fill."""
OPERATIONS = ("one", "batch", "large", "full", "reopen", "kill", "torn")
SIZES = {"one": (1, 20), "batch": (3, 20), "large": (3, 900), "full": (2, 20), "torn": (2, 300)}
"""Lines, and bytes in each, of what an operation appends."""

Point = tuple[Image, bytes, bytes]
"""What survives, the acknowledged bytes, and those of the batch that was being written."""


class Life:
    """A journal on a disk, and all that a power loss may leave at each moment of its life."""

    def __init__(self, segment: int, *, seals: bool) -> None:
        self.found: set[Point] = set()
        self._segment, self._seals = segment, seals
        self._disk = Disk()
        self._told = self._writing = b""
        self._open()

    def live(self, operation: str) -> None:
        match operation:
            case "reopen":
                self._journal.close()
                self._open()
            case "kill":
                self._kill()
            case "torn":
                self._append("torn", room=150)
                self._kill()
            case "full":
                self._append("full", room=30)
            case _:
                self._append(operation)
        self._lose()

    def _append(self, operation: str, room: int | None = None) -> None:
        count, size = SIZES[operation]
        entries = [Entry(type="noted", fields=b'{"text":"%s"}' % (b"x" * size))] * count
        before = self._told
        # What the batch will be: the same journal says so, on a disk of its own.
        with Journal.open(FOLDER, clock=noon, files=self._disk.killed()) as other:
            lines = other.append(entries)
        self._writing = b"".join(line.raw + b"\n" for line in lines)
        self._disk.room = room
        if operation == "torn":
            # The program ends in the middle of its write, before it can take anything back.
            fd = self._disk.open(PATH, 0o2001 | 0)
            self._disk.write(fd, self._writing)
        else:
            try:
                self._journal.append(entries)
                self._told = before + self._writing
            except JournalFull:
                pass
        self._disk.room, self._writing = None, b""

    def _kill(self) -> None:
        self._disk = self._disk.killed()
        self._open()

    def _open(self) -> None:
        self._disk.before = self._lose
        self._journal = Journal.open(FOLDER, clock=noon, files=self._disk, segment=self._segment)

    def _lose(self) -> None:
        told, writing = self._told, self._writing
        self.found |= {(image, told, writing) for image in self._disk.survivors(seals=self._seals)}


def lives(operations: int) -> Iterator[tuple[int, tuple[str, ...]]]:
    for length in range(1, operations + 1):
        yield from product((SEGMENT, SMALL), product(OPERATIONS, repeat=length))


def check(point: Point) -> None:
    image, told, writing = point
    read = _read(Disk(image))
    assert read in (told, told + writing), "what is read is neither all acknowledged nor one more"
    disk = Disk(image)
    with Journal.open(FOLDER, clock=noon, files=disk, segment=SMALL) as journal:
        line = journal.append([Entry(type="noted", fields=b"{}")])[0]
        journal.append([Entry(type="noted", fields=b"{}")])
    again = _read(disk)
    assert again.startswith(read + line.raw)


def _read(disk: Disk) -> bytes:
    return b"".join(line.raw + b"\n" for line in replay(PATH, files=disk))


_slow = pytest.mark.slow, pytest.mark.timeout(3600)


@pytest.mark.parametrize(
    ("operations", "seals"),
    [
        (2, True),
        (3, False),
        pytest.param(3, True, marks=_slow),
        pytest.param(4, False, marks=_slow),
    ],
)
def test_every_state_after_a_power_loss_has_all_that_was_acknowledged(
    operations: int, seals: bool, figures: Figures
) -> None:
    found: set[Point] = set()
    count = 0
    for segment, life in lives(operations):
        one = Life(segment, seals=seals)
        for operation in life:
            one.live(operation)
        count += 1
        for point in one.found - found:
            check(point)
        found |= one.found
    assert len(found) >= 10_000 or operations < 3
    figures.add(
        f"states of the disk after a power loss, in {count} lives of a journal"
        f"{' and its seals' if seals else ''}",
        len(found), lost=0, invented=0,
    )  # fmt: skip


def test_the_model_finds_a_journal_that_does_not_flush() -> None:
    """The check can fail: without fdatasync, states are found that lack what was acknowledged."""

    class Careless(Disk):
        def fdatasync(self, fd: int) -> None:
            self.before()

    disk = Careless()
    with Journal.open(FOLDER, clock=noon, files=disk) as journal:
        told = journal.append([Entry(type="noted", fields=b"{}")])[0].raw + b"\n"
        lost = [image for image in disk.survivors() if not _reads(image, told)]
    assert lost


def test_the_model_finds_a_folder_that_is_not_flushed() -> None:
    class Careless(Disk):
        def sync_folder(self, path: Path) -> None:
            self.before()

    disk = Careless()
    with Journal.open(FOLDER, clock=noon, files=disk) as journal:
        told = journal.append([Entry(type="noted", fields=b"{}")])[0].raw + b"\n"
        assert any(not _reads(image, told) for image in disk.survivors())


def _reads(image: Image, told: bytes) -> bool:
    try:
        return _read(Disk(image)) == told
    except JournalDamaged:
        return False
