"""A picture that does not fit into memory is drawn once more with less, and then fails alone."""

import pytest

from pipeline.core import events as e
from pipeline.core import observed as o
from pipeline.core.commands import Retry
from pipeline.core.pending import pending
from pipeline.core.resolved import Made
from pipeline.core.status import status
from tests.production import MODEL, Production

WHY = "OutOfMemoryError: CUDA out of memory"


@pytest.fixture
def production() -> Production:
    made = Production()
    made.drop("rain.yaml", "kind: job\nprompt: rain\ncount: 2\n")
    made.drop("snow.yaml", "kind: job\nprompt: snow\n")
    return made


def starve(production: Production) -> list[e.Event]:
    """The first picture that is owed does not fit."""
    task = production.tasks()[0]
    production.observe(o.Began(worker="w", task=task, at=0.0))
    return production.observe(o.Failed(worker="w", task=task, kind="out_of_memory", error=WHY))


def test_the_first_time_it_is_still_owed_and_to_be_drawn_with_less(production: Production) -> None:
    (lessened,) = starve(production)
    assert lessened == e.RenderLessened(job="rain", take=1, index=1, error=WHY)
    assert [(task.job, task.index, task.lean) for task in production.tasks()] == [
        ("rain", 1, True), ("rain", 2, False), ("snow", 1, False),
    ]  # fmt: skip
    assert status(production.state, production.job("rain")) == "queued"
    assert production.state.failing == {}


def test_the_second_time_it_fails_and_nothing_else_does(production: Production) -> None:
    starve(production)
    (failed,) = starve(production)
    assert failed == e.RenderFailed(job="rain", take=1, index=1, kind="out_of_memory", error=WHY)
    assert [(task.job, task.index) for task in production.tasks()] == [("rain", 2), ("snow", 1)]
    for task in production.tasks():
        production.paint(task)
    assert status(production.state, production.job("rain")) == "failed"
    assert status(production.state, production.job("snow")) == "done"


def test_retry_begins_with_all_memory_again(production: Production) -> None:
    starve(production)
    starve(production)
    production.command(Retry(target="rain"))
    assert not production.tasks()[0].lean
    assert isinstance(starve(production)[0], e.RenderLessened)


def test_a_new_start_remembers_that_it_did_not_fit(production: Production) -> None:
    starve(production)
    production.record(e.RunnerStarted(version="0", model=MODEL, workers=3, device="cpu", pid=2))
    assert pending(production.state, set(), 1)[0].lean


def test_a_worker_that_the_kernel_killed_for_memory_has_its_picture_drawn_with_less(
    production: Production,
) -> None:
    task = production.tasks()[0]
    lost = o.Lost(worker="w", pid=1, cause="out_of_memory", detail="killed", blamed=True, task=task)
    production.observe(lost)
    assert production.tasks()[0].lean
    production.observe(lost)
    assert status(production.state, production.job("rain")) == "quarantined"
    assert [task.job for task in production.tasks()] == ["snow"]


def test_what_does_not_fit_counts_once_it_has_failed(production: Production) -> None:
    production.drop("hail.yaml", "kind: job\nprompt: hail\n")
    for job in ("rain", "snow", "hail"):
        for _ in range(2):
            task = next(task for task in production.tasks() if task.job == job)
            assert production.state.paused is None
            production.observe(o.Failed(worker="w", task=task, kind="out_of_memory", error=WHY))
    assert production.state.paused_by == "failures"


def test_only_a_picture_that_was_drawn_with_less_says_so() -> None:
    """So that every other keeps the bytes that it had before there was this way."""
    usual = Made(device="cpu", dtype="float32", threads=1, batch=1, torch="2", diffusers="0")
    event = e.ImageRendered(
        job="a", take=1, index=1, seed=1, file="a.01.png", sha256="0", seconds=1.0, worker="w",
        made=usual,
    )  # fmt: skip
    assert b"lean" not in e.encode(event)[1]
