"""What may go: pictures of older takes on the shelf; and what the state knows of what is gone."""

import pytest

from pipeline.core import commands as c
from pipeline.core import events as e
from pipeline.core.discard import discarded, spare
from pipeline.core.keys import shelf_file
from pipeline.core.pending import leftovers, reusable
from pipeline.core.state import Drawn
from tests.production import Production

JOB = "kind: job\nprompt: rain\nseed: {}\n"


def production(takes: int = 3) -> Production:
    """A job with so many takes, each of another seed; all but the last stand on the shelf."""
    made = Production()
    for number in range(1, takes + 1):
        made.drop("rain.yaml", JOB.format(number))
        (task,) = made.tasks()
        made.paint(task, f"{number:02d}" * 32)
        if number > 1:
            before = number - 1
            file = shelf_file("rain", before, 1)
            shelved = e.ImageShelved(job="rain", take=before, index=1, file=file)
            if made.job("rain").takes[before - 1].images[1].file != file:
                made.record(shelved)
    return made


def takes_of(made: Production, **options: object) -> list[int]:
    return [one.take for one in spare(made.state, ["rain"], **options)]  # type: ignore[arg-type]


def discard(made: Production, number: int) -> None:
    image = next(take for take in made.job("rain").takes if take.number == number).images[1]
    made.record(e.ImageDiscarded(job="rain", take=number, index=1, file=image.file))


def test_all_but_the_current_take_may_go() -> None:
    made = production()
    assert takes_of(made) == [1, 2]
    assert takes_of(made, keep=2) == [1]
    assert takes_of(made, keep=9) == []


def test_a_restored_take_is_the_current_one() -> None:
    made = production()
    job = made.job("rain")
    made.record(
        e.ImageShelved(job="rain", take=3, index=1, file=shelf_file("rain", 3, 1)),
        e.ImageRestored(job="rain", take=1, index=1, file="rain.01.png"),
        e.TakeRestored(job="rain", take=1),
    )
    assert job.takes[0].number == 1
    assert takes_of(made) == [2, 3]
    assert takes_of(made, keep=2) == [2]


def test_a_sheet_goes_with_its_take() -> None:
    made = production()
    sheet = shelf_file("rain", 1, 0)
    made.record(e.SheetComposed(job="rain", take=1, file="rain.sheet.png", sha256="0a" * 32))
    assert takes_of(made) == [1, 2]
    made.record(e.SheetShelved(job="rain", take=1, file=sheet))
    assert [(one.take, one.index) for one in spare(made.state, ["rain"])] == [
        (1, 1), (1, 0), (2, 1),
    ]  # fmt: skip
    assert takes_of(made, keep=3) == []
    made.record(e.ImageDiscarded(job="rain", take=1, index=0, file=sheet))
    assert [(one.take, one.index) for one in spare(made.state, ["rain"])] == [(1, 1), (2, 1)]
    assert [one.file for one in discarded(made.state, ["rain"])] == [sheet]
    assert all(kept.file != sheet for _, kept in leftovers(made.job("rain")))


def test_what_was_drawn_lately_stays() -> None:
    made = production()
    assert takes_of(made, before="") == []
    assert takes_of(made, before=made.job("rain").takes[1].images[1].at) != [1, 2]
    assert takes_of(made, before="later") == [1, 2]


def test_what_still_stands_beside_the_manifest_stays() -> None:
    made = production(2)
    made.record(e.ImageRestored(job="rain", take=1, index=1, file="rain.01-2.png"))
    assert takes_of(made) == []


def test_a_picture_that_a_kept_take_has_too_stays() -> None:
    made = production()
    file = shelf_file("rain", 1, 1)
    made.record(
        e.ImageReused(job="rain", take=2, index=1, seed=2, file=file, sha256="01" * 32, source=file)
    )
    assert takes_of(made, keep=2) == []
    assert takes_of(made) == [1]


def test_a_discarded_picture_is_never_reused() -> None:
    made = production()
    shown = made.job("rain").takes[0].shows[0]
    key = f"{shown[0]}:{shown[1]}"
    assert made.state.drawn[key] == Drawn(file=shelf_file("rain", 1, 1), sha256="01" * 32)
    discard(made, 1)
    assert key not in made.state.drawn
    made.drop("rain.yaml", JOB.format(1))
    (task,) = made.tasks()
    assert reusable(made.state, task) is None


def test_another_picture_of_the_same_is_used_in_its_place() -> None:
    made = production()
    take = made.job("rain").takes[0]
    key = f"{take.shows[0][0]}:{take.shows[0][1]}"
    made.drop("rain.yaml", JOB.format(1))
    (task,) = made.tasks()
    made.paint(task, "44" * 32)
    discard(made, 1)
    assert made.state.drawn[key].sha256 == "44" * 32


def test_a_discarded_take_cannot_be_restored() -> None:
    made = production()
    discard(made, 1)
    answer = made.command(c.Restore(job="rain", take=1))
    assert answer.refused
    assert answer.answer == "take 1 of rain is no longer kept: its pictures were discarded"


def test_what_is_discarded_is_done_once_and_changes_nothing_else() -> None:
    made = production()
    before = made.job("rain")
    discard(made, 1)
    after = made.job("rain")
    assert takes_of(made) == [2]
    assert [one.take for one in discarded(made.state, ["rain"])] == [1]
    assert after.takes[1:] == before.takes[1:]
    assert after.takes[0].owed == ()
    assert made.state.finished == 3
    assert made.tasks() == []
    # Its place beside the manifest is nobody's, and what a person puts there stays.
    assert all(kept.sha256 != "01" * 32 for _, kept in leftovers(after))


@pytest.mark.parametrize("number", [1, 2])
def test_the_event_is_read_as_it_was_written(number: int) -> None:
    event = e.ImageDiscarded(job="rain", take=number, index=1, file="x")
    name, body = e.encode(event)
    assert name == "image_discarded"
    assert e.decode(b'{"type":"image_discarded",' + body[1:]) == event
