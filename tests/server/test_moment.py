"""The moment keeps the steps that were ticked and how long a worker has been at its picture."""

from __future__ import annotations

import pytest

from pipeline.core.observed import Live, Stepped, WorkerLive
from pipeline.core.resolved import Resolved, Task
from pipeline.server.moment import Moment

RESOLVED = Resolved(
    prompt="beach", negative="", width=64, height=64, steps=15, guidance=7.0, sampler="euler",
    schedule="karras", model="m",
)  # fmt: skip


def task(index: int) -> Task:
    return Task(
        job="a", take=1, index=index, seed=7, resolved=RESOLVED, digest="d", file="a.01.png"
    )


def live(drawn: Task | None, step: int = 0) -> Live:
    phase: WorkerLive = WorkerLive(
        name="w", pid=1, phase="rendering" if drawn else "idle", task=drawn, step=step
    )
    return Live(workers=(phase,), model_preloaded=True)


def test_a_tick_moves_the_worker_and_says_the_seconds() -> None:
    moment = Moment()
    moment.changed(live(task(1)), 100.0)
    tick = moment.ticked(Stepped(worker="w", task=task(1), step=3, steps=15), 101.5)
    assert (tick.task, tick.step, tick.steps, tick.seconds) == ("a@1.1", 3, 15, 1.5)
    (worker,) = moment.view(102.0).workers
    assert (worker.step, worker.steps, worker.seconds) == (3, 15, 2.0)


def test_a_change_elsewhere_does_not_set_a_worker_back() -> None:
    moment = Moment()
    moment.changed(live(task(1)), 100.0)
    moment.ticked(Stepped(worker="w", task=task(1), step=3, steps=15), 101.0)
    moment.changed(live(task(1)), 102.0)
    (worker,) = moment.view(103.0).workers
    assert (worker.step, worker.seconds) == (3, 3.0)


def test_the_next_picture_begins_anew() -> None:
    moment = Moment()
    moment.changed(live(task(1)), 100.0)
    moment.ticked(Stepped(worker="w", task=task(1), step=15, steps=15), 105.0)
    moment.changed(live(task(2)), 106.0)
    (worker,) = moment.view(107.0).workers
    assert (worker.task, worker.step, worker.seconds) == ("a@1.2", 0, 1.0)


@pytest.mark.parametrize("drawn", [None, task(2)])
def test_a_late_tick_of_another_picture_changes_nothing(drawn: Task | None) -> None:
    moment = Moment()
    moment.changed(live(drawn), 100.0)
    tick = moment.ticked(Stepped(worker="w", task=task(1), step=9, steps=15), 101.0)
    (worker,) = moment.view(101.0).workers
    assert (worker.step, tick.seconds) == (0, 0.0)


def test_of_previews_the_newest_is_kept_until_the_worker_draws_something_else() -> None:
    moment = Moment()
    moment.changed(live(task(1)), 100.0)
    first = moment.ticked(stepped(3, b"three"), 101.0).preview
    assert first == "/api/workers/w/preview?n=1"
    assert moment.ticked(stepped(4, None), 101.5).preview is None
    assert moment.ticked(stepped(6, b"six"), 102.0).preview == "/api/workers/w/preview?n=2"
    assert moment.view(103.0).workers[0].preview == "/api/workers/w/preview?n=2"
    # Whoever asks late gets the newest of the same picture, and never one of another.
    assert [moment.preview("w", n) for n in (0, 1, 2, 3)] == [None, b"six", b"six", None]
    assert moment.preview("other", 1) is None
    moment.changed(live(task(2)), 104.0)
    assert moment.view(104.0).workers[0].preview is None
    assert moment.preview("w", 2) is None
    assert moment.ticked(stepped(9, b"late"), 105.0).preview is None
    assert moment.preview("w", 3) is None


def stepped(step: int, preview: bytes | None) -> Stepped:
    return Stepped(worker="w", task=task(1), step=step, steps=15, preview=preview)
