"""Journals of every version are read as what they said; those of a later version are refused."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from pipeline.core import events as e
from pipeline.history import UnknownEvent, event_of, fold, up_to
from pipeline.journal import Entry, Journal, Line, Survey, replay
from tests.golden import FOLDER, SHAPE, TODAY, said, shape, stated

GOLDEN = sorted(FOLDER.glob("v*.jsonl"))


def _line(seq: int, at: str, *, v: int = e.VERSION, fields: str = "") -> Line:
    raw = f'{{"seq":{seq},"at":"{at}","v":{v},"type":"queue_resumed","batch":[1,1]{fields}}}'
    return Line(seq=seq, at=at, v=v, type="queue_resumed", crc="", raw=raw.encode())


def test_every_version_has_a_golden_journal() -> None:
    assert [path.stem for path in GOLDEN] == [f"v{n}" for n in range(1, e.VERSION + 1)]
    for number, path in enumerate(GOLDEN, start=1):
        assert {line.v for line in replay(path)} == {number}


@pytest.mark.parametrize("journal", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_journal_is_whole_and_folds_to_the_stated_state(journal: Path) -> None:
    survey = Survey(journal)
    state = fold(survey.lines())
    assert (survey.damage, survey.torn) == (None, None)
    assert said(state) == json.loads(stated(journal).read_text())
    assert said(fold(replay(journal))) == said(state)


def test_the_first_version_says_what_it_said_then() -> None:
    state = fold(replay(FOLDER / "v1.jsonl"))
    rooftop = state.jobs["neon-tokyo/characters/akira/rooftop"]
    night, dawn = rooftop.takes
    assert [cell.seed for cell in night.cells] == [7, 8]
    assert {cell.resolved.prompt for cell in dawn.cells} == {
        "silver hair, blue eyes, red jacket, rooftop at dawn, cyberpunk, neon, futuristic"
    }
    assert (
        night.images[1].file == ".pipeline/takes/neon-tokyo/characters/akira/rooftop.take1.01.png"
    )
    assert dawn.images[1].file == "neon-tokyo/characters/akira/rooftop.01.png"
    assert dawn.owed == (2,)
    assert state.jobs["neon-tokyo/copy"].takes[0].images[1].source == dawn.images[1].file


def test_todays_golden_journal_has_every_event_in_todays_shape() -> None:
    kinds = set()
    for line in replay(TODAY):
        event = event_of(line)
        kinds.add(type(event))
        name, fields = e.encode(event)
        assert name == line.type
        assert fields[1:-1] in line.raw, "it would be written otherwise today"
    assert kinds == set(get_args(e.Event))


def test_a_change_of_shape_is_a_new_version() -> None:
    assert shape() == json.loads(SHAPE.read_text()), (
        "an event, or something in one, has another shape. An older program would pass over a new "
        "field in silence: once this version is released, raise events.VERSION and write the "
        "upcast; then record it with python -m tests.golden"
    )


def test_a_later_version_is_refused_although_it_could_be_decoded() -> None:
    line = _line(7, "now", v=e.VERSION + 1, fields=',"louder":true')
    assert e.decode(line.raw) == e.QueueResumed()
    with pytest.raises(UnknownEvent, match="line 7 is a 'queue_resumed'") as caught:
        event_of(line)
    assert f"knows events up to version {e.VERSION}" in caught.value.message
    assert caught.value.hint is not None
    assert "needs no mending" in caught.value.hint
    assert caught.value.exit_code == 6


@pytest.mark.parametrize("v", range(1, e.VERSION + 1))
def test_an_unknown_type_is_refused_whatever_its_version(tmp_path: Path, v: int) -> None:
    with Journal.open(tmp_path, clock=lambda: datetime(2026, 1, 1, tzinfo=UTC)) as journal:
        (line,) = journal.append([Entry(type="moon_landed", fields=b"{}", v=v)])
    with pytest.raises(UnknownEvent, match=rf"'moon_landed' \(version {v}\)"):
        fold([line])


def test_up_to_a_seq_has_that_line() -> None:
    lines = [_line(n, f"2026-01-0{n}") for n in (1, 2, 3)]
    assert [[line.seq for line in up_to(lines, n)] for n in (0, 2, 9)] == [[], [1, 2], [1, 2, 3]]


def test_up_to_a_moment_ends_at_the_first_later_line() -> None:
    lines = [_line(1, "2026-01-01"), _line(2, "2026-01-03"), _line(3, "2026-01-02")]
    points = ("2025-12-31", "2026-01-01", "2026-01-02", "2026-01-03")
    assert [len(list(up_to(lines, at))) for at in points] == [0, 1, 1, 3]
