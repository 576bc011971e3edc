"""`anime replay`: the state of then, by a line's number or by a time, however the present looks."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.commands.replaying import NoSuchMoment, point_of, standing_at
from pipeline.commands.standing import standing, summary_then
from pipeline.history import PRIVATE
from pipeline.journal import JournalDamaged
from tests.golden import FOLDER


@pytest.fixture(autouse=True)
def _berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A zone that is ahead of UTC, and sets its clocks back on 2026-10-25."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """An inbox with the golden journal of version 1: 53 lines from 10:02 to 10:37 local time."""
    folder = tmp_path / PRIVATE
    folder.mkdir()
    (folder / "events.jsonl").write_bytes((FOLDER / "v1.jsonl").read_bytes())
    return tmp_path


def test_after_a_line(inbox: Path) -> None:
    found = standing_at(inbox, "7")
    assert (found.seq, found.at, found.finished) == (7, "2026-11-22T09:06:00.740736Z", 1)
    assert found.counts == {"queued": 1}
    assert [job.pictures for job in found.jobs] == [("neon-tokyo/characters/akira/rooftop.01.png",)]
    assert list(summary_then(found)) == [
        f"inbox     {inbox}",
        "as of     line 7 of the journal, 2026-11-22 10:06:00",
        "jobs      1 queued",
        "pictures  1",
    ]


def test_what_was_being_drawn_then_is_said_so(inbox: Path) -> None:
    assert standing_at(inbox, "6").counts == {"rendering": 1}


@pytest.mark.parametrize("moment", ["0", "2026-11-22 10:01", "2001-01-01"])
def test_before_the_first_line_there_is_nothing(inbox: Path, moment: str) -> None:
    found = standing_at(inbox, moment)
    assert (found.seq, found.at, found.jobs) == (0, "", ())
    assert "as of     line 0 of the journal" in list(summary_then(found))


@pytest.mark.parametrize(
    "moment",
    [
        "2026-11-22T09:06:00Z", "2026-11-22t09:06:00.740736z", "2026-11-22T10:06:00+01:00",
        "2026-11-22 10:06", "2026-11-22 10:06:00", " 2026-11-22T10:06:00.75 ",
    ],
)  # fmt: skip
def test_at_a_time(inbox: Path, moment: str) -> None:
    assert standing_at(inbox, moment).seq == 7


@pytest.mark.parametrize("moment", ["2026-11-22 10:06:00.740735", "2026-11-22T09:05:59Z"])
def test_a_moment_earlier(inbox: Path, moment: str) -> None:
    assert standing_at(inbox, moment).seq == 5


def test_at_the_end_it_is_what_status_says(inbox: Path) -> None:
    now = standing(inbox)
    assert now.seq == 53
    assert standing_at(inbox, "53") == standing_at(inbox, "2999-01-01") == now


def test_a_line_that_is_not_there_yet(inbox: Path) -> None:
    with pytest.raises(NoSuchMoment, match=r"no line 54 yet: .* ends with line 53") as caught:
        standing_at(inbox, "54")
    assert caught.value.exit_code == 2


def test_damage_that_came_later_is_no_hindrance(inbox: Path) -> None:
    path = inbox / PRIVATE / "events.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"reason":"tea"', b'"reason":"sea"'))
    assert standing_at(inbox, "40").seq == 40
    with pytest.raises(JournalDamaged):
        standing_at(inbox, "2026-12-01")


@pytest.mark.parametrize(
    "moment", ["yesterday", "", "-1", "1.5", "25:00", "2026-13-01", "0001-01-01", "1" * 19]
)
def test_what_is_no_moment_is_told_with_what_is_one(inbox: Path, moment: str) -> None:
    with pytest.raises(NoSuchMoment, match="neither a line of the journal nor a time") as caught:
        standing_at(inbox, moment)
    assert caught.value.hint is not None
    assert "'2026-11-24 19:30'" in caught.value.hint


def test_local_times_follow_the_season() -> None:
    assert point_of("2026-07-01 12:00:00.5") == "2026-07-01T10:00:00.500000Z"
    assert point_of("2026-11-24 19:30") == "2026-11-24T18:30:00.999999Z"


def test_no_journal_has_no_lines(tmp_path: Path) -> None:
    assert standing_at(tmp_path, "0").seq == 0
    with pytest.raises(NoSuchMoment, match="ends with line 0"):
        standing_at(tmp_path, "1")
