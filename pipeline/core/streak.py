"""Failures in a row, of different jobs: where the fault is no job's own, the queue had better wait.

Pure. Owns what is one more of them, what ends the row, and the words of the pause. Only events
count, so that a replay gives the same; a job that fails with each of its pictures counts once.
"""

from pipeline.core import events as e
from pipeline.core.state import State

_LONGEST = 160
"""Characters of an error that the pause repeats; the whole of it is with its picture."""
_NAMED = 5
"""Failures that the pause names; with more it says how many there are."""


def failed(state: State, job: str, why: str) -> None:
    """Fold one more: the job's newest failure."""
    state.failing.pop(job, None)
    state.failing[job] = why[:_LONGEST]


def ended(state: State) -> None:
    """Fold the end of the row: a picture was drawn, or somebody has the queue go on."""
    if state.failing:
        state.failing = {}


def pause(state: State, job: str, why: str) -> list[e.Event]:
    """The pause that follows if this job fails now; none while the queue is paused already."""
    failing = {key: said for key, said in state.failing.items() if key != job}
    failing[job] = why[:_LONGEST]
    if state.paused is not None or not 0 < state.pause_after <= len(failing):
        return []
    said = [f"{key} ({' '.join(error.split())})" for key, error in failing.items()]
    named = "; ".join(said[-_NAMED:])
    return [
        e.QueuePaused(
            reason=f"{len(failing)} jobs failed one after another: {named}; if what they share is "
            "mended: anime resume, and anime retry for each of them",
            by="failures",
        )
    ]
