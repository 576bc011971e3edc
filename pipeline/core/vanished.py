"""Pictures that have gone from the disk: which ones are counted on, and what follows for them.

Pure; whoever asks looks at the disk. A picture of the current take is drawn again with its seed as
part of a new take that keeps all others where they stand: of a job, take and number there is never
a second picture, nor a second event. One of an older take cannot come back under its take, so it
is no longer counted on. What somebody has changed is there, and stays.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from pipeline.core import events as e
from pipeline.core.models import model_of
from pipeline.core.state import JobState, State
from pipeline.core.status import status
from pipeline.core.targets import Target


class Counted(Struct, frozen=True, kw_only=True):
    """A picture that the journal counts on; of several takes that have it the newest is named.

    `file` is relative to the inbox, `current` whether it is one of the current take, and
    `displaced` whether another picture of the job stands there by the journal's own word.
    """

    job: str
    take: int
    index: int
    file: str
    sha256: str
    current: bool
    displaced: bool = False


def counted_on(job: JobState) -> Iterator[Counted]:
    """All pictures of a job that should be on the disk, those of the current take first."""
    there: dict[str, str] = {}
    said: set[tuple[str, str]] = set()
    for take in reversed(job.takes):
        for image in take.images.values():
            if image.discarded or (image.file, image.sha256) in said:
                continue
            said.add((image.file, image.sha256))
            yield Counted(
                job=job.key, take=take.number, index=image.index, file=image.file,
                sha256=image.sha256, current=take is job.takes[-1],
                displaced=there.setdefault(image.file, image.sha256) != image.sha256,
            )  # fmt: skip


def redrawn(state: State, command: str, meant: Target, gone: Iterable[Counted]) -> list[e.Event]:
    """The events of what has gone from these jobs, the answer to the command last."""
    by_job: dict[str, list[Counted]] = {key: [] for key in meant.jobs}
    for one in gone:
        by_job[one.job].append(one)
    events: list[e.Event] = []
    queued, pictures, older, idle = list[str](), 0, 0, list[str]()
    for key, lost in by_job.items():
        current = [one for one in lost if one.current]
        why = _idle(state, state.jobs[key]) if current else ""
        events += [_discarded(one) for one in lost if not (one.current and why)]
        older += len(lost) - len(current)
        if why:
            idle.append(f"{key} {why}")
        elif current:
            events.append(_requested(state.jobs[key], {one.index for one in current}))
            queued.append(key)
            pictures += len(current)
    answer = _answer(meant, queued, pictures, older, idle)
    return [*events, e.CommandAnswered(command=command, answer=answer)]


def _discarded(one: Counted) -> e.ImageDiscarded:
    return e.ImageDiscarded(job=one.job, take=one.take, index=one.index, file=one.file)


def _requested(job: JobState, gone: set[int]) -> e.RenderRequested:
    """The last take's pictures as they were asked for, even if the job is stale by now."""
    last = job.takes[-1]
    kept = (n for n, image in last.images.items() if n not in gone and not image.discarded)
    return e.RenderRequested(
        job=job.key, take=job.next_take, reason="asked", cells=last.cells, inputs=last.inputs,
        anew=last.anew, kept=tuple(sorted(kept)),
    )  # fmt: skip


def _idle(state: State, job: JobState) -> str:
    """Why a job's pictures cannot be drawn again as they were, if so."""
    word = status(state, job)
    if word not in ("done", "failed"):
        return f"is {word}: ask again when it is done"
    if job.takes[-1].model != model_of(state, job):
        return f"was drawn with another model: anime render {job.key} draws it with this one"
    return ""


def _answer(
    meant: Target, queued: list[str], pictures: int, older: int, idle: list[str]
) -> str:  # fmt: skip
    said = []
    if queued:
        jobs = queued[0] if len(queued) == 1 else f"{len(queued)} jobs of {meant.name}"
        said.append(f"queued {jobs} ({_counted(pictures)} gone)")
    if older:
        said.append(f"{_counted(older)} of older takes no longer counted on")
    if idle:
        more = f" and {len(idle) - 1} more" if len(idle) > 1 else ""
        said.append(f"not drawn again: {idle[0]}{more}")
    return "; ".join(said) or f"nothing has gone of {meant.name}"


def _counted(pictures: int) -> str:
    return f"{pictures} picture" if pictures == 1 else f"{pictures} pictures"
