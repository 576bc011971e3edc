"""What a run would do now, job by job, derived from the state; and how long it may take.

Pure. Owns the words of a plan; whoever asks first folds what the files say into the state.
"""

from collections.abc import Callable, Iterator
from statistics import median
from typing import Literal

from msgspec import Struct

from pipeline.core.models import called, name_of
from pipeline.core.pending import held_back, is_current, may_draw
from pipeline.core.resolved import Resolved
from pipeline.core.state import Drawn, Image, JobState, State, Take
from pipeline.core.status import outdated, status, waits_for
from pipeline.core.turns import Due, Turns, count_switches

Word = Literal[
    "render", "reuse", "done", "stale", "waiting", "held", "failed", "quarantined", "cancelled"
]

RECENT = 200
"""So many of the newest pictures say how long one takes."""


class Planned(Struct, frozen=True, kw_only=True):
    """What becomes of one job: `render` so many pictures and copy `reuse` that were drawn before.

    `why` names what changed (stale), what it waits for, or what stands against it. `model` is what
    its model is called where the settings name several, and where it is known.
    """

    job: str
    file: str
    word: Word
    render: int = 0
    reuse: int = 0
    why: tuple[str, ...] = ()
    model: str = ""


class Plan(Struct, frozen=True, kw_only=True):
    """All jobs in force. `switches` are the models that the workers take one after another, after
    the first, by what they are called. `seconds` is how long the drawing may take with the workers
    there are, switches aside, or None where no picture was ever drawn."""

    jobs: tuple[Planned, ...]
    render: int
    reuse: int
    seconds: float | None
    paused: str | None
    switches: tuple[str, ...] = ()


def _one_at_a_time(models: tuple[str, ...]) -> bool:
    return len(models) <= 1


def plan(
    state: State,
    is_there: Callable[[Drawn], bool],
    fits: Callable[[tuple[str, ...]], bool] = _one_at_a_time,
) -> Plan:
    """What a run would do now; `is_there` is whether a picture drawn before is as it was, and
    `fits` whether models, by their sha256, may be held together."""
    planned, owed, seen = [], 0.0, set[tuple[str, int]]()
    due: list[Due] = []
    for job in sorted(state.jobs.values(), key=lambda job: job.rank):
        if job.withdrawn:
            continue
        fresh, copied = _owed(state, job, is_there, seen)
        planned.append(_planned(state, job, len(fresh), copied))
        owed += sum(fresh)
        if fresh:
            due += [Due(priority=-job.rank[0], model=job.takes[-1].model)] * len(fresh)
    pace = _pace(state)
    render = sum(each.render for each in planned)
    seconds = 0.0 if not render else None if pace is None else owed * pace
    return Plan(
        jobs=tuple(planned),
        render=render,
        reuse=sum(each.reuse for each in planned),
        seconds=None if seconds is None else seconds / max(min(state.at_once, render), 1),
        paused=state.paused,
        switches=tuple(
            called(state, one) for one in count_switches(due, Turns(held=state.warm), fits)
        ),
    )


def _planned(state: State, job: JobState, render: int, reuse: int) -> Planned:
    word = status(state, job)
    match word:
        case "waiting":
            waits = waits_for(state, job)
            return _told(job, "waiting", tuple(map(str, waits.missing)) if waits else ())
        case "held" | "cancelled":
            return _told(job, word, ())
        case "quarantined":
            return _told(job, word, (job.quarantined or "",))
        case "failed":
            return _told(job, word, tuple(dict.fromkeys(job.takes[-1].failed.values())))
        case _:
            pass
    if render or reuse:
        return Planned(job=job.key, file=job.file, word="render" if render else "reuse",
                       render=render, reuse=reuse, model=name_of(state, job) or "")  # fmt: skip
    why = outdated(state, job)
    return _told(job, "stale" if why else "done", why)


def _told(job: JobState, word: Word, why: tuple[str, ...]) -> Planned:
    return Planned(job=job.key, file=job.file, word=word, why=why)


def _owed(
    state: State, job: JobState, is_there: Callable[[Drawn], bool], seen: set[tuple[str, int]]
) -> tuple[list[float], int]:
    """The work of each picture that is to be drawn, and how many only need to be copied.

    Of two that would be the same the second is a copy of the first, whose jobs ever they are,
    unless it is to be drawn anew; `seen` has what is drawn by then.
    """
    if not job.takes or not may_draw(job):
        return [], 0
    if not is_current(state, job) or held_back(state, job):
        return [], 0
    take, fresh, copied = job.takes[-1], [], 0
    for index in take.owed:
        shown = take.shows[index - 1]
        drawn = None if take.anew else state.drawn.get(f"{shown[0]}:{shown[1]}")
        alike = shown in seen and not take.anew
        if alike or (drawn is not None and is_there(drawn)):
            copied += 1
        else:
            seen.add(shown)
            fresh.append(work(take, index))
    return fresh, copied


def work(take: Take, index: int) -> float:
    """What drawing a picture of a take costs, in pixels times calls of the model."""
    return work_of(take.cells[index - 1].resolved)


def work_of(inputs: Resolved) -> float:
    """What drawing these inputs costs, in pixels times calls of the model."""
    return inputs.work * (2 if inputs.guidance > 1 else 1)


def _pace(state: State) -> float | None:
    """Seconds a unit of work took on a worker, by the newest pictures that were drawn."""
    drawn = sorted(_drawn(state), key=lambda each: each[1].at)[-RECENT:]
    if not drawn:
        return None
    return median(image.seconds / work(take, image.index) for take, image in drawn)


def _drawn(state: State) -> Iterator[tuple[Take, Image]]:
    for job in state.jobs.values():
        for take in job.takes:
            for image in take.images.values():
                if image.seconds > 0 and image.index <= len(take.cells):
                    yield take, image
