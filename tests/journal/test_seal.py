"""A seal is a cache: with it a start is faster, and nothing else is different."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.journal import REAL, JournalDamaged, seal
from pipeline.journal.segments import view
from tests.journal.journals import entry, opened, replayed, written

SIZES = [1, 2, 1, 3, 1, 1, 2, 1, 1]
SMALL = 300


def _seals(folder: Path) -> list[Path]:
    return sorted((folder / "cache").glob("events.*.seal"))


def test_every_sealed_segment_has_one_and_opening_goes_on_behind_them(tmp_path: Path) -> None:
    written(tmp_path, SIZES, segment=SMALL)
    names = [path.name for path in _seals(tmp_path)]
    assert names == [f"{path.name}.seal" for path in sorted(tmp_path.glob("events.0*.jsonl"))]
    assert len(names) >= 3
    with opened(tmp_path, segment=SMALL) as journal:
        assert (journal.seq, journal.cut) == (sum(SIZES), None)
        assert vouched_end(tmp_path) == journal.sealed
        journal.append([entry(n) for n in range(3)])
        journal.append([entry(1)])
    assert len(_seals(tmp_path)) > len(names)


def vouched_end(folder: Path) -> int:
    with view(folder / "events.jsonl", REAL) as now:
        return seal.vouched(now, files=REAL).offset


@pytest.mark.parametrize("spoil", ["gone", "garbage", "flipped", "another's"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_spoilt_seal_changes_nothing(tmp_path: Path, spoil: str, number: int) -> None:
    written(tmp_path, SIZES, segment=SMALL)
    whole = replayed(tmp_path)
    seals = _seals(tmp_path)
    match spoil:
        case "gone":
            seals[number].unlink()
        case "garbage":
            seals[number].write_bytes(b"{}")
        case "flipped":
            data = bytearray(seals[number].read_bytes())
            data[len(data) // 2] ^= 1
            seals[number].write_bytes(data)
        case _:
            seals[number].write_bytes(seals[(number + 1) % 3].read_bytes())
    assert vouched_end(tmp_path) == sum(
        path.stat().st_size for path in sorted(tmp_path.glob("events.0*.jsonl"))[:number]
    )
    with opened(tmp_path) as journal:
        assert (journal.seq, journal.cut) == (sum(SIZES), None)
    assert replayed(tmp_path) == whole


@pytest.mark.parametrize("known", [True, False])
def test_no_bit_of_a_sealed_segment_may_differ(tmp_path: Path, known: bool) -> None:
    written(tmp_path, SIZES, segment=SMALL)
    if not known:
        (tmp_path / "acknowledged").unlink()
    for file in sorted(tmp_path.glob("events.0*.jsonl")):
        file.chmod(0o644)
        data = file.read_bytes()
        for at in range(0, len(data), 37):
            file.write_bytes(data[:at] + bytes([data[at] ^ 0b11]) + data[at + 1 :])
            with pytest.raises(JournalDamaged):
                opened(tmp_path)
        file.write_bytes(data)
        file.write_bytes(data[: data.index(b"\n") + 1])
        with pytest.raises(JournalDamaged):
            opened(tmp_path)
        file.write_bytes(data)
    opened(tmp_path).close()
