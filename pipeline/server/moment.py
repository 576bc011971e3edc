"""What the workers do at this moment, as the runner last said and the ticks since then.

Owns how long each worker has been drawing what it draws. Time is an argument: seconds of a
monotonic clock. Never journalled, and gone with the process.
"""

from collections.abc import Callable
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from pipeline.core.digest import public_id
from pipeline.core.observed import Live, Stepped, WorkerLive
from pipeline.server.view import LiveView, WorkerView


class Tick(Struct, frozen=True, kw_only=True):
    """Step `step` of `steps` of a picture is done, `seconds` after it was begun. `preview` is where
    to get what it looks like by then, if that is new."""

    worker: str
    task: str
    step: int
    steps: int
    seconds: float
    preview: str | None = None


class Preview(Struct, frozen=True, kw_only=True):
    """The newest preview of a task, a JPEG; `first` and `number` count those of all tasks, and say
    which of them are the task's."""

    task: str
    first: int
    number: int
    data: bytes


class Moment:
    """The present, folded from what the runner says; `ids` has a job's id by its key."""

    def __init__(self, ids: Callable[[str], str] | None = None) -> None:
        self._ids = ids or partial(public_id, "job")
        self.live = Live()
        self._workers: dict[str, WorkerLive] = {}
        self._since: dict[str, tuple[str, float]] = {}
        self._previews: dict[str, Preview] = {}
        self._shown = 0

    def changed(self, live: Live, now: float) -> None:
        """The workers do something else now; steps that were ticked already still count."""
        before, self._workers = self._workers, {}
        for worker in live.workers:
            if worker.task is None:
                self._since.pop(worker.name, None)
            else:
                self._begin(worker.name, worker.task.id, now)
            self._workers[worker.name] = _at_least(worker, before.get(worker.name))
            self._outgrow(worker)
        self.live = live

    def ticked(self, tick: Stepped, now: float) -> Tick:
        """A step is done: the tick as the page gets it."""
        worker = self._workers.get(tick.worker)
        preview = None
        if worker is not None and worker.task is not None and worker.task.id == tick.task.id:
            self._workers[tick.worker] = replace(worker, step=tick.step, steps=tick.steps)
            preview = None if tick.preview is None else self._show(tick, tick.preview)
        return Tick(
            worker=tick.worker,
            task=tick.task.id,
            step=tick.step,
            steps=tick.steps,
            seconds=self._seconds(tick.worker, tick.task.id, now),
            preview=preview,
        )

    def preview(self, worker: str, number: int) -> bytes | None:
        """The newest preview of the task that the one of that number is of, if the worker still
        draws it."""
        shown = self._previews.get(worker)
        return shown.data if shown is not None and shown.first <= number <= shown.number else None

    def workers(self) -> tuple[WorkerLive, ...]:
        """What the workers do, with the steps that were ticked."""
        return tuple(self._workers.values())

    def view(self, now: float) -> LiveView:
        """The moment as the page shows it."""
        live = self.live
        return LiveView(
            workers=tuple(self._worker(worker, now) for worker in self._workers.values()),
            model_preloaded=live.model_preloaded,
            inbox_lost=live.inbox_lost,
            journal_failed=live.journal_failed,
            draining=live.draining,
        )

    def _show(self, tick: Stepped, data: bytes) -> str:
        """Keep a preview instead of the worker's one before; returns where to get it."""
        self._shown += 1
        before, first = self._previews.get(tick.worker), self._shown
        if before is not None and before.task == tick.task.id:
            first = before.first
        self._previews[tick.worker] = Preview(
            task=tick.task.id, first=first, number=self._shown, data=data
        )
        return preview_path(tick.worker, self._shown)

    def _outgrow(self, worker: WorkerLive) -> None:
        """Forget a preview of what the worker no longer draws."""
        shown = self._previews.get(worker.name)
        if shown is not None and (worker.task is None or worker.task.id != shown.task):
            del self._previews[worker.name]

    def _begin(self, worker: str, task: str, now: float) -> None:
        if self._since.get(worker, ("", 0.0))[0] != task:
            self._since[worker] = (task, now)

    def _seconds(self, worker: str, task: str, now: float) -> float:
        began, since = self._since.get(worker, ("", 0.0))
        return round(now - since, 2) if began == task else 0.0

    def _worker(self, worker: WorkerLive, now: float) -> WorkerView:
        task = worker.task
        if task is None:
            return WorkerView(name=worker.name, pid=worker.pid, phase=worker.phase)
        shown = self._previews.get(worker.name)
        return WorkerView(
            name=worker.name,
            pid=worker.pid,
            phase=worker.phase,
            preview=None if shown is None else preview_path(worker.name, shown.number),
            task=task.id,
            job=task.job,
            job_id=self._ids(task.job),
            take=task.take,
            index=task.index,
            prompt=task.resolved.prompt,
            seed=task.seed,
            step=worker.step,
            steps=worker.steps or task.resolved.steps,
            seconds=self._seconds(worker.name, task.id, now),
        )


def preview_path(worker: str, number: int) -> str:
    """Where to get a preview; another number each time, so that a browser asks anew."""
    return f"/api/workers/{worker}/preview?n={number}"


def _at_least(worker: WorkerLive, known: WorkerLive | None) -> WorkerLive:
    """The worker with the steps of its task that were ticked already."""
    if known is None or known.task is None or worker.task is None:
        return worker
    if known.task.id != worker.task.id:
        return worker
    step, steps = max(worker.step, known.step), max(worker.steps, known.steps)
    return replace(worker, step=step, steps=steps)
