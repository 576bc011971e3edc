"""Journals cut, and flipped, at every byte: read as a prefix that has all that was acknowledged, or
refused, and mended without losing a byte. Never silently something else.

By default at a sample of the bytes; all of them (of mendings, every 17th) are marked slow.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from pipeline.journal import JournalDamaged, damage_of, repair, replay
from pipeline.journal import mark as marks
from pipeline.journal.line import encode
from pipeline.journal.mark import START, Mark
from tests.conftest import Figures
from tests.golden import TODAY
from tests.journal.journals import entry, raws

SIZE = 20_000
SAMPLE, EVERY = 211, 1
MENDED_SAMPLE, MENDED = 1055, 17
"""Of mendings, which wait for the disk."""
KINDS = ("single", "mixed", "golden")
Known = Literal["end", "middle", "nothing"]
KNOWN: tuple[Known, ...] = ("end", "middle", "nothing")

_slow = pytest.mark.slow, pytest.mark.timeout(1800)
_steps = pytest.mark.parametrize("step", [SAMPLE, pytest.param(EVERY, marks=_slow)])
_kinds = pytest.mark.parametrize("kind", KINDS)
_known = pytest.mark.parametrize("known", KNOWN)


def _bytes(kind: str) -> bytes:
    """A journal of at least 20 kB: of single lines, of batches of all sizes, or a real one."""
    if kind == "golden":
        return TODAY.read_bytes()
    data, mark = b"", START
    size = 1
    while len(data) < SIZE:
        entries = [entry(n) for n in range(size)]
        lines = encode(entries, at="now", seq=mark.seq, crc=mark.crc)
        data += raws(lines)
        mark = Mark(offset=len(data), seq=lines[-1].seq, crc=lines[-1].crc)
        size = size * 5 % 13 if kind == "mixed" else 1
    return data


def _ends(data: bytes) -> list[Mark]:
    """The ends of all batches, the beginning among them."""
    ends, offset = [START], 0
    for number, line in enumerate(data.splitlines(keepends=True), start=1):
        offset += len(line)
        found = re.search(rb'"batch":\[(\d+),(\d+)\]', line)
        assert found is not None
        if found[1] == found[2]:
            ends.append(Mark(offset=offset, seq=number, crc=line[-11:-3].decode()))
    return ends


class _Spoilt:
    """A journal in a folder of its own, with what is known of its end."""

    def __init__(self, folder: Path, kind: str, known: Known) -> None:
        self.path = folder / "events.jsonl"
        self.whole = _bytes(kind)
        self.ends = _ends(self.whole)
        middle = self.ends[len(self.ends) // 2]
        self.known = {"end": self.ends[-1], "middle": middle, "nothing": START}[known]
        self.last = self.ends[-2].offset
        self.restore(self.whole)

    def restore(self, data: bytes) -> None:
        self.path.write_bytes(data)
        mark = self.path.with_name(marks.ACKNOWLEDGED_NAME)
        mark.write_bytes(marks.encode(self.known))

    def kept(self, size: int) -> int:
        """The end of the last whole batch within so many bytes."""
        return max(end.offset for end in self.ends if end.offset <= size)

    def cuts(self, step: int) -> Iterator[int]:
        """Shorten the file from its end on; gives each size."""
        for size in range(len(self.whole) - 1, -1, -step):
            os.truncate(self.path, size)
            yield size

    def flips(self, step: int) -> Iterator[int]:
        """Flip two bits of one byte at a time; gives its offset."""
        with self.path.open("r+b", buffering=0) as file:
            for at in range(0, len(self.whole), step):
                os.pwrite(file.fileno(), bytes([self.flipped(at)]), at)
                yield at
                os.pwrite(file.fileno(), self.whole[at : at + 1], at)

    def flipped(self, at: int) -> int:
        one = at % 8
        two = (one + 1 + at // 8 % 7) % 8
        return self.whole[at] ^ (1 << one) ^ (1 << two)

    def read(self) -> bytes | JournalDamaged:
        try:
            return raws(list(replay(self.path)))
        except JournalDamaged as damage:
            return damage


@_steps
@_kinds
@_known
def test_a_cut_is_a_prefix_with_all_that_was_acknowledged_or_refused(
    tmp_path: Path, kind: str, known: Known, step: int, figures: Figures
) -> None:
    spoilt = _Spoilt(tmp_path, kind, known)
    count = len(range(0, len(spoilt.whole), step))
    for size in spoilt.cuts(step):
        found, kept = spoilt.read(), spoilt.kept(size)
        if size < spoilt.known.offset:
            assert isinstance(found, JournalDamaged), f"cut at {size}: silent"
            assert found.keep == kept <= found.offset <= size
            assert found.line == spoilt.whole[: found.offset].count(b"\n") + 1
        else:
            assert found == spoilt.whole[:kept], f"cut at {size}"
    figures.add("a journal cut at a byte", count, silent=0)


@_steps
@_kinds
@_known
def test_two_flipped_bits_are_refused_or_the_last_batchs_torn_write(
    tmp_path: Path, kind: str, known: Known, step: int, figures: Figures
) -> None:
    spoilt = _Spoilt(tmp_path, kind, known)
    count = len(range(0, len(spoilt.whole), step))
    for at in spoilt.flips(step):
        found = spoilt.read()
        if at >= max(spoilt.known.offset, spoilt.last) and isinstance(found, bytes):
            assert found == spoilt.whole[: spoilt.last], f"flip at {at}"
        else:
            assert isinstance(found, JournalDamaged), f"flip at {at}: silent"
            assert found.keep == spoilt.kept(at) <= found.offset <= at
            assert found.line == spoilt.whole[: found.offset].count(b"\n") + 1
    figures.add("two bits of a byte of a journal flipped", count, silent=0)


def _cut(spoilt: _Spoilt, at: int) -> bytes:
    return spoilt.whole[:at]


def _flip(spoilt: _Spoilt, at: int) -> bytes:
    return spoilt.whole[:at] + bytes([spoilt.flipped(at)]) + spoilt.whole[at + 1 :]


@pytest.mark.parametrize("step", [MENDED_SAMPLE, pytest.param(MENDED, marks=_slow)])
@pytest.mark.parametrize("spoil", [_cut, _flip])
def test_mending_keeps_the_whole_batches_and_sets_aside_every_other_byte(
    tmp_path: Path, spoil: Callable[[_Spoilt, int], bytes], step: int
) -> None:
    spoilt = _Spoilt(tmp_path, "mixed", "end")
    for at in range(0, len(spoilt.whole), step):
        data, kept = spoil(spoilt, at), spoilt.kept(at)
        spoilt.restore(data)
        done = repair(spoilt.path, started="now")
        assert done is not None, f"at {at}: silent"
        assert spoilt.path.read_bytes() == spoilt.whole[:kept] == spoilt.read()
        assert b"".join(saved.read_bytes() for saved in done.saved) == data[kept:]
        assert damage_of(spoilt.path) is None
        for aside in (*done.saved, *([done.mark] if done.mark else [])):
            aside.unlink()
