"""In one word, how a job stands, derived from the state; and whether its pictures are stale."""

from typing import Literal

from pipeline.core.inputs import changed
from pipeline.core.missing import Waiting
from pipeline.core.pending import is_current
from pipeline.core.resolve import resolve
from pipeline.core.resolved import Meant
from pipeline.core.state import JobState, State, spec_that_draws

Status = Literal[
    "waiting", "held", "queued", "rendering", "done", "failed", "cancelled", "quarantined",
    "withdrawn",
]  # fmt: skip


def status(state: State, job: JobState) -> Status:
    """How a job stands; the first of these that is true of it.

    A take that has begun is drawn to its end, also where something that it was compiled from is
    gone.
    """
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
    goes_on = last is not None and last.begun and is_current(state, job)
    if not goes_on and waits_for(state, job) is not None:
        return "waiting"
    return "held" if job.on_hold else "queued"


def waits_for(state: State, job: JobState) -> Waiting | None:
    """What a job refers to that is not there, if anything."""
    outcome = resolve(state, job)
    return outcome if isinstance(outcome, Waiting) else None


def stale(state: State, job: JobState) -> bool:
    """Whether the job's pictures show what its manifests no longer say."""
    return bool(outdated(state, job))


def outdated(state: State, job: JobState) -> tuple[str, ...]:
    """Which inputs of a job's pictures have changed (`akira.appearance`); none unless stale.

    Those of a take that was restored, since then: it never was what the manifests say.
    """
    if job.withdrawn or not job.takes or not job.takes[-1].images:
        return ()
    outcome, last = resolve(state, job), job.takes[-1]
    before = last.meant if last.restored else Meant(shows=last.shows, inputs=last.inputs)
    if isinstance(outcome, Waiting):
        # What the pictures came from is no longer there.
        return tuple(map(str, outcome.missing))
    if before is None or outcome.shows == before.shows:
        return ()
    if not before.inputs and not last.restored:
        return ("(drawn by a version that did not record its inputs)",)
    return changed(before.inputs, outcome.inputs) or ("how prompts are compiled",)
