"""What is owed: dispatch is derived from the state, there is no second queue to keep true."""

from pipeline.core.keys import on_shelf, picture_file, shelf_file
from pipeline.core.resolved import Task
from pipeline.core.state import Drawn, Image, JobState, State, Take


def queue(state: State) -> list[JobState]:
    """The jobs with pictures owed that may be drawn, first to be drawn first; a paused queue
    keeps its order."""
    jobs = (state.jobs[key] for key in state.owed)
    return sorted((job for job in jobs if may_draw(job)), key=lambda job: job.rank)


def may_draw(job: JobState) -> bool:
    """Whether anything stands against drawing this job now."""
    return not (job.withdrawn or job.cancelled or job.on_hold or job.quarantined)


def pending(state: State, busy: set[str], most: int) -> list[Task]:
    """At most `most` pictures to draw next, none while the queue is paused.

    `busy` names the pictures being drawn, as `job.index`: an older take of the same picture has
    to end before the next may begin, as both belong in the same place.
    """
    tasks: list[Task] = []
    if state.paused is not None or most <= 0:
        return tasks
    for job in queue(state):
        take = job.takes[-1]
        for index in take.owed:
            if f"{job.key}.{index}" not in busy:
                tasks.append(_task(job, take, index))
                if len(tasks) == most:
                    return tasks
    return tasks


def wanted(state: State, task: Task) -> bool:
    """Whether a picture being drawn is still asked for; holding or pausing lets it finish."""
    job = state.jobs.get(task.job)
    if job is None or job.withdrawn or job.cancelled or job.quarantined or not job.takes:
        return False
    last = job.takes[-1]
    return last.number == task.take and last.digest == task.digest and task.index in last.owed


def owner(job: JobState, file: str) -> tuple[Take, Image] | None:
    """The take and the picture that stand at a file, by the journal's word."""
    for take in reversed(job.takes):
        for image in take.images.values():
            if image.file == file:
                return take, image
    return None


def strays(job: JobState) -> list[tuple[Take, Image]]:
    """Pictures of older takes that still stand beside the manifest, though the finished newest
    take has no picture of that number: they belong on the shelf."""
    if not job.takes or job.takes[-1].owed or job.takes[-1].failed:
        return []
    last = job.takes[-1]
    kept = {image.file for image in last.images.values()}
    return [
        (take, image)
        for take in job.takes[:-1]
        for image in take.images.values()
        if image.index > len(last.seeds) and image.file not in kept and not on_shelf(image.file)
    ]


def reusable(state: State, task: Task) -> Drawn | None:
    """A picture of the same digest and seed that was drawn before, wherever it stands."""
    return state.drawn.get(f"{task.digest}:{task.seed}")


def _task(job: JobState, take: Take, index: int) -> Task:
    file = picture_file(job.key, index)
    held = owner(job, file)
    return Task(
        job=job.key,
        take=take.number,
        index=index,
        seed=take.seeds[index - 1],
        resolved=take.resolved,
        digest=take.digest,
        file=file,
        replaces=held[1].sha256 if held else None,
        shelf=shelf_file(job.key, held[0].number, held[1].index) if held else None,
    )
