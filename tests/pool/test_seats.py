"""Workers that draw several pictures at once; the test plays them, their keeper and the clock."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.core.observed import Began, Failed, Painted, Stepped, Stopped
from pipeline.pool import Manner
from pipeline.wire import Begin, Cancel, Fault, Halted, Recycle, Step
from tests.pool.stage import KILLED, MODEL, Stage, done
from tests.render.conftest import task

pytestmark = pytest.mark.timeout(60)
SEATS = ("worker-1.1", "worker-1.2", "worker-2.1", "worker-2.2")
CRASH = -signal.SIGSEGV


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A pool of two workers of two pictures each."""
    stage = Stage(tmp_path, manner=Manner(batch=2))
    yield stage
    stage.close()


def _draw(stage: Stage, *seats: str) -> None:
    for seat in seats:
        stage.draw(seat, seat.partition(".")[0])


def _begin(stage: Stage, *seats: str) -> None:
    before = sum(isinstance(report, Began) for report in stage.reports)
    for seat in seats:
        stage.say(seat.partition(".")[0], Begin(task=task(seat).id, at=1.0))
    stage.hear(Began, before + len(seats))


def test_the_keeper_is_told_how_many_at_once(stage: Stage) -> None:
    flags = list(stage.machine.flags)
    assert flags[flags.index("--batch") + 1] == "2"


def test_every_process_has_something_to_draw_before_one_has_two(stage: Stage) -> None:
    assert [live.name for live in stage.pool.live()] == [*SEATS]
    assert stage.pool.free() == ("worker-1.1", "worker-2.1", "worker-1.2", "worker-2.2")
    _draw(stage, "worker-2.1")
    assert stage.pool.free() == ("worker-1.1", "worker-1.2", "worker-2.2")
    with pytest.raises(ValueError, match="not free"):
        stage.pool.submit("worker-2.1", task("another"))


def test_of_each_picture_it_is_told_in_which_seat_it_is(stage: Stage) -> None:
    _draw(stage, *SEATS[:2])
    _begin(stage, *SEATS[:2])
    stage.say("worker-1", Step(task=task("worker-1.2").id, step=1, steps=4, preview=b"jpeg"))
    stage.hear(Stepped)
    (stepped,) = [report for report in stage.reports if isinstance(report, Stepped)]
    assert (stepped.worker, stepped.task, stepped.preview) == (
        "worker-1.2", task("worker-1.2"), b"jpeg",
    )  # fmt: skip
    assert [live.step for live in stage.pool.live()] == [0, 1, 0, 0]
    stage.say("worker-1", done("worker-1.2"))
    stage.hear(Painted)
    assert stage.pool.free() == ("worker-2.1", "worker-1.2", "worker-2.2")


def test_one_of_two_is_stopped_and_the_other_goes_on(stage: Stage) -> None:
    _draw(stage, *SEATS[:2])
    stage.pool.cancel(task("worker-1.1").id)
    assert stage.told("worker-1") == Cancel(task=task("worker-1.1").id)
    stage.say("worker-1", Halted(task=task("worker-1.1").id))
    stage.hear(Stopped)
    assert [live.phase for live in stage.pool.live()[:2]] == ["idle", "rendering"]


def test_of_two_at_once_nobody_is_blamed_and_each_is_drawn_alone_next(stage: Stage) -> None:
    _draw(stage, *SEATS[:2])
    _begin(stage, *SEATS[:2])
    stage.die("worker-1", CRASH)
    assert stage.lost(2) == [("worker-1.1", "crash", False), ("worker-1.2", "crash", False)]
    stage.bear("worker-1")
    assert stage.draw("worker-1.1", "worker-1").alone
    _begin(stage, "worker-1.1")
    assert stage.draw("worker-1.2", "worker-1").alone
    # Now it is known whose it was: the other only waited.
    stage.die("worker-1", CRASH)
    assert stage.lost(4)[1::2] == [("worker-1.1", "crash", True), ("worker-1.2", "crash", False)]
    stage.bear("worker-1")
    stage.draw("worker-1.2", "worker-1")
    stage.say("worker-1", done("worker-1.2"))
    stage.hear(Painted)
    assert not stage.draw("worker-1.2", "worker-1").alone


def test_one_that_somebody_killed_says_nothing_of_its_pictures(stage: Stage) -> None:
    _draw(stage, *SEATS[:2])
    _begin(stage, *SEATS[:2])
    stage.die("worker-1", KILLED)
    assert stage.lost(2) == [("worker-1.1", "killed", False), ("worker-1.2", "killed", False)]
    stage.bear("worker-1")
    assert not stage.draw("worker-1.1", "worker-1").alone


def test_who_waits_for_others_to_be_drawn_is_not_silent(stage: Stage) -> None:
    _draw(stage, *SEATS[:2])
    _begin(stage, "worker-1.1")
    for step in range(1, 5):
        stage.later(100)
        stage.say("worker-1", Step(task=task("worker-1.1").id, step=step, steps=9))
        stage.hear(Stepped, step)
    assert [live.phase for live in stage.pool.live()[:2]] == ["rendering", "rendering"]
    # A step took 100 s, so that 20 of them may pass in silence.
    stage.later(1990)
    assert stage.pool.live()[0].task is not None
    stage.later(20)
    assert stage.told("keeper") == Recycle(worker="worker-1", pid=stage.pids["worker-1"])


def test_what_was_left_by_one_that_ends_after_a_failure_is_nobody_s_fault(stage: Stage) -> None:
    _draw(stage, *SEATS[:2])
    _begin(stage, *SEATS[:2])
    fault = Fault(task=task("worker-1.1").id, kind="out_of_memory", error="full", ends=True)
    stage.say("worker-1", fault)
    stage.hear(Failed)
    assert stage.pool.free() == ("worker-2.1", "worker-2.2")
    stage.die("worker-1", 0)
    assert stage.lost(1) == [("worker-1.2", "exit", False)]


def test_an_idle_process_is_lost_once(stage: Stage) -> None:
    stage.die("worker-2", CRASH)
    assert stage.lost(1) == [("worker-2.1", "crash", False)]
    assert MODEL in stage.pool.held
