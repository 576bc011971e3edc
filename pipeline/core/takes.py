"""The fold of a job's takes and pictures, and how one job of the state is changed.

Owns what the drawing events mean, and `State.owed` and `State.drawn`, which follow from them.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, assert_never

from msgspec.structs import replace

from pipeline.core import events as e
from pipeline.core import streak
from pipeline.core.state import Drawn, Image, JobState, State, Take, Verdict, spec_that_draws

_Change: TypeAlias = Callable[[Take], Take]

_Judging: TypeAlias = e.ImageApproved | e.ImageDismissed | e.ImageUnjudged

_Drawing: TypeAlias = (
    e.RenderRequested
    | e.RenderWithdrawn
    | e.RenderStarted
    | e.ImageRendered
    | e.ImageReused
    | e.ImageShelved
    | e.ImageRestored
    | e.TakeRestored
    | e.SheetComposed
    | e.SheetShelved
    | e.SheetRestored
    | e.ImageDiscarded
    | _Judging
    | e.RenderFailed
    | e.RenderLessened
    | e.WorkerLost
)


def draw(state: State, at: str, event: _Drawing) -> None:
    match event:
        case e.RenderRequested():
            _request(state, at, event)
        case e.RenderWithdrawn(job=key, take=number):
            takes = tuple(take for take in state.jobs[key].takes if take.number != number)
            change_job(state, key, takes=takes)
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
            streak.ended(state)
        case e.ImageReused():
            _finish(
                state, event.job, event.take,
                Image(
                    index=event.index, seed=event.seed, file=event.file, sha256=event.sha256,
                    at=at, source=event.source,
                ),
            )  # fmt: skip
        case e.SheetComposed() | e.SheetShelved() | e.SheetRestored():
            _sheet(state, event)
        case e.ImageShelved() | e.ImageRestored():
            _move(state, event)
        case e.TakeRestored():
            _restore(state, event)
        case e.ImageDiscarded():
            _discard(state, event)
        case e.ImageApproved() | e.ImageDismissed() | e.ImageUnjudged():
            _judge(state, event)
        case e.RenderFailed(job=key, index=index, kind="disk_full"):
            _in_take(
                state, key, event.take,
                lambda take: replace(take, started=_less(take.started, index)),
            )  # fmt: skip
        case e.RenderFailed(job=key, index=index, error=error):
            _in_take(
                state, key, event.take,
                lambda take: replace(
                    take, failed={**take.failed, index: error}, started=_less(take.started, index)
                ),
            )  # fmt: skip
            streak.failed(state, key, error)
        case e.RenderLessened(job=key, index=index):
            _in_take(state, key, event.take, lambda take: _lean(take, index))
        case e.WorkerLost():
            _lose(state, event)
        case _:
            assert_never(event)


def _lose(state: State, event: e.WorkerLost) -> None:
    if event.job not in state.jobs or event.take is None or event.index is None:
        return
    job, cell = state.jobs[event.job], event.index
    if event.blamed:
        change_job(state, job.key, blamed=job.blamed + 1)
    else:
        deaths = {**job.unexplained, cell: job.unexplained.get(cell, 0) + 1}
        change_job(state, job.key, unexplained=deaths)
    starved = event.cause == "out_of_memory"
    _in_take(
        state, job.key, event.take,
        lambda take: _lean(take, cell)
        if starved
        else replace(take, started=_less(take.started, cell)),
    )  # fmt: skip


def _request(state: State, at: str, event: e.RenderRequested) -> None:
    job = state.jobs[event.job]
    take = Take(
        number=event.take, reason=event.reason, at=at, spec=job.spec, cells=event.cells,
        inputs=event.inputs, anew=event.anew,
    )  # fmt: skip
    last = job.takes[-1] if job.takes else None
    if last is None or last.number != event.take:
        kept = {n: last.images[n] for n in event.kept} if last is not None else {}
        take = replace(take, images=kept)
        keep(state, replace(job, takes=(*job.takes, take)))
        return
    if last.shows == take.shows:
        take = replace(
            last, spec=job.spec, cells=take.cells, inputs=take.inputs, failed={}, anew=event.anew,
            restored=False, meant=None,
        )  # fmt: skip
    keep(state, replace(job, takes=(*job.takes[:-1], take)))


def _sheet(state: State, event: e.SheetComposed | e.SheetShelved | e.SheetRestored) -> None:
    def change(take: Take) -> Take:
        match event:
            case e.SheetComposed(file=file, sha256=sha256):
                return replace(take, sheet=Drawn(file=file, sha256=sha256))
            case e.SheetShelved(file=file) | e.SheetRestored(file=file):
                return replace(take, sheet=take.sheet and replace(take.sheet, file=file))

    _in_take(state, event.job, event.take, change)


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
    state.drawn[_shown(take, image)] = Drawn(file=image.file, sha256=image.sha256)
    state.finished += 1
    if image.index in job.unexplained:
        deaths = {n: count for n, count in job.unexplained.items() if n != image.index}
        change_job(state, key, unexplained=deaths)


def _move(state: State, event: e.ImageShelved | e.ImageRestored) -> None:
    """A picture stands elsewhere now, for every take that has it."""
    job = state.jobs[event.job]
    moved = next(take for take in job.takes if take.number == event.take).images[event.index]
    takes = []
    for take in job.takes:
        images = {
            n: replace(image, file=event.file)
            if (image.file, image.sha256) == (moved.file, moved.sha256)
            else image
            for n, image in take.images.items()
        }
        takes.append(replace(take, images=images))
        for image in images.values():
            if image.file == event.file and not image.discarded:
                there = Drawn(file=image.file, sha256=image.sha256)
                state.drawn[_shown(take, image)] = there
    keep(state, replace(job, takes=tuple(takes)))


def _discard(state: State, event: e.ImageDiscarded) -> None:
    """No take has the picture any more; another of its like, if the job has one, may be used."""
    job = state.jobs[event.job]
    said = next(take for take in job.takes if take.number == event.take)
    named = said.images[event.index] if event.index else said.sheet
    meant = (event.file, named.sha256 if named is not None else "")
    takes, lost = [], dict[str, Drawn]()
    for take in job.takes:
        images = {}
        for n, image in take.images.items():
            same = (image.file, image.sha256) == meant
            gone = image.discarded or same
            images[n] = replace(image, discarded=gone)
            if gone and not image.discarded:
                lost[_shown(take, image)] = Drawn(file=image.file, sha256=image.sha256)
        sheet = take.sheet
        if sheet is not None and sheet.file == event.file:
            sheet = replace(sheet, discarded=True)
        takes.append(replace(take, images=images, sheet=sheet))
    for shown, drawn in lost.items():
        if state.drawn.get(shown) == drawn:
            del state.drawn[shown]
    for take in takes:
        for image in take.images.values():
            if not image.discarded and _shown(take, image) in lost:
                there = Drawn(file=image.file, sha256=image.sha256)
                state.drawn.setdefault(_shown(take, image), there)
    keep(state, replace(job, takes=tuple(takes)))


def _judge(state: State, event: _Judging) -> None:
    """What a person says of a picture, in every take that has it. Of a picture that has another
    one in its place by now nothing is said."""
    job = state.jobs[event.job]
    said = next(take for take in job.takes if take.number == event.take).images[event.index]
    if said.sha256 != event.sha256:
        return
    match event:
        case e.ImageApproved():
            verdict: Verdict | None = "approved"
        case e.ImageDismissed():
            verdict = "rejected"
        case e.ImageUnjudged():
            verdict = None
        case _:
            assert_never(event)
    takes = []
    for take in job.takes:
        images = {
            n: replace(image, verdict=verdict)
            if (image.file, image.sha256) == (said.file, said.sha256)
            else image
            for n, image in take.images.items()
        }
        takes.append(replace(take, images=images))
    keep(state, replace(job, takes=tuple(takes)))


def _shown(take: Take, image: Image) -> str:
    """By what a picture of a take is known in `State.drawn`."""
    return f"{take.cells[image.index - 1].digest}:{image.seed}"


def _restore(state: State, event: e.TakeRestored) -> None:
    """The take is the current one, and answers what the manifest says now; nothing stands against
    it, since nothing of it is to be drawn."""
    job = state.jobs[event.job]
    take = next(take for take in job.takes if take.number == event.take)
    others = tuple(other for other in map(at_rest, job.takes) if other.number != event.take)
    take = replace(take, spec=job.spec, started={}, failed={}, restored=True, meant=event.meant)
    job = replace(job, takes=(*others, take), cancelled=False, quarantined=None)
    keep(state, job)


def keep(state: State, job: JobState) -> None:
    """Put a job in its place, and remember whether it has pictures owed."""
    state.jobs[job.key] = job
    if not job.withdrawn and job.takes and job.takes[-1].owed:
        state.owed[job.key] = None
    else:
        state.owed.pop(job.key, None)


def change_job(state: State, key: str, **fields: Any) -> None:
    keep(state, replace(state.jobs[key], **fields))


def _in_take(state: State, key: str, number: int, change: _Change) -> None:
    job = state.jobs[key]
    takes = tuple(change(take) if take.number == number else take for take in job.takes)
    keep(state, replace(job, takes=takes))


def in_last_take(state: State, key: str, change: _Change) -> None:
    job = state.jobs[key]
    if job.takes:
        keep(state, replace(job, takes=(*job.takes[:-1], change(job.takes[-1]))))


def at_rest(take: Take) -> Take:
    """A take that nobody draws at."""
    return replace(take, started={})


def draws_alike(one: JobState, other: JobState) -> bool:
    return spec_that_draws(one.spec) == spec_that_draws(other.spec)


def _lean(take: Take, index: int) -> Take:
    """The take with a picture that nobody is drawing, and that is to be drawn with less memory."""
    return replace(
        take, lean=tuple(sorted({*take.lean, index})), started=_less(take.started, index)
    )


def _less(cells: dict[int, str], index: int) -> dict[int, str]:
    return {n: value for n, value in cells.items() if n != index}
