"""Appending and opening: what was acknowledged is there, and what was torn is cut and said so."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.journal import Entry, Journal, JournalDamaged, JournalFailed
from tests.journal.journals import FailingFiles, entry, noon, opened, raws, replayed, written


def _batch_ends(data: bytes, sizes: list[int]) -> list[int]:
    lengths = [len(line) for line in data.splitlines(keepends=True)]
    ends, lines = [0], 0
    for size in sizes:
        lines += size
        ends.append(sum(lengths[:lines]))
    return ends


def test_appended_lines_are_the_files_bytes(tmp_path: Path) -> None:
    folder = tmp_path / ".pipeline"
    with opened(folder) as journal:
        assert (journal.seq, journal.cut) == (0, None)
        first = journal.append([entry(1)])
        more = journal.append([entry(2), entry(3)])
        assert journal.seq == 3
    assert raws(first + more) == (folder / "events.jsonl").read_bytes() == replayed(folder)
    assert [line.batch for line in first + more] == [(1, 1), (1, 2), (2, 2)]
    assert {line.at for line in first + more} == {"2026-11-22T12:00:00.123456Z"}


def test_an_empty_batch_writes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        assert journal.append([]) == []
        assert journal.path.read_bytes() == b""


def test_the_clock_is_asked_once_a_batch(tmp_path: Path) -> None:
    times = iter([datetime(2026, 1, 1, 0, 0, s, tzinfo=UTC) for s in (0, 1, 2)])
    with Journal.open(tmp_path, clock=lambda: next(times)) as journal:
        first = journal.append([entry(1), entry(2)])
        second = journal.append([entry(3)])
    assert [line.at[17:19] for line in first + second] == ["01", "01", "02"]


def test_a_reopened_journal_goes_on_with_the_chain(tmp_path: Path) -> None:
    once = written(tmp_path / "once", [1, 2, 1])
    for number, size in enumerate([1, 2, 1]):
        with opened(tmp_path / "again") as journal:
            assert journal.cut is None
            journal.append([entry(journal.seq + n) for n in range(1, size + 1)])
            assert journal.seq == [1, 3, 4][number]
    assert (tmp_path / "again" / "events.jsonl").read_bytes() == once


def test_a_refused_entry_records_nothing_of_its_batch(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        with pytest.raises(ValueError, match="own names"):
            journal.append([entry(1), Entry(type="a", fields=b'{"batch":1}')])
        assert journal.path.read_bytes() == b""
        assert [line.seq for line in journal.append([entry(1)])] == [1]


def test_it_is_flushed_before_it_is_acknowledged(tmp_path: Path) -> None:
    files = FailingFiles()
    with opened(tmp_path, files) as journal:
        assert files.calls.index("fdatasync") < files.calls.index("write_at")
        assert files.calls.count("sync_folder") == 3
        files.calls.clear()
        journal.append([entry(1), entry(2)])
        assert files.calls == ["write", "fdatasync", "write_at"]


def test_a_tail_torn_at_any_byte_is_cut_to_whole_batches(tmp_path: Path) -> None:
    sizes = [1, 2, 1]
    data = written(tmp_path / "whole", sizes)
    ends = _batch_ends(data, sizes)
    for cut in range(len(data) + 1):
        folder = tmp_path / str(cut)
        folder.mkdir()
        (folder / "events.jsonl").write_bytes(data[:cut])
        keep = max(end for end in ends if end <= cut)
        with opened(folder) as journal:
            if keep == cut:
                assert journal.cut is None
            else:
                assert journal.cut is not None
                assert (journal.cut.offset, journal.cut.size) == (keep, cut - keep)
                assert journal.cut.line == data[:keep].count(b"\n") + 1
                assert journal.cut.saved == folder / "events.jsonl.torn-1"
                assert journal.cut.saved.read_bytes() == data[keep:cut]
            assert journal.path.read_bytes() == data[:keep]
            journal.append([entry(7)])
        assert replayed(folder).startswith(data[:keep])


def test_every_torn_tail_is_kept(tmp_path: Path) -> None:
    for number in (1, 2):
        data = written(tmp_path, [1])
        (tmp_path / "acknowledged").unlink()
        (tmp_path / "events.jsonl").write_bytes(data[:-1])
        with opened(tmp_path) as journal:
            assert journal.cut is not None
            assert journal.cut.saved.name == f"events.jsonl.torn-{number}"


def test_nothing_acknowledged_passes_for_a_torn_tail(tmp_path: Path) -> None:
    """Two bits of every byte, and every cut: all refused while the acknowledged end is known."""
    data = written(tmp_path, [1, 2, 1])
    path = tmp_path / "events.jsonl"
    spoilt = [data[:cut] for cut in range(len(data))]
    for at in range(len(data)):
        one, two = at % 8, (at // 8 + at + 1) % 8
        changed = data[at] ^ (1 << one) ^ (1 << two if two != one else 0)
        spoilt.append(data[:at] + bytes([changed]) + data[at + 1 :])
    for number, bytes_ in enumerate(spoilt):
        path.write_bytes(bytes_)
        with pytest.raises(JournalDamaged):
            replayed(tmp_path)
        if number % 50 == 0:
            # The writer judges as the reader does, but it flushes folders first: a sample.
            with pytest.raises(JournalDamaged):
                opened(tmp_path)
            assert path.read_bytes() == bytes_
    assert not list(tmp_path.glob("*.torn-*"))


def test_what_was_written_but_not_acknowledged_may_be_torn(tmp_path: Path) -> None:
    whole = written(tmp_path, [1, 2])
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(b'{"seq":4,"at":"2026')
    with opened(tmp_path) as journal:
        assert journal.cut is not None
        assert (journal.cut.line, journal.cut.size, journal.seq) == (4, 19, 3)
    assert replayed(tmp_path) == whole


@pytest.mark.parametrize("spoilt", [b"", b"garbage", b'{"offset":1,"seq":1,"crc":"0"}'])
def test_a_spoilt_acknowledged_end_is_merely_older(tmp_path: Path, spoilt: bytes) -> None:
    whole = written(tmp_path, [1, 2])
    (tmp_path / "acknowledged").write_bytes(spoilt)
    with opened(tmp_path) as journal:
        assert (journal.seq, journal.cut) == (3, None)
    (tmp_path / "events.jsonl").write_bytes(whole[:-1])
    with pytest.raises(JournalDamaged):
        opened(tmp_path)


def test_an_older_acknowledged_end_is_no_trouble(tmp_path: Path) -> None:
    written(tmp_path, [2])
    older = (tmp_path / "acknowledged").read_bytes()
    whole = written(tmp_path, [1, 2])
    (tmp_path / "acknowledged").write_bytes(older)
    assert replayed(tmp_path) == whole
    assert written(tmp_path, []) == whole


def test_another_history_of_the_same_length_is_refused(tmp_path: Path) -> None:
    written(tmp_path, [1, 1])
    with opened(tmp_path / "other") as journal:
        journal.append([entry(3)])
        journal.append([entry(4)])
        other = journal.path.read_bytes()
    (tmp_path / "events.jsonl").write_bytes(other)
    with pytest.raises(JournalDamaged, match="not the one that was acknowledged"):
        opened(tmp_path)


def test_damage_is_told_with_the_command_that_mends_it(tmp_path: Path) -> None:
    folder = tmp_path / "it's here" / ".pipeline"
    folder.mkdir(parents=True)
    data = written(folder, [1, 2, 1])
    (folder / "events.jsonl").write_bytes(data.replace(b'"number":3', b'"number":9'))
    with pytest.raises(JournalDamaged) as caught:
        opened(folder)
    assert caught.value.hint is not None
    command = caught.value.hint.split("not deleted: ")[1].split(" says what")[0]
    assert shlex.split(command) == ["anime", "log", "repair", "--inbox", str(folder.parent)]


def test_a_file_removed_under_the_writer_stops_it(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.append([entry(1)])
        journal.path.unlink()
        with pytest.raises(JournalFailed, match="removed or replaced"):
            journal.append([entry(2)])
        with pytest.raises(JournalFailed):
            journal.append([entry(2)])


def test_a_file_somebody_else_wrote_to_stops_it(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.append([entry(1)])
        with journal.path.open("ab") as file:
            file.write(b"hello\n")
        with pytest.raises(JournalFailed, match="it has"):
            journal.append([entry(2)])


def test_a_closed_journal_refuses(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, clock=noon)
    journal.close()
    with pytest.raises(JournalFailed, match="closed"):
        journal.append([entry(1)])


def test_an_inbox_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(JournalFailed, match=r"gone/\.pipeline"):
        opened(tmp_path / "gone" / ".pipeline")
    assert not (tmp_path / "gone").exists()
