"""A failing disk: nothing half stays in the journal, and nothing acknowledged is lost."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.journal import JournalFailed, JournalFull
from tests.journal.journals import FailingFiles, entry, opened, replayed, written

LIMITED = """
import resource, sys
from pathlib import Path
from pipeline.journal import JournalFull
from tests.journal.journals import entry, opened
journal = opened(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    journal.append([entry(n) for n in range(50)])
except JournalFull as error:
    print(error.message)
print(journal.path.stat().st_size)
journal.append([entry(2)])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.append([entry(3), entry(4)])
"""


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.process
def test_a_file_size_limit_takes_the_batch_back_and_leaves_the_journal_usable(
    tmp_path: Path,
) -> None:
    size = len(written(tmp_path, [1]))
    child = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path), str(3 * size)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    message, after = child.stdout.splitlines()
    assert f"only {2 * size} of" in message
    assert int(after) == size
    with opened(tmp_path) as journal:
        assert (journal.seq, journal.cut) == (4, None)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_records_nothing_and_may_be_tried_again(tmp_path: Path, number: int) -> None:
    files = FailingFiles()
    with opened(tmp_path, files) as journal:
        first = journal.append([entry(1)])
        files.failing["write"] = _error(number)
        with pytest.raises(JournalFull) as caught:
            journal.append([entry(2)])
        assert caught.value.exit_code == 6
        assert journal.path.read_bytes() == first[0].raw + b"\n"
        files.failing.clear()
        assert [line.seq for line in journal.append([entry(2)])] == [2]


def test_a_short_write_is_taken_back(tmp_path: Path) -> None:
    files = FailingFiles()
    with opened(tmp_path, files) as journal:
        journal.append([entry(1)])
        size = journal.path.stat().st_size
        files.short = 10
        with pytest.raises(JournalFull, match="only 10 of"):
            journal.append([entry(2)])
        assert journal.path.stat().st_size == size
        assert journal.seq == 1


def test_a_short_write_that_cannot_be_taken_back_stops_the_journal(tmp_path: Path) -> None:
    files = FailingFiles()
    with opened(tmp_path, files) as journal:
        first = journal.append([entry(1)])
        files.short, files.failing["ftruncate"] = 10, _error(errno.EIO)
        with pytest.raises(JournalFailed, match="taking back"):
            journal.append([entry(2)])
        files.short = None
        files.failing.clear()
        with pytest.raises(JournalFailed):
            journal.append([entry(2)])
    with opened(tmp_path) as journal:
        assert journal.cut is not None
        assert (journal.cut.size, journal.seq) == (10, 1)
    assert replayed(tmp_path) == first[0].raw + b"\n"


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_failed_flush_stops_the_journal_for_good(tmp_path: Path, number: int) -> None:
    files = FailingFiles()
    with opened(tmp_path, files) as journal:
        first = journal.append([entry(1)])
        files.failing["fdatasync"] = _error(number)
        with pytest.raises(JournalFailed, match="durable") as caught:
            journal.append([entry(2)])
        assert caught.value.exit_code == 6
        files.failing.clear()
        files.calls.clear()
        with pytest.raises(JournalFailed, match="durable"):
            journal.append([entry(2)])
        assert files.calls == []
        assert journal.seq == 1
    with opened(tmp_path) as journal:
        assert (journal.seq, journal.cut) == (1, None)
    assert replayed(tmp_path) == first[0].raw + b"\n"


def test_a_write_error_stops_the_journal(tmp_path: Path) -> None:
    files = FailingFiles()
    with opened(tmp_path, files) as journal:
        files.failing["write"] = _error(errno.EIO)
        with pytest.raises(JournalFailed, match="writing failed"):
            journal.append([entry(1)])
        files.failing.clear()
        with pytest.raises(JournalFailed):
            journal.append([entry(1)])


def test_a_mark_that_cannot_be_written_is_merely_older(tmp_path: Path) -> None:
    files = FailingFiles()
    with opened(tmp_path, files) as journal:
        files.failing["write_at"] = _error(errno.ENOSPC)
        journal.append([entry(1)])
    with opened(tmp_path) as journal:
        assert (journal.seq, journal.cut) == (1, None)


class _FailingCut(FailingFiles):
    """One call fails from the moment on that the file for a torn tail is made."""

    def __init__(self, call: str) -> None:
        super().__init__()
        self._call = call

    def open(self, path: Path, flags: int) -> int:
        descriptor = super().open(path, flags)
        if ".torn-" in path.name:
            self.failing[self._call] = _error(errno.EIO)
        return descriptor


@pytest.mark.parametrize("call", ["write", "fdatasync", "sync_folder", "ftruncate"])
def test_a_torn_tail_that_cannot_be_set_aside_is_not_cut(tmp_path: Path, call: str) -> None:
    torn = written(tmp_path, [1, 1])[:-1]
    (tmp_path / "acknowledged").unlink()
    (tmp_path / "events.jsonl").write_bytes(torn)
    with pytest.raises(JournalFailed, match="cutting the torn tail"):
        opened(tmp_path, _FailingCut(call))
    assert (tmp_path / "events.jsonl").read_bytes() == torn
    with opened(tmp_path) as journal:
        assert journal.cut is not None
        assert journal.cut.saved.read_bytes() == torn[journal.cut.offset :]


def test_a_first_flush_that_fails_is_told(tmp_path: Path) -> None:
    files = FailingFiles()
    files.failing["fdatasync"] = _error(errno.EIO)
    with pytest.raises(JournalFailed, match="flushing"):
        opened(tmp_path, files)
    opened(tmp_path).close()
