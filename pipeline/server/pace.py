"""How long what is owed may take: the work of it, at the pace of the pictures drawn last.

Owns that pace. Work is what `pipeline.core.plan` measures by, pixels times calls of the model, so
that a large picture of many steps is not taken for a small one.
"""

from collections import deque
from collections.abc import Iterable
from statistics import median

from pipeline.core import events as e
from pipeline.core.observed import WorkerLive
from pipeline.core.plan import RECENT, work, work_of
from pipeline.core.state import JobState, State, Take


class Pace:
    """Seconds a unit of work takes on a worker, by the pictures drawn last."""

    def __init__(self, jobs: Iterable[JobState]) -> None:
        drawn = sorted(
            (image.at, image.seconds / work(take, image.index))
            for job in jobs
            for take in job.takes
            for image in take.images.values()
            if image.seconds > 0 and image.index <= len(take.cells)
        )
        self._last = deque((pace for _, pace in drawn[-RECENT:]), maxlen=RECENT)

    def heard(self, state: State, event: e.Event) -> None:
        """A fact is folded; it may be a picture."""
        if isinstance(event, e.ImageRendered) and event.seconds > 0:
            for take in state.jobs[event.job].takes:
                if take.number == event.take and event.index <= len(take.cells):
                    self._last.append(event.seconds / work(take, event.index))

    def seconds(
        self, owed: float, pictures: int, drawing: Iterable[WorkerLive], workers: int
    ) -> float | None:
        """How long so many pictures of so much work may take, with what is left of those being
        drawn; None where none was ever drawn."""
        if not self._last:
            return None
        begun = [_left(worker) for worker in drawing if worker.task is not None]
        at_once = max(min(workers, pictures + len(begun)), 1)
        return (owed + sum(begun)) * median(self._last) / at_once


def left(take: Take) -> float:
    """The work of the pictures of a take that nobody has begun."""
    return sum(work(take, index) for index in take.owed if index not in take.started)


def _left(worker: WorkerLive) -> float:
    """What a worker has still to do at its picture."""
    if worker.task is None:
        return 0.0
    inputs = worker.task.resolved
    done = min(worker.step / worker.steps, 1.0) if worker.steps else 0.0
    return work_of(inputs) * (1.0 - done)
