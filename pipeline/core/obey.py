"""What a command makes of the state: the events that follow, and the answer to whoever gave it.

Pure. Every command is answered, by the last of its events; one that was answered already makes
none, so that a command whose file outlived a crash is not obeyed twice.
"""

from collections.abc import Callable
from typing import assert_never

from msgspec import Struct

from pipeline.core import commands as c
from pipeline.core import events as e
from pipeline.core import observed as o
from pipeline.core.missing import Waiting
from pipeline.core.pending import owner
from pipeline.core.resolve import resolve
from pipeline.core.resolved import Meant
from pipeline.core.state import JobState, State, Take
from pipeline.core.status import stale, status
from pipeline.core.targets import Refusal, find, find_job
from pipeline.core.verdict import judge

_UNASKED = "as somebody asked"
_RETRY = "is {}; anime retry makes it owed again"
_OVER = {"done", "failed", "quarantined", "cancelled", "withdrawn"}


class _Made(Struct, frozen=True, kw_only=True):
    """What one job gets of a command: its events and how many pictures that is about, or else why
    there is nothing to do."""

    events: tuple[e.Event, ...] = ()
    pictures: int = 0
    idle: str = ""


def obey(state: State, name: str, command: c.Command) -> list[e.Event]:
    """The events of the command of that name, the answer last; none if it was answered before.

    A `Restore` that can be obeyed gives none either: its pictures are moved first, and `restored`
    says what follows; nor a `Redraw`: the disk is looked at first, and it is
    `pipeline.core.vanished` that says what follows.
    """
    if name in state.answered:
        return []
    match command:
        case c.Hold(target=target):
            return _all(state, name, target, ("held", "hold"), _hold)
        case c.Release(target=target):
            return _all(state, name, target, ("released", "release"), _release)
        case c.Cancel(target=target):
            return _all(state, name, target, ("cancelled", "cancel"), _cancel)
        case c.Retry(target=target):
            return _all(state, name, target, ("retried", "retry"), _retry)
        case c.Render(target=target, stale=True):
            return _all(state, name, target, ("queued", "draw again"), _refresh)
        case c.Render(target=target):
            return _all(state, name, target, ("queued", "draw again"), _redraw)
        case c.Prioritise():
            return _prioritise(state, name, command)
        case c.Pause():
            return _pause(state, name, command)
        case c.Resume():
            if state.paused is None:
                return [_answer(name, "the queue is not paused")]
            return [e.QueueResumed(), _answer(name, "the queue goes on")]
        case c.Redraw(target=target):
            meant = find(state, target)
            return [refuse(name, meant)] if isinstance(meant, Refusal) else []
        case c.Restore(job=job, take=take):
            found = restorable(state, job, take)
            return [refuse(name, found)] if isinstance(found, Refusal) else []
        case c.Approve() | c.Reject() | c.Unjudge():
            return _judge(state, name, command)
        case _:
            assert_never(command)


def refuse(name: str, why: Refusal) -> e.CommandAnswered:
    """The answer to a command that cannot be obeyed."""
    return e.CommandAnswered(command=name, answer=why.message, hint=why.hint, refused=True)


def restorable(state: State, name: str, number: int) -> tuple[JobState, Take] | Refusal:
    """The job and the older take that are to be restored."""
    job = find_job(state, name)
    if isinstance(job, Refusal):
        return job
    take = next((take for take in job.takes if take.number == number), None)
    if take is None:
        numbers = ", ".join(str(number) for number in sorted(take.number for take in job.takes))
        return Refusal(
            message=f"{job.key} has no take {number}",
            hint=f"it has {numbers}" if numbers else "nothing of it has been drawn yet",
        )
    if take is job.takes[-1]:
        return Refusal(message=f"take {number} of {job.key} is the current one")
    if not take.images:
        return Refusal(message=f"take {number} of {job.key} has no picture: none was drawn")
    if any(image.discarded for image in take.images.values()):
        return Refusal(
            message=f"take {number} of {job.key} is no longer kept: its pictures were discarded",
            hint=f"anime render {job.key} draws what the manifests say now",
        )
    return job, take


def restored(state: State, seen: o.Restored) -> list[e.Event]:
    """The events of pictures that were put back; the take counts as current only if all were."""
    job = state.jobs[seen.job]
    events: list[e.Event] = []
    for one in seen.placed:
        events += put_back(job, seen.take, one)
    if seen.error is not None:
        why = Refusal(message=seen.error, hint=seen.hint)
        return [*events, refuse(seen.command, why)]
    count = sum(take.number == seen.take and len(take.images) for take in job.takes)
    said = f"restored take {seen.take} of {job.key}{_pictures(count)}"
    now = resolve(state, job)
    meant = None if isinstance(now, Waiting) else Meant(shows=now.shows, inputs=now.inputs)
    back = e.TakeRestored(job=job.key, take=seen.take, meant=meant)
    return [*events, back, _answer(seen.command, said)]


def put_back(job: JobState, take: int, one: o.Replaced) -> list[e.Event]:
    """The events of a picture that stands beside the manifest again."""
    held = owner(job, one.file) if one.shelf is not None else None
    shelved = (
        [e.ImageShelved(job=job.key, take=held[0].number, index=held[1].index, file=one.shelf)]
        if held is not None and one.shelf is not None
        else []
    )
    return [*shelved, e.ImageRestored(job=job.key, take=take, index=one.index, file=one.file)]


def _all(
    state: State,
    name: str,
    target: str | None,
    verbs: tuple[str, str],
    act: Callable[[State, JobState], _Made],
) -> list[e.Event]:
    """The same for each of the jobs that are meant; `verbs` are `held` and `hold`."""
    past, verb = verbs
    found = find(state, target)
    if isinstance(found, Refusal):
        return [refuse(name, found)]
    made = [act(state, state.jobs[key]) for key in found.jobs]
    events = [event for one in made for event in one.events]
    touched = [key for key, one in zip(found.jobs, made, strict=True) if one.events]
    if touched:
        jobs = touched[0] if len(touched) == 1 else f"{len(touched)} jobs of {found.name}"
        said = f"{past} {jobs}{_pictures(sum(one.pictures for one in made))}"
    elif len(made) == 1:
        said = f"nothing to {verb}: {found.jobs[0]} {made[0].idle}"
    else:
        said = f"nothing to {verb} in {found.name}"
    return [*events, _answer(name, said)]


def _hold(_: State, job: JobState) -> _Made:
    if job.on_hold:
        return _Made(idle="is on hold already")
    return _Made(events=(e.JobHeld(job=job.key),), pictures=_owed(job))


def _release(_: State, job: JobState) -> _Made:
    if not job.on_hold:
        return _Made(idle="is not on hold")
    return _Made(events=(e.JobReleased(job=job.key),), pictures=_owed(job))


def _cancel(state: State, job: JobState) -> _Made:
    word = status(state, job)
    if word in _OVER:
        return _Made(idle=f"is {word}")
    return _Made(events=(e.JobCancelled(job=job.key),), pictures=_owed(job))


def _retry(state: State, job: JobState) -> _Made:
    failed = len(job.takes[-1].failed) if job.takes else 0
    if not (job.cancelled or job.quarantined or failed):
        return _Made(idle=f"is {status(state, job)}")
    return _Made(events=(e.JobRetried(job=job.key),), pictures=_owed(job) + failed)


def _refresh(state: State, job: JobState) -> _Made:
    if not stale(state, job):
        return _Made(idle="shows what its manifests say")
    if job.cancelled or job.quarantined is not None:
        return _Made(idle=_RETRY.format(status(state, job)))
    return _asked(state, job, anew=job.spec.force)


def _redraw(state: State, job: JobState) -> _Made:
    word = status(state, job)
    if job.cancelled or job.quarantined is not None:
        return _Made(idle=_RETRY.format(word))
    if word in ("queued", "rendering", "held"):
        return _Made(idle=f"is {word}: it is to be drawn anyway")
    return _asked(state, job, anew=True)


def _asked(state: State, job: JobState, *, anew: bool) -> _Made:
    outcome = resolve(state, job)
    if isinstance(outcome, Waiting):
        return _Made(idle=f"waits: {outcome}")
    take = e.RenderRequested(
        job=job.key,
        take=job.next_take,
        reason="asked",
        cells=outcome.cells,
        inputs=outcome.inputs,
        anew=anew,
    )
    return _Made(events=(take,), pictures=len(outcome.cells))


def _prioritise(state: State, name: str, command: c.Prioritise) -> list[e.Event]:
    job = find_job(state, command.job)
    if isinstance(job, Refusal):
        return [refuse(name, job)]
    if -job.rank[0] == command.priority:
        return [_answer(name, f"{job.key} has priority {command.priority} already")]
    changed = e.JobReprioritised(job=job.key, priority=command.priority)
    return [changed, _answer(name, f"{job.key} has priority {command.priority} now")]


def _pause(state: State, name: str, command: c.Pause) -> list[e.Event]:
    reason, unload = command.reason, command.unload
    same = reason in ("", state.paused) and unload == state.unload
    if state.paused_by == "person" and same:
        return [_answer(name, f"the queue is paused already: {state.paused}")]
    # A person's pause outlives a restart, which one of the settings or of a full disk does not.
    kept = state.paused if state.paused_by == "person" else None
    paused = e.QueuePaused(reason=reason or kept or _UNASKED, unload=unload)
    then = ", then the model is unloaded" if unload else ""
    return [paused, _answer(name, f"the queue is paused; what is in work is finished{then}")]


def _judge(state: State, name: str, command: c.Judgement) -> list[e.Event]:
    judged = judge(state, command)
    if isinstance(judged, Refusal):
        return [refuse(name, judged)]
    return [*judged.events, _answer(name, judged.said)]


def _owed(job: JobState) -> int:
    return len(job.takes[-1].owed) if job.takes else 0


def _pictures(count: int) -> str:
    if not count:
        return ""
    return f" ({count} picture)" if count == 1 else f" ({count} pictures)"


def _answer(name: str, said: str) -> e.CommandAnswered:
    return e.CommandAnswered(command=name, answer=said)
