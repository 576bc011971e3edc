"""The GPU is given back when a person asks for it, or when there is nothing to draw for long."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.core import events as e
from pipeline.core.commands import Pause, Resume
from pipeline.core.state import State
from pipeline.orders import send
from pipeline.unloading import Unloading
from tests.fakes import FakePool
from tests.production import Production
from tests.running import Run

Phases = Callable[[], set[str]]


def phases(run: Run) -> set[str]:
    return {worker.phase for worker in run.pool.live()}


def test_a_pause_unloads_once_what_is_in_work_is_finished_and_resume_loads_again(
    start: Callable[..., Run],
) -> None:
    run = start()
    run.pool.patient = True
    run.drop("rain.yaml", "kind: job\nprompt: rain\ncount: 4\n")
    run.until(lambda: len(run.pool.submitted) == 3)
    send(run.root, Pause(reason="a game", unload=True), at=1)
    run.until(lambda: run.state.paused == "a game")
    assert phases(run) == {"rendering"}
    run.pool.patient = False
    run.until(lambda: phases(run) == {"unloaded"})
    assert run.state.finished == 3
    assert run.watcher.lives[-1].unloaded
    assert not run.watcher.lives[-1].model_preloaded
    send(run.root, Resume(), at=2)
    run.until(lambda: run.status("rain") == "done")
    assert len(run.pool.submitted) == 4


def test_a_pause_that_unloads_outlives_a_restart(start: Callable[..., Run]) -> None:
    run = start()
    send(run.root, Pause(unload=True), at=1)
    run.until(lambda: phases(run) == {"unloaded"})
    run.close()
    again = start()
    again.until(lambda: phases(again) == {"unloaded"})


def test_a_pause_becomes_one_that_unloads_and_keeps_its_reason() -> None:
    made = Production()
    made.command(Pause(reason="dinner"))
    assert made.command(Pause(unload=True)).answer.endswith("then the model is unloaded")
    assert (made.state.paused, made.state.unload) == ("dinner", True)
    assert "already" in made.command(Pause(unload=True)).answer
    made.command(Pause())
    assert (made.state.paused, made.state.unload) == ("dinner", False)
    made.command(Pause(unload=True))
    made.command(Resume())
    assert not made.state.unload


@pytest.mark.parametrize(("after", "unloads"), [(60.0, True), (0.0, False)])
def test_an_idle_queue_unloads_after_a_while_and_what_comes_loads(
    after: float, unloads: bool, tmp_path: Path
) -> None:
    pool = FakePool(tmp_path)
    pool.start()
    pool.poll()
    idle, owing = State(), Production()
    owing.drop("rain.yaml", "kind: job\nprompt: rain\n")
    one = Unloading(pool, after)
    one.step(owing.state, 100.0, busy=False)
    one.step(idle, 200.0, busy=True)
    one.step(idle, 300.0, busy=False)
    one.step(idle, 359.0, busy=False)
    assert not pool.resting
    one.step(idle, 360.0, busy=False)
    assert pool.resting == unloads
    one.step(owing.state, 361.0, busy=False)
    assert not pool.resting
    one.step(idle, 362.0, busy=False)
    one.step(idle, 421.0, busy=False)
    assert not pool.resting


def test_what_is_dropped_on_an_unloaded_runner_is_drawn(start: Callable[..., Run]) -> None:
    run = start()
    run.runner._unloading = Unloading(run.pool, 0.01)
    run.until(lambda: phases(run) == {"unloaded"})
    time.sleep(0.05)
    run.drop("rain.yaml")
    run.until(lambda: run.status("rain") == "done")
    assert any(isinstance(event, e.ImageRendered) for event in run.watcher.events)
    assert any(live.unloaded for live in run.watcher.lives)
