"""In one word, how a job stands, derived from the state; and whether its pictures are stale."""

from typing import Literal

from pipeline.core.resolve import Compiled, Waiting, resolve
from pipeline.core.state import JobState, State, spec_that_draws

Status = Literal[
    "waiting", "held", "queued", "rendering", "done", "failed", "cancelled", "quarantined",
    "withdrawn",
]  # fmt: skip


def status(state: State, job: JobState) -> Status:
    """How a job stands; the first of these that is true of it."""
    if job.withdrawn:
        return "withdrawn"
    if job.cancelled:
        return "cancelled"
    if job.quarantined is not None:
        return "quarantined"
    last = job.takes[-1] if job.takes else None
    if last is not None and spec_that_draws(last.spec) != spec_that_draws(job.spec):
        last = None
    if last is not None and last.started:
        return "rendering"
    if last is not None and not last.owed:
        return "failed" if last.failed else "done"
    if waits_for(state, job) is not None:
        return "waiting"
    return "held" if job.on_hold else "queued"


def waits_for(state: State, job: JobState) -> Waiting | None:
    """What a job refers to that is not there, if anything."""
    outcome = resolve(state, job)
    return outcome if isinstance(outcome, Waiting) else None


def stale(state: State, job: JobState) -> bool:
    """Whether the job's pictures show what its manifests no longer say."""
    if job.withdrawn or not job.takes or not job.takes[-1].images or job.takes[-1].restored:
        return False
    outcome = resolve(state, job)
    return isinstance(outcome, Compiled) and outcome.shows != job.takes[-1].shows
