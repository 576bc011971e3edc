"""What the runner may rely on, of the real pool, of one over nodes, and of the fake one that its
tests use."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.core.observed import Began, Lost, Painted, Stepped, Stopped, WorkerWarm
from pipeline.pictures import sha256_of
from tests.fakes import FakePool
from tests.processes import gone
from tests.render.conftest import Pool, task

pytestmark = pytest.mark.timeout(300)  # the real one imports torch, on a machine that is shared


@pytest.fixture(
    params=[
        "fake",
        pytest.param("real", marks=pytest.mark.process),
        pytest.param("clustered", marks=(pytest.mark.process, pytest.mark.slow)),
        pytest.param("over_ray", marks=[pytest.mark.process, pytest.mark.slow]),
    ]
)
def pool(request: pytest.FixtureRequest, tmp_path: Path) -> Pool:
    if request.param != "fake":
        real: Pool = request.getfixturevalue(request.param)
        return real

    def make(wake: Callable[[], None]) -> FakePool:
        return FakePool(tmp_path, workers=2, wake=wake)

    return Pool(tmp_path, make)


def test_workers_are_free_once_they_said_that_they_are_warm(pool: Pool) -> None:
    names = pool.all_free()
    assert [name.rpartition(":")[2] for name in names] == ["worker-1", "worker-2"]
    warm = {report.worker for report in pool.reports if isinstance(report, WorkerWarm)}
    assert warm == {*names}
    assert [live.phase for live in pool.pool.live()] == ["idle", "idle"]
    pids = pool.pool.pids()
    assert {name.rpartition(":")[2] for name in pids} == {"keeper", "worker-1", "worker-2"}
    assert {*names} <= pids.keys()
    assert {live.name: live.pid for live in pool.pool.live()}.items() <= pids.items()


def test_a_picture_begins_steps_and_is_in_place_when_it_is_reported(pool: Pool) -> None:
    first, second = task("both", 1), task("both", 2, seed=8)
    one, two = pool.all_free()
    pool.pool.submit(one, first)
    pool.pool.submit(two, second)
    assert pool.pool.free() == ()
    assert pool.worker(one).phase == "rendering"
    assert pool.worker(one).task == first
    pool.until(lambda: pool.of(first, Painted) and pool.of(second, Painted))
    for wanted in (first, second):
        began, *steps, painted = pool.of(wanted)
        assert isinstance(began, Began)
        assert all(isinstance(report, Stepped) for report in steps)
        assert [(report.step, report.steps) for report in steps] == [(n, 4) for n in range(1, 5)]
        assert isinstance(painted, Painted)
        assert painted.file == wanted.file
        assert sha256_of(pool.root / wanted.file) == painted.sha256
    assert pool.pool.free() == (one, two)


def test_a_busy_worker_takes_nothing_more(pool: Pool) -> None:
    name = pool.all_free()[0]
    first = task("busy")
    pool.pool.submit(name, first)
    with pytest.raises(ValueError, match="not free"):
        pool.pool.submit(name, task("busy", 2))
    pool.until(lambda: pool.of(first, Painted))


def test_the_same_picture_drawn_again_is_the_same_file(pool: Pool) -> None:
    one, two = pool.all_free()
    wanted = task("again")
    before = pool.draw(wanted, one)
    after = pool.draw(wanted, two)
    assert (after.file, after.sha256) == (before.file, before.sha256)
    assert [file.name for file in pool.root.glob("again*")] == ["again.01.png"]


def test_a_cancelled_picture_is_stopped_and_its_worker_free_again(pool: Pool) -> None:
    name = pool.all_free()[0]
    wanted = task("cancelled", steps=900)
    pool.pool.submit(name, wanted)
    pool.pool.cancel(wanted.id)
    pool.pool.cancel(wanted.id)
    pool.until(lambda: pool.of(wanted, Stopped))
    assert not (pool.root / wanted.file).exists()
    assert pool.draw(task("cancelled-next"), name).file == "cancelled-next.01.png"
    assert len(pool.of(wanted, Stopped)) == 1


def test_a_task_that_comes_back_under_a_cancelled_id_is_drawn(pool: Pool) -> None:
    """A manifest that went away and came back asks for the very same picture."""
    name = pool.all_free()[0]
    long = task("back", steps=900)
    pool.pool.submit(name, long)
    pool.pool.cancel(long.id)
    pool.until(lambda: pool.of(long, Stopped))
    again = task("back")
    assert again.id == long.id
    assert pool.draw(again, name).file == "back.01.png"


def test_a_killed_worker_is_reported_once_and_replaced(pool: Pool) -> None:
    name = pool.all_free()[0]
    wanted = task("killed", steps=900)
    pid = pool.pool.pids()[name]
    pool.pool.submit(name, wanted)
    if isinstance(pool.pool, FakePool):
        pool.pool.lose(name)
    else:
        pool.until(lambda: pool.of(wanted, Stepped))
        os.kill(pid, signal.SIGKILL)
    pool.until(lambda: pool.of(wanted, Lost))
    assert pool.worker(name).phase == "starting"
    lost = pool.of(wanted, Lost)[0]
    assert (lost.worker, lost.pid, lost.cause, lost.blamed) == (name, pid, "killed", False)
    assert pool.draw(task("killed-next"), pool.all_free()[0]).file == "killed-next.01.png"
    assert pool.pool.pids()[name] != pid
    losses = [report for report in pool.reports if isinstance(report, Lost)]
    assert [report.pid for report in losses].count(pid) == 1


def test_a_pool_at_rest_is_no_process_and_draws_the_same_once_it_is_roused(pool: Pool) -> None:
    name = pool.all_free()[0]
    before = pool.draw(task("rested"), name)
    pids = pool.pool.pids()
    pool.pool.rest()
    pool.pool.rest()
    assert pool.pool.free() == ()
    pool.until(lambda: pool.pool.pids() == {})
    assert {live.phase for live in pool.pool.live()} == {"unloaded"}
    if not isinstance(pool.pool, FakePool):
        assert gone([*pids.values()])
    told = len(pool.reports)
    pool.pool.rouse()
    after = pool.draw(task("rested"), pool.all_free()[0])
    assert after.sha256 == before.sha256
    assert not [report for report in pool.reports[told:] if isinstance(report, Lost)]
    assert not {*pids.values()} & {*pool.pool.pids().values()} or isinstance(pool.pool, FakePool)


def test_a_pool_that_draws_is_not_put_to_rest(pool: Pool) -> None:
    name = pool.all_free()[0]
    wanted = task("restless", steps=900)
    pool.pool.submit(name, wanted)
    with pytest.raises(ValueError, match="drawing"):
        pool.pool.rest()
    pool.pool.cancel(wanted.id)
    pool.until(lambda: pool.of(wanted, Stopped))
