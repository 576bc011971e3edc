"""Why a picture looks as it does: a job's pictures, and where each word of their prompts is from.

Pure. Owns the values; `pipeline.commands.showing` writes them out.
"""

from collections.abc import Callable

from msgspec import Struct

from pipeline.core.missing import Waiting
from pipeline.core.prompt import Part
from pipeline.core.resolve import origins, resolve
from pipeline.core.resolved import Resolved
from pipeline.core.state import JobState, State
from pipeline.core.status import Status, outdated, status


class Length(Struct, frozen=True, kw_only=True):
    """How many tokens a prompt has, and how many a text encoder takes at once."""

    tokens: int
    window: int

    @property
    def pieces(self) -> int:
        """In so many pieces it is encoded."""
        return max(1, -(-self.tokens // self.window))


Measure = Callable[[str], Length]


class Explained(Struct, frozen=True, kw_only=True):
    """One picture as the manifests would have it now; `length` is its prompt's, or None where
    nobody counted."""

    index: int
    label: str
    seed: int
    resolved: Resolved
    prompt: tuple[Part, ...]
    negative: tuple[Part, ...]
    length: Length | None = None


class Story(Struct, frozen=True, kw_only=True):
    """A job: how it stands, what it would draw, what it waits for, and what has changed since."""

    key: str
    file: str
    status: Status
    stale: tuple[str, ...]
    waits: tuple[str, ...]
    pictures: tuple[Explained, ...]


def explain(state: State, job: JobState, measure: Measure | None = None) -> Story:
    """What the job's manifests come to now, and why; `measure` counts a prompt's tokens."""
    outcome = resolve(state, job)
    waits: tuple[str, ...] = ()
    pictures: tuple[Explained, ...] = ()
    if isinstance(outcome, Waiting):
        waits = tuple(map(str, outcome.missing))
    else:
        pictures = tuple(
            Explained(
                index=index,
                label=cell.label,
                seed=cell.seed,
                resolved=cell.resolved,
                prompt=words.prompt,
                negative=words.negative,
                length=measure(cell.resolved.prompt) if measure is not None else None,
            )
            for index, (cell, words) in enumerate(
                zip(outcome.cells, origins(state, job), strict=True), start=1
            )
        )
    return Story(
        key=job.key,
        file=job.file,
        status=status(state, job),
        stale=outdated(state, job),
        waits=waits,
        pictures=pictures,
    )
