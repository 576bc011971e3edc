"""A snapshot is a cache: with it, without it and with a wrong one, the state is the same bytes."""

import os
from pathlib import Path

import msgspec
import pytest

from pipeline import snapshot
from pipeline.core.events import VERSION
from pipeline.core.state import State
from pipeline.history import PRIVATE, fold, journal_path, restore
from pipeline.journal import START, Entry, Mark, damage_of, repair, replay
from tests.golden import TODAY
from tests.journal.journals import opened
from tests.running import Run


def _inbox(folder: Path, data: bytes | None = None) -> Path:
    path = journal_path(folder)
    path.parent.mkdir(parents=True)
    path.write_bytes(TODAY.read_bytes() if data is None else data)
    return folder


def _bytes(state: State) -> bytes:
    return msgspec.msgpack.encode(state)


def _ends(path: Path) -> list[Mark]:
    """The ends of all batches of a journal."""
    ends, offset = [START], 0
    for line in replay(path):
        offset += len(line.raw) + 1
        if line.batch[0] == line.batch[1]:
            ends.append(Mark(offset=offset, seq=line.seq, crc=line.crc))
    return ends


def _keep(inbox: Path, mark: Mark) -> Path:
    """A snapshot as of that end of a batch; its file."""
    private = inbox / PRIVATE
    state = fold(line for line in replay(journal_path(inbox)) if line.seq <= mark.seq)
    snapshot.renew(private, state, mark, worth=0)
    return private / snapshot.SNAPSHOT


def test_from_a_snapshot_at_any_place_the_state_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    inbox = _inbox(tmp_path)
    whole = _bytes(restore(inbox))
    ends = _ends(journal_path(inbox))
    assert len(ends) >= 20
    for mark in ends:
        file = _keep(inbox, mark)
        kept = snapshot.load(inbox / PRIVATE, journal_path(inbox))
        assert kept is not None
        assert kept.mark == mark
        assert _bytes(restore(inbox)) == whole
        file.unlink()
        assert _bytes(restore(inbox)) == whole


def test_it_counts_and_is_not_merely_passed_over(tmp_path: Path) -> None:
    """A state that the journal does not say, under a hash that fits: so it is the one that is
    read, and nothing before it."""
    inbox = _inbox(tmp_path)
    end = _ends(journal_path(inbox))[-1]
    state = restore(inbox)
    state.paused = "said by the snapshot alone"
    snapshot.renew(inbox / PRIVATE, state, end, worth=0)
    assert restore(inbox).paused == "said by the snapshot alone"


@pytest.mark.parametrize("flip", range(8))
def test_a_spoilt_one_is_none(tmp_path: Path, flip: int) -> None:
    """One bit at every 97th byte, and cuts there."""
    inbox = _inbox(tmp_path)
    whole = _bytes(restore(inbox))
    file = _keep(inbox, _ends(journal_path(inbox))[-1])
    data = file.read_bytes()
    for at in range(flip, len(data), 97):
        file.write_bytes(data[:at] + bytes([data[at] ^ (1 << flip)]) + data[at + 1 :])
        assert _bytes(restore(inbox)) == whole, f"bit {flip} of byte {at}"
    file.write_bytes(data[: len(data) * flip // 8])
    assert _bytes(restore(inbox)) == whole


def test_one_of_other_code_is_none(tmp_path: Path) -> None:
    inbox = _inbox(tmp_path)
    file = _keep(inbox, _ends(journal_path(inbox))[-1])
    head, packed = file.read_bytes().split(b"\n", 1)
    file.write_bytes(head.replace(snapshot.code().encode(), b"0" * 64) + b"\n" + packed)
    assert snapshot.load(inbox / PRIVATE, journal_path(inbox)) is None


def test_one_of_another_history_is_none(tmp_path: Path) -> None:
    """A journal that was mended, and has gone on since, is as long again but not the same."""
    inbox = _inbox(tmp_path)
    path = journal_path(inbox)
    file = _keep(inbox, _ends(path)[-1])
    data = path.read_bytes()
    path.write_bytes(data[:-2000] + data[-2000:].replace(b'"seq"', b'"sec"', 1))
    assert repair(path, started="now") is not None
    assert file.exists()
    with opened(path.parent) as journal:
        while journal.end.offset < len(data):
            journal.append([Entry(type="queue_resumed", fields=b"{}", v=VERSION)])
    assert damage_of(path) is None
    assert snapshot.load(inbox / PRIVATE, path) is None
    assert _bytes(restore(inbox)) == _bytes(fold(replay(path)))


def test_a_link_in_its_place_is_none(tmp_path: Path) -> None:
    inbox = _inbox(tmp_path / "inbox")
    file = _keep(inbox, _ends(journal_path(inbox))[-1])
    elsewhere = tmp_path / "elsewhere"
    os.replace(file, elsewhere)
    file.symlink_to(elsewhere)
    assert snapshot.load(inbox / PRIVATE, journal_path(inbox)) is None


def test_a_state_that_is_ahead_of_the_disk_is_not_kept(tmp_path: Path) -> None:
    inbox = _inbox(tmp_path)
    state = restore(inbox)
    snapshot.renew(inbox / PRIVATE, state, _ends(journal_path(inbox))[-2], worth=0)
    assert not (inbox / PRIVATE / snapshot.SNAPSHOT).exists()


def test_one_that_is_nearly_as_new_stays(tmp_path: Path) -> None:
    inbox = _inbox(tmp_path)
    ends = _ends(journal_path(inbox))
    file = _keep(inbox, ends[3])
    before = file.read_bytes()
    state, end = restore(inbox), ends[-1]
    snapshot.renew(inbox / PRIVATE, state, end, worth=end.seq - ends[3].seq + 1)
    assert file.read_bytes() == before
    snapshot.renew(inbox / PRIVATE, state, end, worth=end.seq - ends[3].seq)
    assert file.read_bytes() != before


def test_where_it_cannot_be_written_nothing_happens(tmp_path: Path) -> None:
    inbox = _inbox(tmp_path)
    (inbox / PRIVATE / "cache").write_bytes(b"a file where the folder should be")
    snapshot.renew(inbox / PRIVATE, restore(inbox), _ends(journal_path(inbox))[-1], worth=0)
    assert sorted(os.listdir(inbox / PRIVATE)) == ["cache", "events.jsonl"]


def test_a_run_that_seals_its_journal_keeps_one(tmp_path: Path) -> None:
    with opened(tmp_path / PRIVATE) as journal:
        resumed = Entry(type="queue_resumed", fields=b"{}", v=VERSION)
        journal.append([resumed] * (snapshot.WORTH + 1))
    run = Run(tmp_path, segment=1000)
    run.drop("a.yaml")
    run.until(lambda: run.state.finished == 1)
    run.close()
    kept = snapshot.load(tmp_path / PRIVATE, journal_path(tmp_path))
    assert kept is not None
    assert snapshot.WORTH < kept.mark.seq <= run.journal.seq
    assert _bytes(restore(tmp_path)) == _bytes(fold(replay(journal_path(tmp_path))))
    assert _bytes(restore(tmp_path)) == _bytes(run.state)
