"""From what was observed to what has happened: `decide` for one observation, `request` for a job.

Pure: reads the state, never changes it; the runner makes the events durable and folds them.
"""

from typing import Literal, assert_never

from pipeline.core import events as e
from pipeline.core import observed as o
from pipeline.core import streak
from pipeline.core.declare import file_gone, file_seen
from pipeline.core.missing import Waiting
from pipeline.core.models import called, model_of
from pipeline.core.obey import obey, refuse
from pipeline.core.pending import asks_for, owner, wanted
from pipeline.core.resolve import resolve
from pipeline.core.resolved import Task
from pipeline.core.state import JobState, State, Take, spec_that_draws
from pipeline.core.targets import Refusal

BLAMED_DEATHS = 2
"""So many workers brought down by a job quarantine it."""
UNEXPLAINED_DEATHS = 5
"""So many deaths in a row that nothing explains, on one picture, do so too."""


def decide(state: State, seen: o.FileSeen | o.FileGone | o.Report | o.Order) -> list[e.Event]:
    """The events that follow from one observation, in order."""
    match seen:
        case o.FileSeen():
            return file_seen(state, seen)
        case o.FileGone():
            return file_gone(state, seen.file)
        case o.Began(worker=worker, task=task):
            if not wanted(state, task):
                return []
            return [e.RenderStarted(job=task.job, take=task.take, index=task.index, worker=worker)]
        case o.Painted():
            return _painted(state, seen)
        case o.Failed():
            return _failed(state, seen)
        case o.Lost():
            return _lost(state, seen)
        case o.Commanded(command=name, said=command):
            return obey(state, name, command)
        case o.Garbled(command=name, error=error):
            return [] if name in state.answered else [refuse(name, Refusal(message=error))]
        case o.Switched(model=model, left=left, seconds=seconds):
            names = tuple(called(state, one) for one in left)
            name = called(state, model)
            return [e.ModelSwitched(model=model, name=name, left=names, seconds=seconds)]
        case o.Unusable(model=model, error=error, hint=hint):
            error = f"{error}; {hint}" if hint else error
            return [e.ModelFailed(model=model, name=called(state, model), error=error)]
        case o.WorkerWarm() | o.Stepped() | o.Stopped() | o.Broken():
            return []
        case _:
            assert_never(seen)


def request(state: State, job: JobState) -> list[e.Event]:
    """The take that a job needs now, if it needs another than it has.

    An edit of the job makes a new take. A change of its bible, style or project reaches a take
    that has not begun; one that has is stale, and the user decides, or its project has decided
    that it is drawn again. `force` has what was drawn drawn once more.
    """
    if job.withdrawn or job.cancelled:
        return []
    outcome = resolve(state, job)
    last = job.takes[-1] if job.takes else None
    if isinstance(outcome, Waiting):
        # What somebody asked for is asked for still, and held back until it can be drawn.
        if last is None or last.begun or last.reason == "asked":
            return []
        return [e.RenderWithdrawn(job=job.key, take=last.number)]
    same = last is not None and last.shows == outcome.shows
    edited = last is None or spec_that_draws(last.spec) != spec_that_draws(job.spec)
    # The rest of a take cannot be drawn with another model than its begin.
    outlived = last is not None and bool(last.owed) and last.model != model_of(state, job)
    forced = last is not None and job.spec.force and not last.anew and not last.restored
    asked = edited or outlived or forced
    begun = last is not None and (last.begun or _as_they_were(job, last))
    if last is not None and not asked and (same or (begun and _stays(state, job, last))):
        return []
    again = last is not None and (same or not last.begun) and not (forced and last.begun)
    reason: Literal["submitted", "edited", "changed", "asked"] = (
        "submitted" if last is None else "edited" if edited or forced else "changed"
    )
    if last is not None and again and not last.begun and last.reason == "asked":
        reason = "asked"
    return [
        e.RenderRequested(
            job=job.key,
            take=last.number if last is not None and again else job.next_take,
            reason=reason,
            cells=outcome.cells,
            inputs=outcome.inputs,
            anew=job.spec.force or (last is not None and again and last.anew),
        )
    ]


def _as_they_were(job: JobState, last: Take) -> bool:
    """Whether a take was asked for to have the pictures of the one before it again."""
    before = job.takes[-2] if len(job.takes) > 1 else None
    again = before is not None and last.shows == before.shows
    return again and last.reason == "asked" and not last.anew


def _stays(state: State, job: JobState, take: Take) -> bool:
    """Whether a take that has become stale stays so, until somebody asks for another."""
    project = state.projects.get(job.project) if job.project is not None else None
    return take.restored or project is None or project.spec.rerender == "ask"


def reused(state: State, task: Task, file: str, sha256: str, *, shelved: bool) -> list[e.Event]:
    """The events of a picture that did not need to be drawn: its like now stands at `file`."""
    drawn = state.drawn[f"{task.digest}:{task.seed}"]
    return [
        *_shelved(state, task, shelved),
        e.ImageReused(
            job=task.job, take=task.take, index=task.index, seed=task.seed, file=file,
            sha256=sha256, source=drawn.file,
        ),
    ]  # fmt: skip


def _painted(state: State, seen: o.Painted) -> list[e.Event]:
    task = seen.task
    take = next((t for t in state.jobs[task.job].takes if t.number == task.take), None)
    if take is None or not asks_for(take, task):
        return []
    return [
        *_shelved(state, task, seen.shelved),
        e.ImageRendered(
            job=task.job,
            take=task.take,
            index=task.index,
            seed=task.seed,
            file=seen.file,
            sha256=seen.sha256,
            seconds=seen.seconds,
            worker=seen.worker,
            made=seen.made,
        ),
    ]


def _failed(state: State, seen: o.Failed) -> list[e.Event]:
    task = seen.task
    if not wanted(state, task):
        return []
    failed = e.RenderFailed(
        job=task.job, take=task.take, index=task.index, kind=seen.kind, error=seen.error
    )
    take = state.jobs[task.job].takes[-1]
    if seen.kind == "out_of_memory" and task.index not in take.lean:
        # It may only have been too much beside what the others drew.
        lessened = e.RenderLessened(
            job=task.job, take=task.take, index=task.index, error=seen.error
        )
        return [lessened]
    if seen.kind != "disk_full":
        return [failed, *streak.pause(state, task.job, seen.error)]
    if state.paused is not None:
        return [failed]
    full = e.QueuePaused(reason=f"{seen.error}; make room, then: anime resume", by="disk")
    return [full, failed]


def _shelved(state: State, task: Task, shelved: bool) -> list[e.Event]:
    held = owner(state.jobs[task.job], task.file) if shelved else None
    if held is None or task.shelf is None:
        return []
    take, image = held
    return [e.ImageShelved(job=task.job, take=take.number, index=image.index, file=task.shelf)]


def sheet_shelved(job: JobState, task: Task, *, shelved: bool) -> list[e.Event]:
    """The event of the older sheet, if one stood where the task's now stands."""
    found: list[e.Event] = [
        e.SheetShelved(job=job.key, take=older.number, file=task.shelf)
        for older in job.takes
        if shelved and task.shelf and older.sheet is not None and older.sheet.file == task.file
    ]
    return found[:1]


def _lost(state: State, seen: o.Lost) -> list[e.Event]:
    task = seen.task
    lost = e.WorkerLost(
        worker=seen.worker, pid=seen.pid, cause=seen.cause, detail=seen.detail, blamed=seen.blamed,
        job=task.job if task else None, take=task.take if task else None,
        index=task.index if task else None,
    )  # fmt: skip
    if task is None or not wanted(state, task):
        return [lost]
    job = state.jobs[task.job]
    if seen.blamed and job.blamed + 1 >= BLAMED_DEATHS:
        why = f"brought its worker down {job.blamed + 1} times; the last time: {seen.detail}"
    elif not seen.blamed and (deaths := job.unexplained.get(task.index, 0) + 1) >= (
        UNEXPLAINED_DEATHS
    ):
        why = f"its worker died {deaths} times in a row without picture {task.index}"
    else:
        return [lost]
    quarantined = e.JobQuarantined(job=task.job, reason=why)
    return [lost, quarantined, *streak.pause(state, task.job, why)]
