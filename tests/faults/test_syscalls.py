"""System calls killed or failed one at a time: a sample of each kind; all of them are slow."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from pipeline.history import journal_path
from pipeline.journal import replay
from tests.conftest import Figures
from tests.faults.syscalls import ERRORS, Point, copy, points, run, stages, strike

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]


@pytest.mark.timeout(600)
def test_a_sample_of_every_kind_of_call_is_killed_and_failed(
    tmp_path: Path, figures: Figures
) -> None:
    """Of every kind of call one in the middle of a run is killed; every other one fails, too."""
    for _, start, wanted in stages(tmp_path):
        every = points(start, tmp_path, ["kill"])
        middles = [
            numbers[len(numbers) // 2]
            for call in sorted({point.call for point in every})
            if (numbers := [point for point in every if point.call == call])
        ]
        for number, point in enumerate(middles):
            strike(point, start, wanted, tmp_path)
            if number % 2 == 0:
                fault = ERRORS[number // 2 % len(ERRORS)]
                failed = Point(call=point.call, number=point.number, fault=fault)
                strike(failed, start, wanted, tmp_path)
        count = len(middles) + (len(middles) + 1) // 2
        figures.add("system calls killed or failed, one a run", count, lost=0, doubled=0)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_call_is_killed_and_failed_in_every_way(tmp_path: Path, figures: Figures) -> None:
    for _, start, wanted in stages(tmp_path):
        every = points(start, tmp_path, ["kill", *ERRORS])
        for point in every:
            strike(point, start, wanted, tmp_path)
        figures.add("system calls killed or failed, one a run", len(every), lost=0, doubled=0)


def test_a_failed_flush_of_the_journal_ends_the_run_at_once_and_is_not_tried_again(
    tmp_path: Path,
) -> None:
    """Exit status 6 at every flush, and not one more call on the journal but the one that takes
    what was not durable out of sight."""
    _, start, wanted = next(iter(stages(tmp_path)))
    flushes = [p for p in points(start, tmp_path, ["EIO"]) if p.call == "fdatasync"]
    for point in (flushes[0], flushes[len(flushes) // 2], flushes[-1]):
        inbox = copy(start, tmp_path)
        trace = [
            "-y",
            "-s",
            "0",
            "-e",
            "trace=write,fdatasync,ftruncate",
            "-e",
            f"inject={point.flag}",
        ]
        done = run(inbox, strace=trace, home=tmp_path)
        assert done.returncode == 6
        assert "events.jsonl" in done.stderr
        calls = [
            line.partition("(")[0]
            for line in (tmp_path / "strace.log").read_text().splitlines()
            if "events.jsonl>" in line
        ]
        last = len(calls) - 1 - calls[::-1].index("fdatasync")
        assert calls[last + 1 :] in (["ftruncate"], [])
        strike(point, start, wanted, tmp_path)


def test_a_short_write_of_the_journal_is_taken_back_and_said_so(tmp_path: Path) -> None:
    _, start, wanted = next(iter(stages(tmp_path)))
    inbox = copy(start, tmp_path)
    journal = journal_path(inbox)
    trace = ["-P", str(journal), "-e", "trace=write", "-e", "inject=write:retval=10:when=2"]
    done = run(inbox, strace=trace, home=tmp_path)
    assert done.returncode == 6
    assert "events.jsonl: only 10 of" in done.stderr
    assert len(list(replay(journal))) > 0
    again = run(inbox, home=tmp_path)
    assert again.returncode == 1
    assert Counter(line.seq for line in replay(journal)).most_common(1)[0][1] == 1
    assert wanted.pictures == {
        str(file.relative_to(inbox)): file.read_bytes() for file in inbox.rglob("*.png")
    }
