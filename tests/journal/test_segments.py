"""A journal of many files is one journal: what reads it cannot tell where one of them ends."""

from __future__ import annotations

import errno
import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from pipeline.journal import (
    START,
    JournalDamaged,
    JournalFailed,
    Mark,
    Tail,
    damage_of,
    has,
    repair,
    replay,
    sealed_names,
)
from pipeline.journal.files import REAL
from tests.conftest import Figures
from tests.journal.journals import FailingFiles, entry, opened, raws, replayed, written

SIZES = [1, 2, 1, 3, 1, 1, 2, 1, 1]
SMALL = 300
"""Bytes: two lines, or a little more."""
NOW = "2026-11-22T12:00:00.000000Z"


def _names(folder: Path) -> list[str]:
    return [path.name for path in sealed_names(folder / "events.jsonl", REAL)]


def test_segments_are_numbered_sealed_and_hold_the_same_bytes_as_one_file(tmp_path: Path) -> None:
    whole = written(tmp_path / "one", SIZES)
    tail = written(tmp_path / "many", SIZES, segment=SMALL)
    names = _names(tmp_path / "many")
    assert names[:2] == ["events.000001.jsonl", "events.000002.jsonl"]
    assert len(names) >= 3
    sealed = [tmp_path / "many" / name for name in names]
    assert b"".join(path.read_bytes() for path in sealed) + tail == whole
    assert all(path.stat().st_mode & 0o222 == 0 for path in sealed)
    assert replayed(tmp_path / "many") == whole
    assert (tmp_path / "many" / "acknowledged").read_bytes() == (
        tmp_path / "one" / "acknowledged"
    ).read_bytes()


def test_a_reopened_journal_goes_on_in_the_open_file(tmp_path: Path) -> None:
    whole = written(tmp_path / "one", SIZES)
    for size in SIZES:
        with opened(tmp_path / "many", segment=SMALL) as journal:
            journal.append([entry(journal.seq + n) for n in range(1, size + 1)])
    assert replayed(tmp_path / "many") == whole
    assert len(_names(tmp_path / "many")) >= 3


def test_sealing_puts_each_name_on_the_disk_before_the_next_file_is_there(tmp_path: Path) -> None:
    files = FailingFiles()
    with opened(tmp_path, files, segment=SMALL) as journal:
        journal.append([entry(1), entry(2), entry(3)])
        files.calls.clear()
        journal.append([entry(4)])
    seal = ["write"]
    assert files.calls == [
        "rename", "sync_folder", "sync_folder", *seal, "write", "fdatasync", "write_at",
    ]  # fmt: skip


def test_a_follower_sees_every_line_once_across_seals(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "events.jsonl")
    seen: list[int] = []
    with opened(tmp_path, segment=SMALL) as journal:
        for size in SIZES:
            journal.append([entry(journal.seq + n) for n in range(1, size + 1)])
            if size != 1:
                seen += [line.seq for line in tail.read()]
        seen += [line.seq for line in tail.read()]
    assert seen == list(range(1, sum(SIZES) + 1))


def test_a_reader_beside_a_writer_that_seals_never_sees_a_gap(tmp_path: Path) -> None:
    """Two hundred seals while another thread reads the whole again and again, without the lock."""
    done = threading.Event()

    def write() -> None:
        with opened(tmp_path, segment=1) as journal:
            for number in range(200):
                journal.append([entry(number)])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    read = 0
    while not done.is_set():
        seqs = [line.seq for line in replay(tmp_path / "events.jsonl")]
        assert seqs == list(range(1, len(seqs) + 1))
        assert len(seqs) >= read
        read = len(seqs)
    writer.join()
    assert [line.seq for line in replay(tmp_path / "events.jsonl")] == list(range(1, 201))


def test_an_open_file_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    """A crash in the middle of sealing: the full file has its number, the next is not made."""
    whole = written(tmp_path, [1, 2])
    (tmp_path / "events.jsonl").rename(tmp_path / "events.000001.jsonl")
    assert replayed(tmp_path) == whole
    with opened(tmp_path) as journal:
        assert (journal.seq, journal.cut) == (3, None)
        last = journal.append([entry(4)])
        assert journal.path.read_bytes() == raws(last)
    assert replayed(tmp_path) == whole + raws(last)


def test_nothing_sealed_passes_for_a_torn_tail(tmp_path: Path) -> None:
    """Also where the acknowledged end is lost: a file is durable before it is sealed."""
    data = written(tmp_path, [1, 2])
    (tmp_path / "acknowledged").unlink()
    (tmp_path / "events.jsonl").rename(tmp_path / "events.000001.jsonl")
    (tmp_path / "events.000001.jsonl").write_bytes(data[:-1])
    with pytest.raises(JournalDamaged, match="before the end of what is sealed") as caught:
        replayed(tmp_path)
    assert caught.value.path.name == "events.000001.jsonl"


def test_a_missing_segment_is_told_at_the_file_behind_it(tmp_path: Path) -> None:
    written(tmp_path, SIZES, segment=SMALL)
    (tmp_path / "events.000002.jsonl").unlink()
    with pytest.raises(JournalDamaged, match="file before it may be missing") as caught:
        opened(tmp_path)
    assert (caught.value.path.name, caught.value.line) == ("events.000003.jsonl", 1)
    assert caught.value.offset == 0


def test_damage_is_told_by_the_line_of_its_own_file(tmp_path: Path) -> None:
    written(tmp_path, SIZES, segment=SMALL)
    file = tmp_path / "events.000002.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.chmod(0o644)
    file.write_bytes(b"".join([*lines[:-1], lines[-1].replace(b'"number"', b'"numbed"')]))
    with pytest.raises(JournalDamaged) as caught:
        replayed(tmp_path)
    found = caught.value
    assert (found.path, found.line) == (file, len(lines))
    assert found.offset == sum(map(len, lines[:-1]))


@pytest.mark.parametrize("place", ["first line", "last line", "gone"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_mending_sets_the_files_behind_aside_whole(tmp_path: Path, place: str, number: int) -> None:
    whole = written(tmp_path, SIZES, segment=SMALL)
    whole = replayed(tmp_path)
    file = tmp_path / f"events.{number:06d}.jsonl"
    file.chmod(0o644)
    data = file.read_bytes()
    before = whole.index(data)
    match place:
        case "first line":
            file.write_bytes(data.replace(b'"number"', b'"numbed"', 1))
            kept = before
        case "last line":
            at = data.rindex(b'"number"')
            file.write_bytes(data[:at] + b'"numbed"' + data[at + 8 :])
            kept = before + max(end for end in _ends(data) if end <= data.rindex(b"\n", 0, at))
        case _:
            file.unlink()
            kept = before
    there = {path: path.read_bytes() for path in tmp_path.glob("events*.jsonl")}
    done = repair(tmp_path / "events.jsonl", started=NOW)
    assert done is not None
    assert done.damage.keep.offset == kept
    assert damage_of(tmp_path / "events.jsonl") is None
    assert replayed(tmp_path) == whole[:kept]
    aside = b"".join(saved.read_bytes() for saved in done.saved)
    everything = b"".join(there[path] for path in sorted(there, key=_order))
    assert whole[:kept] + aside == everything
    with opened(tmp_path, segment=SMALL) as journal:
        assert journal.cut is None
        journal.append([entry(1)])
        journal.append([entry(2)])


def _ends(data: bytes) -> list[int]:
    ends, offset = [0], 0
    for line in data.splitlines(keepends=True):
        offset += len(line)
        position, size = line.split(b'"batch":[')[1].split(b"]")[0].split(b",")
        if position == size:
            ends.append(offset)
    return ends


def _order(path: Path) -> tuple[bool, str]:
    return path.name == "events.jsonl", path.name


@pytest.mark.parametrize("call", ["rename", "sync_folder", "fdatasync"])
def test_mending_that_was_cut_short_may_be_tried_again(tmp_path: Path, call: str) -> None:
    """At each of its calls in turn: nothing is lost, and the second try ends it."""
    for stop in range(12):
        folder = tmp_path / str(stop)
        written(folder, SIZES, segment=SMALL)
        file = folder / "events.000002.jsonl"
        file.chmod(0o644)
        at = file.read_bytes().rindex(b'"number"')
        spoilt = file.read_bytes()
        file.write_bytes(spoilt[:at] + b'"numbed"' + spoilt[at + 8 :])
        whole = b"".join(
            path.read_bytes() for path in sorted(folder.glob("events*.jsonl"), key=_order)
        )
        files = _FailingOnce(call, stop)
        try:
            repair(folder / "events.jsonl", started=NOW, files=files)
        except JournalFailed:
            repair(folder / "events.jsonl", started=NOW)
        assert damage_of(folder / "events.jsonl") is None
        kept = replayed(folder)
        assert whole.startswith(kept)
        assert set(kept.splitlines()) | _aside(folder) >= set(whole.splitlines())


class _FailingOnce(FailingFiles):
    """The nth call of a kind fails, and no other."""

    def __init__(self, call: str, number: int) -> None:
        super().__init__()
        self._call, self._number = call, number

    def _step(self, call: str) -> None:
        super()._step(call)
        if call == self._call and self.calls.count(call) == self._number + 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


def _aside(folder: Path) -> set[bytes]:
    return {
        line for path in folder.glob("events*damaged-*") for line in path.read_bytes().splitlines()
    }


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_name_that_cannot_be_changed_leaves_the_open_file_open(
    tmp_path: Path, number: int
) -> None:
    files = FailingFiles()
    with opened(tmp_path, files, segment=1) as journal:
        journal.append([entry(1)])
        files.failing["rename"] = OSError(number, os.strerror(number))
        journal.append([entry(2)])
        assert _names(tmp_path) == []
        files.failing.clear()
        journal.append([entry(3)])
        assert _names(tmp_path) == ["events.000001.jsonl"]
    assert [line.seq for line in replay(tmp_path / "events.jsonl")] == [1, 2, 3]


class _NoRoomForAFile(FailingFiles):
    """No new file can be made while `full`."""

    full = False

    def open(self, path: Path, flags: int) -> int:
        if self.full and flags & os.O_EXCL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().open(path, flags)


def test_where_there_is_no_room_for_the_next_file_the_full_one_is_open_again(
    tmp_path: Path,
) -> None:
    files = _NoRoomForAFile()
    with opened(tmp_path, files, segment=1) as journal:
        journal.append([entry(1)])
        files.full = True
        journal.append([entry(2)])
        assert _names(tmp_path) == []
        files.full = False
        journal.append([entry(3)])
        assert _names(tmp_path) == ["events.000001.jsonl"]
    assert [line.seq for line in replay(tmp_path / "events.jsonl")] == [1, 2, 3]


def test_a_flush_of_the_folder_that_fails_while_sealing_stops_the_journal(tmp_path: Path) -> None:
    files = FailingFiles()
    with opened(tmp_path, files, segment=1) as journal:
        first = journal.append([entry(1)])
        files.failing["sync_folder"] = OSError(errno.EIO, os.strerror(errno.EIO))
        with pytest.raises(JournalFailed, match="sealing") as caught:
            journal.append([entry(2)])
        assert caught.value.exit_code == 6
        files.failing.clear()
        with pytest.raises(JournalFailed):
            journal.append([entry(2)])
    assert replayed(tmp_path) == raws(first)
    with opened(tmp_path) as journal:
        assert (journal.seq, journal.cut) == (1, None)


def test_a_mark_is_known_by_its_place_and_crc(tmp_path: Path) -> None:
    marks: list[Mark] = [START]
    with opened(tmp_path, segment=SMALL) as journal:
        for number in range(6):
            journal.append([entry(number)])
            marks.append(journal.end)
    path = tmp_path / "events.jsonl"
    for mark in marks:
        assert has(path, mark)
        behind = [line.seq for line in replay(path, after=mark)]
        assert behind == list(range(mark.seq + 1, 7))
    assert not has(path, Mark(offset=marks[3].offset, seq=3, crc="00000000"))
    assert not has(path, Mark(offset=marks[3].offset + 1, seq=3, crc=marks[3].crc))
    assert not has(path, Mark(offset=marks[6].offset + 200, seq=7, crc=marks[6].crc))
    assert not has(tmp_path / "other.jsonl", marks[1])


def test_other_files_of_the_folder_are_no_segments(tmp_path: Path) -> None:
    whole = written(tmp_path, SIZES, segment=SMALL)
    whole = replayed(tmp_path)
    for name in ("events.jsonl.torn-1", "events.000001.jsonl.damaged-1", "events.1.jsonl",
                 "other.000009.jsonl", "events.000009.json"):  # fmt: skip
        (tmp_path / name).write_bytes(b"no line\n")
    assert replayed(tmp_path) == whole
    with opened(tmp_path) as journal:
        assert journal.seq == sum(SIZES)


@pytest.mark.parametrize("known", [True, False])
def test_two_flipped_bits_anywhere_in_any_file_are_refused(
    tmp_path: Path, known: bool, figures: Figures
) -> None:
    """Also without the acknowledged end: then only the last batch may pass for a torn write."""
    written(tmp_path, SIZES, segment=SMALL)
    whole = replayed(tmp_path)
    last = len(whole) - len(whole.splitlines(keepends=True)[-1])
    if not known:
        (tmp_path / "acknowledged").unlink()
    at = silent = 0
    for file in sorted(tmp_path.glob("events*.jsonl"), key=_order):
        file.chmod(0o644)
        data = file.read_bytes()
        for place, byte in enumerate(data):
            file.write_bytes(data[:place] + bytes([byte ^ 0b100001]) + data[place + 1 :])
            with suppress(JournalDamaged):
                silent += replayed(tmp_path) != whole[:last] or known or at < last
            at += 1
        file.write_bytes(data)
    figures.add("two bits of a byte of a journal in many files flipped", at, silent=silent)
    assert silent == 0
