"""What is owed: dispatch is derived from the state, there is no second queue to keep true."""

from collections.abc import Collection, Iterator
from itertools import islice

from pipeline.core.keys import on_shelf, picture_file, shelf_file
from pipeline.core.missing import Waiting
from pipeline.core.models import model_of
from pipeline.core.resolve import resolve
from pipeline.core.resolved import Task
from pipeline.core.state import Drawn, Image, JobState, State, Take, spec_that_draws


def queue(state: State) -> list[JobState]:
    """The jobs with pictures owed that may be drawn, first to be drawn first; a paused queue
    keeps its order."""
    jobs = (state.jobs[key] for key in state.owed)
    able = (job for job in jobs if may_draw(job) and is_current(state, job))
    return sorted(able, key=lambda job: job.rank)


def first_model(state: State, usual: str, known: Collection[str]) -> str:
    """sha256 of the model that a run begins with: that of the queue's first picture, as far as the
    journal says before the inbox was looked at, else the `usual` one; `known` can be had."""
    head = next((job.takes[-1].model for job in queue(state)), "")
    return head if head in known else usual


def claims(task: Task) -> tuple[str, str]:
    """What no other task may have while this one is drawn: its place, and what it shows."""
    return f"{task.job}.{task.index}", f"{task.digest}:{task.seed}"


def may_draw(job: JobState) -> bool:
    """Whether anything stands against drawing this job now."""
    return not (job.withdrawn or job.cancelled or job.on_hold or job.quarantined)


def pending(state: State, busy: set[str], most: int) -> list[Task]:
    """At most `most` pictures to draw next, none while the queue is paused.

    `busy` names the pictures being drawn, as `claims` has it: an older take of the same picture
    has to end before the next may begin, as both belong in the same place; and of two that would
    be the same picture the second waits for the first, to use it again.
    """
    return list(islice(in_order(state, busy), max(most, 0)))


def in_order(state: State, busy: set[str]) -> Iterator[Task]:
    """The pictures of `pending`, however many, one after another as they are asked for."""
    if state.paused is not None:
        return
    for job in queue(state):
        take = job.takes[-1]
        if held_back(state, job):
            continue
        for index in take.owed:
            task = task_of(job, take, index)
            if busy.isdisjoint(claims(task)):
                yield task


def wanted(state: State, task: Task) -> bool:
    """Whether a picture being drawn is still asked for; holding or pausing lets it finish."""
    job = state.jobs.get(task.job)
    if job is None or job.withdrawn or job.cancelled or job.quarantined or not job.takes:
        return False
    last = job.takes[-1]
    asked = last.number == task.take and is_current(state, job) and asks_for(last, task)
    return asked and not held_back(state, job)


def asks_for(take: Take, task: Task) -> bool:
    """Whether the take still owes this very picture: its place, its inputs and its seed."""
    return task.index in take.owed and take.shows[task.index - 1] == (task.digest, task.seed)


def is_current(state: State, job: JobState) -> bool:
    """Whether the newest take is what the manifest says now, with the model that there is now; an
    edit that waits for something makes no take, and stops the one before."""
    last = job.takes[-1]
    if last.model != model_of(state, job) or last.model in state.unusable:
        return False
    # Mostly they are one and the same, and a long queue asks this of every job in it.
    return last.spec is job.spec or spec_that_draws(last.spec) == spec_that_draws(job.spec)


def held_back(state: State, job: JobState) -> bool:
    """Whether the newest take was asked for by somebody, has not begun, and cannot be drawn until
    what the job waits for is there."""
    last = job.takes[-1]
    return not last.begun and last.reason == "asked" and isinstance(resolve(state, job), Waiting)


def owner(job: JobState, file: str) -> tuple[Take, Image] | None:
    """The take and the picture that stand at a file, by the journal's word."""
    for take in reversed(job.takes):
        for image in take.images.values():
            if image.file == file and not image.discarded:
                return take, image
    return None


def _beside(job: JobState, index: int) -> tuple[Take, Image] | None:
    """The newest picture of that number that stands beside the manifest, by the journal's word."""
    for take in reversed(job.takes):
        image = take.images.get(index)
        if image is not None and not image.discarded and not on_shelf(image.file):
            return take, image
    return None


def strays(job: JobState) -> list[tuple[Take, Image]]:
    """Pictures of older takes that still stand beside the manifest, though the finished newest
    take has no picture of that number, or is an older one that was restored: they belong on the
    shelf."""
    if not job.takes or job.takes[-1].owed or job.takes[-1].failed:
        return []
    last = job.takes[-1]
    kept = {image.file for image in last.images.values()}
    return [
        (take, image)
        for take in job.takes[:-1]
        for image in take.images.values()
        if (last.restored or image.index > len(last.cells))
        and image.file not in kept
        and not image.discarded
        and not on_shelf(image.file)
    ]


def displaced(job: JobState) -> list[tuple[Take, Image]]:
    """Pictures that stand beside the manifest by the journal's word, of a job that nobody draws at:
    a worker may have put another one in the place of one of them and died before it could say so,
    and if that is no longer asked for, nobody will."""
    if not job.takes or (job.takes[-1].started and not job.withdrawn):
        return []
    owed = () if job.withdrawn else job.takes[-1].owed
    return [
        (take, image)
        for take in job.takes
        for image in take.images.values()
        if image.index not in owed and not image.discarded and not on_shelf(image.file)
    ]


def absent(job: JobState) -> tuple[Image, ...]:
    """Pictures of a restored take that are on the shelf all the same: a worker that was past its
    last step has put one of the take before in their place. They belong beside the manifest."""
    if job.withdrawn or not job.takes or not job.takes[-1].restored:
        return ()
    images = job.takes[-1].images.values()
    return tuple(image for image in images if on_shelf(image.file) and not image.discarded)


def sheet_owed(job: JobState) -> Take | None:
    """The take whose pictures are all there and whose sheet is not, if the job asks for one; the
    sheet of one that is the current one again is on the shelf."""
    if job.spec.sheet is None or job.withdrawn or not job.takes:
        return None
    last = job.takes[-1]
    whole = len(last.images) == len(last.cells) and spec_that_draws(last.spec) == (
        spec_that_draws(job.spec)
    )
    there = last.sheet is not None and not on_shelf(last.sheet.file)
    return last if whole and not there else None


def stray_sheets(job: JobState) -> list[tuple[Take, Drawn]]:
    """Sheets that stand beside a manifest that asks for none, or for that of another take, which is
    the current one again: they belong on the shelf."""
    last = job.takes[-1] if job.takes else None
    if last is None or last.owed or (job.spec.sheet is not None and not last.restored):
        return []
    asked = job.spec.sheet is not None or spec_that_draws(last.spec) != spec_that_draws(job.spec)
    return [
        (take, take.sheet)
        for take in job.takes
        if take.sheet is not None and not on_shelf(take.sheet.file) and not (take is last and asked)
    ]


def sheet_task(job: JobState, take: Take) -> Task:
    """A take's sheet as a task, number 0: it belongs where the newest sheet stands."""
    held = next(
        (
            (older, older.sheet)
            for older in reversed(job.takes)
            if older.sheet is not None and not on_shelf(older.sheet.file)
        ),
        None,
    )
    first = take.cells[0]
    return Task(
        job=job.key,
        take=take.number,
        index=0,
        seed=first.seed,
        resolved=first.resolved,
        digest=first.digest,
        file=held[1].file if held else picture_file(job.key, 0),
        replaces=held[1].sha256 if held else None,
        shelf=shelf_file(job.key, held[0].number, 0) if held else None,
    )


def leftovers(job: JobState) -> list[tuple[str, Drawn]]:
    """Where a picture that is on the shelf may still stand beside the manifest, because the program
    died between the two; and the picture on the shelf."""
    sheet = picture_file(job.key, 0)
    sheets = [take.sheet for take in job.takes if take.sheet is not None]
    return [
        (file, Drawn(file=image.file, sha256=image.sha256))
        for take in job.takes
        for image in take.images.values()
        if on_shelf(image.file)
        and not image.discarded
        and (file := picture_file(job.key, image.index))
        and owner(job, file) is None
    ] + [
        (sheet, each)
        for each in sheets
        if on_shelf(each.file)
        and not each.discarded
        and all(other.file != sheet for other in sheets)
    ]


def reusable(state: State, task: Task) -> Drawn | None:
    """A picture of the same digest and seed that was drawn before, wherever it stands; none for a
    take that is to be drawn anew."""
    if any(take.anew for take in state.jobs[task.job].takes if take.number == task.take):
        return None
    return state.drawn.get(f"{task.digest}:{task.seed}")


def task_of(job: JobState, take: Take, index: int) -> Task:
    """A picture of a take as a task: it belongs where the newest one of its number stands."""
    held = _beside(job, index)
    cell = take.cells[index - 1]
    file = held[1].file if held else picture_file(job.key, index)
    return Task(
        job=job.key,
        take=take.number,
        index=index,
        seed=cell.seed,
        resolved=cell.resolved,
        digest=cell.digest,
        file=file,
        replaces=held[1].sha256 if held else None,
        shelf=shelf_file(job.key, held[0].number, held[1].index) if held else None,
        manifest=job.file,
        lean=index in take.lean,
    )
