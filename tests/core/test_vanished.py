"""What follows for a picture that has gone: one new one, and no second event for the old one."""

import random
from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.core import events as e
from pipeline.core.commands import Render
from pipeline.core.evolve import evolve
from pipeline.core.state import State
from pipeline.core.targets import Refusal, find
from pipeline.core.vanished import counted_on, redrawn
from tests.production import MODEL, Production

RAIN = "kind: job\nprompt: rain\nseed: 5\ncount: 3\n"


def finished(text: str = RAIN) -> Production:
    production = Production()
    production.drop("rain.yaml", text)
    for task in production.tasks():
        production.paint(task)
    return production


def lose(production: Production, *indices: int) -> str:
    """Say that these pictures of the current take have gone; the answer."""
    meant = find(production.state, None)
    assert not isinstance(meant, Refusal)
    gone = [
        one
        for key in meant.jobs
        for one in counted_on(production.job(key))
        if one.current and one.index in indices
    ]
    events = redrawn(production.state, "c", meant, gone)
    production.record(*events)
    production.observe()
    answer = events[-1]
    assert isinstance(answer, e.CommandAnswered)
    return answer.answer


def test_only_what_has_gone_is_owed_in_its_old_place_with_its_seed() -> None:
    production = finished()
    (seeds, before) = ([5, 6, 7], production.job("rain").takes[0])
    assert lose(production, 2) == "queued rain (1 picture gone)"
    (task,) = production.tasks()
    assert (task.take, task.index, task.seed, task.file) == (2, 2, seeds[1], "rain.02.png")
    assert (task.digest, task.replaces) == (before.cells[1].digest, None)
    production.paint(task)
    job = production.job("rain")
    assert [image.file for image in job.takes[-1].images.values()] == [
        "rain.01.png", "rain.03.png", "rain.02.png",
    ]  # fmt: skip
    assert [(one.take, one.index, one.current) for one in counted_on(job)] == [
        (2, 1, True), (2, 3, True), (2, 2, True),
    ]  # fmt: skip


def test_a_picture_that_was_kept_is_shelved_for_all_takes_that_have_it() -> None:
    production = finished()
    lose(production, 2)
    production.paint(production.tasks()[0])
    production.drop("rain.yaml", RAIN.replace("rain", "storm"))
    for task in production.tasks():
        production.paint(task)
    files = {one.file for one in counted_on(production.job("rain"))}
    assert files == {
        *(f"rain.0{number}.png" for number in (1, 2, 3)),
        *(f".pipeline/takes/rain.take2.0{number}.png" for number in (1, 2, 3)),
    }
    first = production.job("rain").takes[0]
    assert first.images[1].file == ".pipeline/takes/rain.take2.01.png"
    assert first.images[2].discarded


def test_a_take_drawn_by_force_is_not_drawn_whole_again() -> None:
    production = finished(RAIN + "force: true\n")
    lose(production, 1)
    for task in production.tasks():
        production.paint(task)
    production.record(e.RunnerStarted(version="0", model=MODEL, workers=3, device="cpu", pid=2))
    production.observe()
    assert production.tasks() == []
    assert len(production.job("rain").takes) == 2


@pytest.mark.parametrize("way", ["cancelled", "model", "waiting"])
def test_what_could_not_be_drawn_as_it_was_is_left_as_it_is(way: str) -> None:
    production = finished()
    if way == "cancelled":
        production.record(e.JobCancelled(job="rain"))
        why = "rain is cancelled: ask again when it is done"
    elif way == "model":
        production.state.model = replace(MODEL, sha256="cd" * 32)
        why = "rain was drawn with another model: anime render rain draws it with this one"
    else:
        production.drop("rain.yaml", RAIN + "characters: [nobody]\n")
        why = "rain is waiting: ask again when it is done"
    before = production.job("rain")
    assert lose(production, 1) == f"not drawn again: {why}"
    assert production.job("rain") == before


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_whatever_goes_and_comes_no_picture_has_two_events_and_no_place_two_pictures(
    seed: int,
) -> None:
    """Losses among edits, redraws and pictures, in any order; the journal gives the same state."""
    rng = random.Random(seed)
    production = finished()
    for _ in range(20):
        match rng.randint(0, 4):
            case 0:
                words, count = rng.choice(["rain", "storm"]), rng.randint(1, 4)
                production.drop(
                    "rain.yaml", f"kind: job\nprompt: {words}\nseed: 5\ncount: {count}\n"
                )
            case 1:
                production.command(Render(target="rain"))
            case 2 if production.tasks():
                production.paint(rng.choice(production.tasks()), f"{rng.getrandbits(256):064x}")
            case 3:
                for task in production.tasks():
                    production.paint(task, f"{rng.getrandbits(256):064x}")
            case _:
                lose(production, *rng.sample(range(1, 5), rng.randint(1, 3)))
        counted = list(counted_on(production.job("rain")))
        places = Counter(one.file for one in counted if not one.displaced)
        assert set(places.values()) <= {1}
        assert not any(one.displaced for one in counted if one.current)
    finishes = Counter(
        (event.job, event.take, event.index)
        for event in production.events
        if isinstance(event, e.ImageRendered | e.ImageReused)
    )
    assert set(finishes.values()) <= {1}
    again = State()
    for number, event in enumerate(production.events, 1):
        name, fields = e.encode(event)
        line = msgspec.json.encode({"type": name, **msgspec.json.decode(fields)})
        evolve(again, number, f"at-{number}", e.decode(line))
    assert msgspec.json.encode(again) == msgspec.json.encode(production.state)
