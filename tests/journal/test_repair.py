"""Mending: what is whole stays, all else is set aside byte for byte, and a run can go on."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pipeline.journal import (
    InboxHeld,
    JournalDamaged,
    JournalFailed,
    JournalFull,
    Repaired,
    Survey,
    damage_of,
    repair,
    replay,
)
from pipeline.journal.mark import Mark, read
from tests.journal.journals import FailingFiles, entry, opened, replayed, written

NOW = "2026-11-22T12:00:00.000000Z"


def _damaged(folder: Path) -> bytes:
    """A journal of three batches with damage in the second; its bytes."""
    data = written(folder, [1, 2, 1]).replace(b'"number":3', b'"number":9')
    (folder / "events.jsonl").write_bytes(data)
    return data


def _mended(folder: Path) -> Repaired:
    done = repair(folder / "events.jsonl", started=NOW)
    assert done is not None
    return done


def test_a_whole_journal_is_left_alone(tmp_path: Path) -> None:
    data = written(tmp_path, [1, 2])
    before = sorted(tmp_path.iterdir())
    assert damage_of(tmp_path / "events.jsonl") is None
    assert repair(tmp_path / "events.jsonl", started=NOW) is None
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "events.jsonl").read_bytes() == data


def test_a_torn_tail_is_the_writers(tmp_path: Path) -> None:
    data = written(tmp_path, [1, 2]) + b'{"seq":4,"at":"20'
    (tmp_path / "events.jsonl").write_bytes(data)
    survey = Survey(tmp_path / "events.jsonl")
    assert len(list(survey.lines())) == 3
    assert survey.torn is not None
    assert repair(tmp_path / "events.jsonl", started=NOW) is None
    assert (tmp_path / "events.jsonl").read_bytes() == data


def test_what_is_wrong_is_said_before_anything_is_done(tmp_path: Path) -> None:
    data = _damaged(tmp_path)
    first, second, *_ = data.splitlines(keepends=True)
    damage = damage_of(tmp_path / "events.jsonl")
    assert damage is not None
    assert (damage.line, damage.offset) == (3, len(first) + len(second))
    assert (damage.keep.seq, damage.keep.offset) == (1, len(first))
    assert (damage.size, damage.lost) == (len(data) - len(first), 3)
    assert "crc" in damage.why
    assert (tmp_path / "events.jsonl").read_bytes() == data
    assert not list(tmp_path.glob("*.damaged-*"))


def test_what_goes_is_set_aside_and_the_journal_goes_on(tmp_path: Path) -> None:
    data = _damaged(tmp_path)
    known = (tmp_path / "acknowledged").read_bytes()
    done = _mended(tmp_path)
    keep = done.damage.keep
    assert done.saved == (tmp_path / "events.jsonl.damaged-1",)
    assert done.mark == tmp_path / "acknowledged.damaged-1"
    assert done.saved[0].read_bytes() == data[keep.offset :]
    assert done.mark.read_bytes() == known
    assert replayed(tmp_path) == (tmp_path / "events.jsonl").read_bytes() == data[: keep.offset]
    assert repair(tmp_path / "events.jsonl", started=NOW) is None
    with opened(tmp_path) as journal:
        assert (journal.seq, journal.cut) == (1, None)
        journal.append([entry(7)])
    assert len(list(replay(tmp_path / "events.jsonl"))) == 2


def test_it_can_be_put_back(tmp_path: Path) -> None:
    data = _damaged(tmp_path)
    files = {name: (tmp_path / name).read_bytes() for name in ("events.jsonl", "acknowledged")}
    done = _mended(tmp_path)
    assert len(done.saved) == 1
    assert done.mark is not None
    with (tmp_path / "events.jsonl").open("ab") as journal:
        journal.write(done.saved[0].read_bytes())
    (tmp_path / "acknowledged").write_bytes(done.mark.read_bytes())
    assert {name: (tmp_path / name).read_bytes() for name in files} == files
    assert (tmp_path / "events.jsonl").read_bytes() == data
    with pytest.raises(JournalDamaged):
        opened(tmp_path)


def test_nothing_that_was_set_aside_is_overwritten(tmp_path: Path) -> None:
    kept = []
    for number in (1, 2, 3):
        _damaged(tmp_path)
        done = _mended(tmp_path)
        assert len(done.saved) == 1
        assert done.saved[0].name == f"events.jsonl.damaged-{number}"
        kept.append((done.saved[0], done.saved[0].read_bytes()))
    assert all(path.read_bytes() == data for path, data in kept)


def test_an_older_copy_of_the_journal_is_taken_as_it_is(tmp_path: Path) -> None:
    older = written(tmp_path, [1, 2])
    written(tmp_path, [1, 1])
    (tmp_path / "events.jsonl").write_bytes(older)
    with pytest.raises(JournalDamaged, match="the journal ends here"):
        opened(tmp_path)
    done = _mended(tmp_path)
    assert (done.damage.lost, done.damage.size, done.saved) == (2, 0, ())
    assert done.mark is not None
    assert replayed(tmp_path) == older


def test_another_history_that_is_whole_in_itself_stays(tmp_path: Path) -> None:
    written(tmp_path, [1, 1])
    with opened(tmp_path / "other") as journal:
        journal.append([entry(3)])
        journal.append([entry(4)])
        other = journal.path.read_bytes()
    (tmp_path / "events.jsonl").write_bytes(other)
    done = _mended(tmp_path)
    assert (done.damage.lost, done.saved) == (0, ())
    assert replayed(tmp_path) == other


def test_a_journal_that_has_gone_is_begun_again(tmp_path: Path) -> None:
    written(tmp_path, [1, 2])
    (tmp_path / "events.jsonl").unlink()
    done = _mended(tmp_path)
    assert (done.damage.lost, done.saved) == (3, ())
    with opened(tmp_path) as journal:
        assert journal.seq == 0


def test_without_an_acknowledged_end_there_is_none_to_set_aside(tmp_path: Path) -> None:
    _damaged(tmp_path)
    (tmp_path / "acknowledged").unlink()
    done = _mended(tmp_path)
    assert (done.mark, done.damage.lost) == (None, 0)
    assert read(tmp_path, FailingFiles()) == done.damage.keep


def test_no_runner_may_hold_the_inbox(tmp_path: Path) -> None:
    data = _damaged(tmp_path)
    with opened(tmp_path / "other"):
        os.rename(tmp_path / "other" / "lock", tmp_path / "lock")
        with pytest.raises(InboxHeld):
            repair(tmp_path / "events.jsonl", started=NOW)
    assert (tmp_path / "events.jsonl").read_bytes() == data


def test_no_journal_needs_no_mending(tmp_path: Path) -> None:
    assert damage_of(tmp_path / "events.jsonl") is None


class _Until(FailingFiles):
    """The real files until the call with that number, which fails, as all after it do."""

    def __init__(self, last: int, number: int) -> None:
        super().__init__()
        self._left, self._error = last, OSError(number, os.strerror(number))

    def _step(self, call: str) -> None:
        super()._step(call)
        self._left -= 1
        if self._left < 0:
            raise self._error


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_mending_that_fails_anywhere_loses_nothing_and_may_be_tried_again(
    tmp_path: Path, number: int
) -> None:
    for last in range(100):
        folder = tmp_path / str(last)
        data = _damaged(folder)
        keep = len(data.splitlines(keepends=True)[0])
        done, error = _tried(folder, _Until(last, number))
        if error is None:
            assert done is not None
            break
        assert isinstance(error, JournalFull) == (number == errno.ENOSPC)
        now = (folder / "events.jsonl").read_bytes()
        assert now == data or (now == data[:keep] and data[keep:] in _aside(folder))
        repair(folder / "events.jsonl", started=NOW)
        assert replayed(folder) == data[:keep]
        assert data[keep:] in _aside(folder)
    assert last >= 10


def _tried(
    folder: Path, files: FailingFiles
) -> tuple[Repaired | None, JournalFailed | JournalFull | None]:
    try:
        return repair(folder / "events.jsonl", started=NOW, files=files), None
    except (JournalFailed, JournalFull) as error:
        return None, error


def _aside(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.glob("events.jsonl.damaged-*")]


def test_the_new_acknowledged_end_is_on_the_disk(tmp_path: Path) -> None:
    """Were it lost to a power cut, the old one would refuse the mended journal."""
    _damaged(tmp_path)
    files = FailingFiles()
    done = repair(tmp_path / "events.jsonl", started=NOW, files=files)
    assert done is not None
    assert files.calls[-3:] == ["write_at", "fdatasync", "sync_folder"]
    assert read(tmp_path, files) == done.damage.keep != Mark()
