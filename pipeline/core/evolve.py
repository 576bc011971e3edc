"""The fold: how each event changes the state.

Owns what an event means. Never decides anything and never looks outside; it changes the one stream
an event speaks of and leaves the rest alone, so that a million events fold in seconds.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, assert_never

from msgspec.structs import replace

from pipeline.core import events as e
from pipeline.core.digest import digest
from pipeline.core.keys import folder_of
from pipeline.core.state import (
    CharacterState,
    Drawn,
    Image,
    JobState,
    ProjectState,
    State,
    Take,
    spec_that_draws,
)


def evolve(state: State, seq: int, at: str, event: e.Event) -> None:
    """Fold one recorded event into the state."""
    state.seq, state.at = seq, at
    match event:
        case e.RunnerStarted():
            state.model, state.workers = event.model, event.workers
            for key in list(state.owed):
                _in_last_take(state, key, lambda take: replace(take, started={}))
        case (
            e.ProjectDeclared()
            | e.ProjectWithdrawn()
            | e.CharacterDeclared()
            | e.CharacterWithdrawn()
            | e.JobSubmitted()
            | e.JobWithdrawn()
            | e.ManifestRejected()
            | e.ManifestMended()
        ):
            _declare(state, event)
        case (
            e.RenderRequested()
            | e.RenderWithdrawn()
            | e.RenderStarted()
            | e.ImageRendered()
            | e.ImageReused()
            | e.ImageShelved()
            | e.RenderFailed()
            | e.WorkerLost()
        ):
            _draw(state, at, event)
        case e.JobQuarantined():
            _change(state, event.job, quarantined=event.reason)
        case e.JobHeld():
            _change(state, event.job, held=True)
        case e.JobReleased():
            _change(state, event.job, held=False)
        case e.JobReprioritised():
            _change(state, event.job, priority=event.priority)
        case e.JobCancelled():
            _change(state, event.job, cancelled=True)
        case e.JobRetried():
            _change(state, event.job, cancelled=False, quarantined=None, blamed=0, unexplained=0)
            _in_last_take(state, event.job, lambda take: replace(take, failed={}))
        case e.QueuePaused():
            state.paused = event.reason
        case e.QueueResumed():
            state.paused = None
        case _:
            assert_never(event)


_Declaration: TypeAlias = (
    e.ProjectDeclared
    | e.ProjectWithdrawn
    | e.CharacterDeclared
    | e.CharacterWithdrawn
    | e.JobSubmitted
    | e.JobWithdrawn
    | e.ManifestRejected
    | e.ManifestMended
)


def _declare(state: State, event: _Declaration) -> None:
    match event:
        case e.ProjectDeclared(key=key, file=file, spec=project):
            state.projects[key] = ProjectState(key=key, file=file, spec=project)
            state.files.setdefault(file, {})[f"project {key}"] = None
            if file.rpartition("/")[2] in ("project.yaml", "project.yml"):
                state.folders[folder_of(file)] = key
        case e.ProjectWithdrawn(key=key, file=file):
            state.projects.pop(key, None)
            _forget(state, file, f"project {key}")
            if state.folders.get(folder_of(file)) == key:
                del state.folders[folder_of(file)]
        case e.CharacterDeclared(key=key, file=file, spec=character):
            state.characters[key] = CharacterState(key=key, file=file, spec=character)
            state.files.setdefault(file, {})[f"character {key}"] = None
        case e.CharacterWithdrawn(key=key, file=file):
            state.characters.pop(key, None)
            _forget(state, file, f"character {key}")
        case e.JobSubmitted(key=key, file=file):
            _submit(state, event)
            state.files.setdefault(file, {})[f"job {key}"] = None
            state.folded[key.casefold()] = key
        case e.JobWithdrawn(key=key, file=file):
            _change(state, key, withdrawn=True)
            _forget(state, file, f"job {key}")
            state.folded.pop(key.casefold(), None)
        case e.ManifestRejected(file=file):
            state.rejected[file] = event.problems
        case e.ManifestMended(file=file):
            state.rejected.pop(file, None)
        case _:
            assert_never(event)


def _submit(state: State, event: e.JobSubmitted) -> None:
    before = state.jobs.get(event.key)
    state.seeds.setdefault(digest(event.spec), event.seed)
    job = JobState(
        key=event.key, file=event.file, project=event.project, seed=event.seed, spec=event.spec,
        order=state.seq,
    )  # fmt: skip
    if before is not None:
        old, new = before.spec, event.spec
        job = replace(
            job,
            order=before.order,
            takes=before.takes,
            held=before.held if old.hold == new.hold else None,
            priority=before.priority if old.priority == new.priority else None,
        )
        if spec_that_draws(old) == spec_that_draws(new):
            job = replace(
                job, cancelled=before.cancelled, quarantined=before.quarantined,
                blamed=before.blamed, unexplained=before.unexplained,
            )  # fmt: skip
    _keep(state, job)


_Change: TypeAlias = Callable[[Take], Take]

_Drawing: TypeAlias = (
    e.RenderRequested
    | e.RenderWithdrawn
    | e.RenderStarted
    | e.ImageRendered
    | e.ImageReused
    | e.ImageShelved
    | e.RenderFailed
    | e.WorkerLost
)


def _draw(state: State, at: str, event: _Drawing) -> None:
    match event:
        case e.RenderRequested():
            _request(state, at, event)
        case e.RenderWithdrawn(job=key, take=number):
            takes = tuple(take for take in state.jobs[key].takes if take.number != number)
            _change(state, key, takes=takes)
        case e.RenderStarted(job=key, index=index, worker=worker):
            _in_take(
                state, key, event.take,
                lambda take: replace(take, started={**take.started, index: worker}),
            )  # fmt: skip
        case e.ImageRendered():
            _finish(
                state, event.job, event.take,
                Image(
                    index=event.index, seed=event.seed, file=event.file, sha256=event.sha256,
                    at=at, seconds=event.seconds, worker=event.worker, made=event.made,
                ),
            )  # fmt: skip
        case e.ImageReused():
            _finish(
                state, event.job, event.take,
                Image(
                    index=event.index, seed=event.seed, file=event.file, sha256=event.sha256,
                    at=at, source=event.source,
                ),
            )  # fmt: skip
        case e.ImageShelved():
            _shelve(state, event)
        case e.RenderFailed(job=key, index=index, error=error):
            _in_take(
                state, key, event.take,
                lambda take: replace(
                    take, failed={**take.failed, index: error}, started=_less(take.started, index)
                ),
            )  # fmt: skip
        case e.WorkerLost(job=lost, take=number, index=cell):
            if lost is None or number is None or cell is None or lost not in state.jobs:
                return
            job = state.jobs[lost]
            counter = "blamed" if event.blamed else "unexplained"
            _change(state, lost, **{counter: getattr(job, counter) + 1})
            _in_take(
                state, lost, number,
                lambda take: replace(take, started=_less(take.started, cell)),
            )  # fmt: skip
        case _:
            assert_never(event)


def _request(state: State, at: str, event: e.RenderRequested) -> None:
    job = state.jobs[event.job]
    take = Take(
        number=event.take, reason=event.reason, at=at, spec=job.spec, resolved=event.resolved,
        digest=event.digest, seeds=event.seeds,
    )  # fmt: skip
    last = job.takes[-1] if job.takes else None
    if last is None or last.number != event.take:
        _keep(state, replace(job, takes=(*job.takes, take)))
        return
    if (last.digest, last.seeds) == (take.digest, take.seeds):
        take = replace(last, spec=job.spec)
    _keep(state, replace(job, takes=(*job.takes[:-1], take)))


def _finish(state: State, key: str, number: int, image: Image) -> None:
    _in_take(
        state, key, number,
        lambda take: replace(
            take,
            images={**take.images, image.index: image},
            started=_less(take.started, image.index),
            failed={n: error for n, error in take.failed.items() if n != image.index},
        ),
    )  # fmt: skip
    job = state.jobs[key]
    take = next(take for take in job.takes if take.number == number)
    state.drawn[f"{take.digest}:{image.seed}"] = Drawn(file=image.file, sha256=image.sha256)
    state.finished += 1
    if job.unexplained:
        _change(state, key, unexplained=0)


def _shelve(state: State, event: e.ImageShelved) -> None:
    job = state.jobs[event.job]
    moved = next(take for take in job.takes if take.number == event.take).images[event.index].file
    takes = []
    for take in job.takes:
        images = {
            n: replace(image, file=event.file) if image.file == moved else image
            for n, image in take.images.items()
        }
        takes.append(replace(take, images=images))
        for image in images.values():
            if image.file == event.file:
                state.drawn[f"{take.digest}:{image.seed}"] = Drawn(
                    file=image.file, sha256=image.sha256
                )
    _keep(state, replace(job, takes=tuple(takes)))


def _keep(state: State, job: JobState) -> None:
    """Put a job in its place, and remember whether it has pictures owed."""
    state.jobs[job.key] = job
    if not job.withdrawn and job.takes and job.takes[-1].owed:
        state.owed[job.key] = None
    else:
        state.owed.pop(job.key, None)


def _change(state: State, key: str, **fields: Any) -> None:
    _keep(state, replace(state.jobs[key], **fields))


def _in_take(state: State, key: str, number: int, change: _Change) -> None:
    job = state.jobs[key]
    takes = tuple(change(take) if take.number == number else take for take in job.takes)
    _keep(state, replace(job, takes=takes))


def _in_last_take(state: State, key: str, change: _Change) -> None:
    job = state.jobs[key]
    if job.takes:
        _keep(state, replace(job, takes=(*job.takes[:-1], change(job.takes[-1]))))


def _less(cells: dict[int, str], index: int) -> dict[int, str]:
    return {n: value for n, value in cells.items() if n != index}


def _forget(state: State, file: str, declared: str) -> None:
    keys = state.files.get(file, {})
    keys.pop(declared, None)
    if not keys:
        state.files.pop(file, None)
