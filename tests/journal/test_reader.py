"""Reading: every line of what is whole; a torn tail is left out, damage is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.journal import Entry, JournalDamaged, JournalFailed, Line, Tail, follow, replay
from pipeline.journal.line import encode
from pipeline.journal.reader import Walk
from tests.journal.journals import entry, nowhere, opened, raws, replayed, written

_sizes = st.lists(st.integers(1, 4), max_size=6)


def _bytes(sizes: list[int]) -> bytes:
    data, seq, crc = b"", 0, ""
    for size in sizes:
        lines = encode([entry(n) for n in range(size)], at="now", seq=seq, crc=crc)
        data += raws(lines)
        seq, crc = lines[-1].seq, lines[-1].crc
    return data


def _journal(tmp_path: Path, *sizes: int) -> Path:
    """A journal without an acknowledged end."""
    written(tmp_path, sizes)
    (tmp_path / "acknowledged").unlink()
    return tmp_path / "events.jsonl"


@given(_sizes, st.integers(1, 300))
def test_chunks_of_any_size_give_the_same_lines(sizes: list[int], chunk: int) -> None:
    data = _bytes(sizes)
    walk = Walk(nowhere)
    batches = list(walk.batches(data[i : i + chunk] for i in range(0, len(data), chunk)))
    assert [len(batch) for batch in batches] == sizes
    assert raws([line for batch in batches for line in batch]) == data
    assert (walk.good.offset, walk.good.seq, walk.torn) == (len(data), sum(sizes), None)


@given(_sizes, st.data())
def test_a_cut_anywhere_leaves_a_prefix_of_whole_batches(
    sizes: list[int], data: st.DataObject
) -> None:
    whole = _bytes(sizes)
    cut = data.draw(st.integers(0, len(whole)))
    walk = Walk(nowhere)
    batches = list(walk.batches([whole[:cut]]))
    kept = [len(batch) for batch in batches]
    assert kept == sizes[: len(kept)]
    assert walk.good.offset == len(_bytes(kept)) <= cut
    assert (walk.torn is None) == (walk.good.offset == cut)
    assert len(kept) == len(sizes) or cut < len(_bytes([*kept, sizes[len(kept)]]))


@given(st.lists(st.integers(1, 3), min_size=2, max_size=4), st.data())
def test_two_flipped_bits_of_a_byte_are_never_silent(sizes: list[int], data: st.DataObject) -> None:
    whole = bytearray(_bytes(sizes))
    at = data.draw(st.integers(0, len(whole) - 1))
    one, two = data.draw(st.permutations(range(8)))[:2]
    whole[at] ^= 1 << one | 1 << two
    walk = Walk(nowhere)
    lines: list[Line] = []
    damage = None
    try:
        lines.extend(line for batch in walk.batches([bytes(whole)]) for line in batch)
    except JournalDamaged as caught:
        damage = caught
    last = len(_bytes(sizes[:-1]))
    if damage is not None:
        assert damage.keep <= damage.offset <= at
    else:
        assert at >= last, "damage before the last batch was taken for a torn tail"
        assert walk.torn is not None
        assert raws(lines) == whole[:last]


def test_no_journal_is_an_empty_one(tmp_path: Path) -> None:
    assert list(replay(tmp_path / "events.jsonl")) == []


def test_a_removed_journal_is_not_an_empty_one(tmp_path: Path) -> None:
    written(tmp_path, [1])
    (tmp_path / "events.jsonl").unlink()
    with pytest.raises(JournalDamaged, match="up to line 1 was acknowledged"):
        list(replay(tmp_path / "events.jsonl"))


def test_reading_needs_no_lock(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        lines = journal.append([entry(1), entry(2)])
        assert list(replay(journal.path)) == lines


@pytest.mark.parametrize("lose", [0, 1, 2])
def test_a_lost_line_is_found(tmp_path: Path, lose: int) -> None:
    path = _journal(tmp_path, 1, 1, 1, 1)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:lose] + lines[lose + 1 :]))
    with pytest.raises(JournalDamaged, match="crc") as caught:
        list(replay(path))
    assert caught.value.line == lose + 1
    assert caught.value.offset == caught.value.keep == sum(map(len, lines[:lose]))
    assert caught.value.exit_code == 6


def test_swapped_lines_are_found(tmp_path: Path) -> None:
    path = _journal(tmp_path, 1, 1, 1)
    one, two, three = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(two + one + three)
    with pytest.raises(JournalDamaged):
        list(replay(path))


def test_the_lines_before_the_damage_come_first(tmp_path: Path) -> None:
    path = _journal(tmp_path, 1, 2, 2, 1)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(whole.replace(b'"number":5', b'"number":6'))
    lines_back = replay(path)
    assert [next(lines_back).seq for _ in range(3)] == [1, 2, 3]
    with pytest.raises(JournalDamaged) as caught:
        next(lines_back)
    assert caught.value.line == 5
    assert caught.value.offset == sum(map(len, lines[:4]))
    assert caught.value.keep == sum(map(len, lines[:3]))


def test_a_torn_sector_inside_the_last_batch_is_a_torn_tail(tmp_path: Path) -> None:
    path = _journal(tmp_path, 1, 30)
    whole = path.read_bytes()
    path.write_bytes(whole[:512] + bytes(512) + whole[1024:])
    assert [line.seq for line in replay(path)] == [1]


def test_zeros_behind_the_end_are_a_torn_tail(tmp_path: Path) -> None:
    whole = written(tmp_path, [1, 2])
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(bytes(4096))
    assert replayed(tmp_path) == whole


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").mkdir()
    with pytest.raises(JournalFailed, match=r"events\.jsonl.*directory"):
        list(replay(tmp_path / "events.jsonl"))


def test_a_tail_gives_each_line_once_as_it_comes(tmp_path: Path) -> None:
    tail = follow(tmp_path / "events.jsonl", after=2)
    assert tail.read() == []
    with opened(tmp_path) as journal:
        assert tail.read() == []
        journal.append([entry(1)])
        assert tail.read() == []
        lines = journal.append([entry(2), entry(3)])
        assert tail.read() == lines[1:]
        assert tail.read() == []
        assert journal.append([entry(4)]) == tail.read()


def test_a_tail_waits_for_the_rest_of_a_batch(tmp_path: Path) -> None:
    whole = _bytes([1, 2])
    path = tmp_path / "events.jsonl"
    tail = Tail(path)
    first = whole.index(b"\n") + 1
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        assert [line.seq for line in tail.read()] == ([1] if end == first else [])
    path.write_bytes(whole)
    assert [line.seq for line in tail.read()] == [2, 3]


def test_a_tail_outlives_a_torn_tail_that_is_cut_and_written_anew(tmp_path: Path) -> None:
    path = _journal(tmp_path, 1, 2)
    path.write_bytes(path.read_bytes()[:-1])
    tail = Tail(path)
    assert [line.seq for line in tail.read()] == [1]
    with opened(tmp_path) as journal:
        assert journal.cut is not None
        assert tail.read() == []
        assert journal.append([Entry(type="queue_paused", fields=b"{}")]) == tail.read()


def test_a_tail_refuses_a_journal_that_shrank(tmp_path: Path) -> None:
    path = _journal(tmp_path, 1, 1)
    tail = Tail(path)
    assert len(tail.read()) == 2
    path.write_bytes(_bytes([1]))
    with pytest.raises(JournalDamaged, match="more of it had been read"):
        tail.read()
