"""What the pool makes of silence and of deaths; a test plays keeper and workers, and the clock."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.core.observed import (
    Broken,
    Painted,
    Stepped,
    Switched,
    Unusable,
)
from pipeline.modelfiles import ModelFiles
from pipeline.modelfiles import unpack as unpack_models
from pipeline.pool import Several, WorkerPool
from pipeline.room import Room
from pipeline.wire import (
    CannotHold,
    Hello,
    Hold,
    Recycle,
    Space,
    Spawned,
    Step,
    Warm,
)
from tests.pool.stage import KILLED, MODEL, Played, Stage, done
from tests.render.conftest import task

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.close()


OTHER, THIRD = "cd" * 32, "ef" * 32


@pytest.fixture
def several(tmp_path: Path) -> Iterator[Stage]:
    """A pool of three models, of 10 weights each."""
    others = tuple(ModelFiles(path=tmp_path / name, sha256=name) for name in (OTHER, THIRD))
    room = Room(weights={MODEL: 10, OTHER: 10, THIRD: 10})
    stage = Stage(tmp_path, Several(others=others, room=room))
    yield stage
    stage.close()


def test_the_keeper_is_told_which_model_the_run_began_with(stage: Stage, tmp_path: Path) -> None:
    flags = list(stage.machine.flags)
    (model,) = unpack_models(flags[flags.index("--models") + 1]).values()
    assert model.sha256 == MODEL
    assert flags[flags.index("--hold") + 1] == f'["{MODEL}"]'
    assert flags[flags.index("--hashes") + 1] == str(tmp_path / "hashes.json")


def test_a_silent_worker_is_replaced_by_its_pid_and_its_work_is_blamed(stage: Stage) -> None:
    stage.draw("worker-1")
    stage.later(115)
    assert stage.pool.live()[0].task == task("worker-1")
    stage.later(10)
    assert stage.told("keeper") == Recycle(worker="worker-1", pid=stage.pids["worker-1"])
    stage.die("worker-1", KILLED)
    assert stage.lost(1) == [("worker-1", "deadline", True)]


def test_whoever_did_not_listen_takes_nobody_for_silent(stage: Stage) -> None:
    """As after Ctrl-Z and fg: the workers went on meanwhile."""
    stage.draw("worker-1")
    stage.later(60)
    stage.machine.now += 3600
    stage.reports += stage.pool.poll()
    stage.pool.step(stage.machine.now)
    stage.later(55)
    # The clock has not run out: were it condemned, it could not be free after it has finished.
    stage.say("worker-1", done("worker-1"))
    stage.hear(Painted)
    assert stage.pool.free() == ("worker-1", "worker-2")


def test_a_worker_that_finishes_while_it_is_condemned_gets_nothing_more(stage: Stage) -> None:
    stage.draw("worker-1")
    stage.later(125)
    assert isinstance(stage.told("keeper"), Recycle)
    stage.say("worker-1", done("worker-1"))
    stage.hear(Painted)
    assert stage.pool.free() == ("worker-2",)
    with pytest.raises(ValueError, match="not free"):
        stage.pool.submit("worker-1", task("next"))
    stage.die("worker-1", KILLED)
    assert stage.lost(1) == [("worker-1", "deadline", False)]
    stage.bear("worker-1")
    assert stage.pool.free() == ("worker-1", "worker-2")


def test_a_keeper_that_does_not_kill_whom_it_should_is_killed(stage: Stage) -> None:
    stage.draw("worker-1")
    stage.draw("worker-2")
    keeper = stage.machine.keepers[0]
    for step in range(1, 14):
        stage.later(10)
        stage.say("worker-2", Step(task=task("worker-2").id, step=step, steps=20))
        stage.hear(Stepped, step)
    assert keeper.poll() is None
    stage.later(15)
    assert keeper.wait(10) == KILLED
    stage.streams.pop("keeper").close()
    assert stage.lost(2) == [("worker-1", "deadline", True), ("worker-2", "keeper", False)]


def test_each_kill_for_memory_explains_one_death(stage: Stage) -> None:
    stage.draw("worker-1")
    stage.draw("worker-2")
    stage.machine.kills += 1
    stage.die("worker-1", KILLED)
    assert stage.lost(1) == [("worker-1", "out_of_memory", True)]
    stage.die("worker-2", KILLED)
    assert stage.lost(2)[1] == ("worker-2", "killed", False)


def test_two_that_are_killed_for_memory_at_once_are_both_told_so(stage: Stage) -> None:
    stage.draw("worker-1")
    stage.draw("worker-2")
    stage.machine.kills += 2
    stage.die("worker-1", KILLED)
    stage.die("worker-2", KILLED)
    assert stage.lost(2) == [
        ("worker-1", "out_of_memory", True),
        ("worker-2", "out_of_memory", True),
    ]


def test_what_the_kernel_killed_before_the_work_began_is_not_the_works(stage: Stage) -> None:
    stage.machine.kills += 1
    stage.draw("worker-1")
    stage.die("worker-1", KILLED)
    assert stage.lost(1) == [("worker-1", "killed", False)]


def test_nobody_is_blamed_where_the_keeper_was_killed_for_memory(stage: Stage) -> None:
    stage.draw("worker-1")
    stage.machine.kills += 1
    stage.machine.keepers[0].kill()
    stage.machine.keepers[0].wait()
    stage.streams.pop("keeper").close()
    assert stage.lost(2) == [("worker-1", "keeper", False), ("worker-2", "keeper", False)]


def test_a_pool_that_can_hear_nobody_is_broken(tmp_path: Path) -> None:
    def wake() -> None:
        raise RuntimeError("the bell is gone")

    machine = Played()
    pool = WorkerPool(
        tmp_path,
        ModelFiles(path=tmp_path),
        workers=1,
        device="cpu",
        threads=1,
        wake=wake,
        machine=machine,
    )
    pool.start()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.connect(machine.flags[machine.flags.index("--socket") + 1])
        pause, deadline = threading.Event(), time.monotonic() + 10
        while not (reports := pool.poll()):
            assert time.monotonic() < deadline
            pause.wait(0.01)
    (broken,) = reports
    assert isinstance(broken, Broken)
    assert "the bell is gone" in broken.error
    assert pool.poll() == []
    pool.kill()


def test_another_model_is_ordered_and_told_once_a_worker_is_warm_with_it(several: Stage) -> None:
    several.pool.hold((OTHER,))
    assert several.told("keeper") == Hold(models=(OTHER,))
    assert several.pool.free() == ()
    assert [live.phase for live in several.pool.live()] == ["switching", "switching"]
    several.machine.now += 3.0
    several.say("worker-1", Warm(models=()), Warm(models=(OTHER,)))
    several.hear(Switched)
    (switched,) = [report for report in several.reports if isinstance(report, Switched)]
    assert switched == Switched(model=OTHER, left=(MODEL,), seconds=3.0)
    assert several.pool.free() == ("worker-1",)
    several.say("worker-2", Warm(models=(OTHER,)))
    several.until(lambda: several.pool.free() == ("worker-1", "worker-2"))
    assert sum(isinstance(report, Switched) for report in several.reports) == 1


def test_a_keeper_that_is_replaced_begins_with_the_models_that_are_held_now(
    several: Stage,
) -> None:
    several.pool.hold((OTHER,))
    several.machine.keepers[0].kill()
    several.machine.keepers[0].wait()
    several.streams.pop("keeper").close()
    several.lost(2)
    several.pool.step(several.machine.now)
    flags = several.machine.flags
    assert flags[flags.index("--hold") + 1] == f'["{OTHER}"]'


def test_a_model_that_cannot_be_had_is_held_no_longer_and_the_workers_are_free(
    several: Stage,
) -> None:
    several.pool.hold((OTHER,))
    several.say("worker-1", Warm(models=()))
    several.say("worker-2", Warm(models=()))
    several.say("keeper", CannotHold(model=OTHER, error="it is torn", hint="copy it again"))
    several.hear(Unusable)
    several.until(lambda: several.pool.free() == ("worker-1", "worker-2"))
    assert several.pool.held == ()
    several.pool.hold((MODEL,))
    several.say("worker-1", Warm(models=(MODEL,)))
    several.hear(Switched)


def test_a_fresh_worker_is_free_only_where_nothing_is_held(several: Stage) -> None:
    several.die("worker-1", KILLED)
    several.lost(1)
    several.say("keeper", Spawned(worker="worker-1", pid=7))
    several.enter("worker-1", Hello(name="worker-1", pid=7), Warm(), Warm())
    several.say("keeper", CannotHold(model=MODEL, error="it is torn"))
    several.until(lambda: several.pool.free() == ("worker-1",))
    several.pool.hold((OTHER,))
    assert [live.phase for live in several.pool.live()] == ["starting", "switching"]


def test_a_model_that_kills_its_keeper_is_given_up_and_the_others_are_not(
    several: Stage,
) -> None:
    several.pool.hold((OTHER,))
    for _ in range(5):
        several.machine.keepers[-1].kill()
        several.machine.keepers[-1].wait()
        if "keeper" in several.streams:
            several.streams.pop("keeper").close()
        several.until(lambda: several.pool.pids().get("keeper") is None)
        several.machine.now += 60.0
        several.pool.step(several.machine.now)
    (unusable,) = [report for report in several.reports if isinstance(report, Unusable)]
    assert unusable.model == OTHER
    assert "died 5 times in a row: SIGKILL" in unusable.error
    assert not any(isinstance(report, Broken) for report in several.reports)
    assert several.machine.flags[several.machine.flags.index("--hold") + 1] == "[]"


def test_models_are_held_together_as_far_as_the_keeper_has_room(several: Stage) -> None:
    assert several.pool.fits((MODEL,))
    assert not several.pool.fits((MODEL, OTHER))  # Nobody has said how much room there is.
    several.say("keeper", Space(free=2 * 4 * 20, each=4))
    several.until(lambda: several.pool.fits((MODEL, OTHER)))
    assert not several.pool.fits((MODEL, OTHER, THIRD))
