"""A worker gets what it can draw, and what it cannot is left for the others, in their order."""

from collections.abc import Callable

from pipeline.core.pending import in_order
from pipeline.core.resolved import Task
from pipeline.dispatch import Dispatch
from tests.fakes import FakePool
from tests.running import Run


class _Picky(FakePool):
    """Worker 1 draws nothing of a job whose name begins with `ink`."""

    def takes(self, worker: str, task: Task) -> bool:
        return worker != "worker-1" or not task.job.startswith("ink")


def test_who_cannot_draw_the_first_gets_the_next(start: Callable[..., Run]) -> None:
    run = start()
    run.pool.patient = True
    for job in ("ink-a", "ink-b", "ink-c", "plain"):
        run.drop(f"{job}.yaml", f"kind: job\nprompt: {job}\n")
    run.until(lambda: len(run.pool.submitted) == 3)
    state = run.state
    picky = _Picky(run.root, workers=2, held=run.pool.held)
    picky.patient = True
    picky.start()
    picky.poll()
    work = Dispatch(run.root, picky, lambda events: None)
    work.hand_out(state, lambda: True)
    order = [task.job for task in in_order(state, set())]
    given = {live.name: live.task.job for live in picky.live() if live.task is not None}
    assert given == {"worker-1": "plain", "worker-2": next(job for job in order if "ink" in job)}
