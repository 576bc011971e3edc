"""Why a picture looks so: what it was drawn from, where each word came from, and how to have it
again.

Owns the answer's shape. What is said of the words is `pipeline.core.explained`'s, as `anime show`
has it; the manifest that draws it again is `anime recipe`'s. Reads one picture, never by a path of
a request.
"""

from pathlib import Path

from msgspec import Struct

from pipeline.commands.recipe import recipe
from pipeline.core.explained import Explained, explain
from pipeline.core.inputs import changed
from pipeline.core.prompt import Part
from pipeline.core.resolved import Made, Resolved
from pipeline.core.state import JobState, State, Take
from pipeline.core.status import outdated
from pipeline.errors import AnimeError


class Why(Struct, frozen=True, kw_only=True):
    """A picture explained. `prompt` and `negative` have their parts with where each is from, where
    the manifests still say what it was drawn from; `changed` names what they say otherwise, and
    `now` is what they would have drawn instead."""

    job: str
    take: int
    index: int
    label: str
    seed: int
    resolved: Resolved
    inputs: tuple[str, ...]
    prompt: tuple[Part, ...]
    negative: tuple[Part, ...]
    changed: tuple[str, ...]
    now: Resolved | None
    made: Made | None
    sha256: str


class Again(Struct, frozen=True, kw_only=True):
    """The manifest that draws a picture again, or why none can be had."""

    manifest: str | None
    refused: str | None


def why(state: State, job: JobState, take: Take, index: int) -> Why:
    """The picture of that number of a take, explained against what is declared now."""
    cell, image = take.cells[index - 1], take.images[index]
    found = _same(state, job, index)
    same = found is not None and found.resolved == cell.resolved
    return Why(
        job=job.key,
        take=take.number,
        index=index,
        label=cell.label,
        seed=image.seed,
        resolved=cell.resolved,
        inputs=tuple(take.inputs),
        prompt=found.prompt if found is not None and same else (),
        negative=found.negative if found is not None and same else (),
        changed=() if same else _changed(state, job, take),
        now=found.resolved if found is not None and not same else None,
        made=image.made,
        sha256=image.sha256,
    )


def again(path: Path) -> Again:
    """What `anime recipe` says of the picture at that path."""
    try:
        return Again(manifest=recipe(path).text, refused=None)
    except AnimeError as error:
        return Again(manifest=None, refused=str(error))


def _same(state: State, job: JobState, index: int) -> Explained | None:
    """The picture of that number as the manifests would have it now, if they would."""
    if job.withdrawn:
        return None
    return next((one for one in explain(state, job).pictures if one.index == index), None)


def _changed(state: State, job: JobState, take: Take) -> tuple[str, ...]:
    if take is job.takes[-1]:
        return outdated(state, job)
    return changed(take.inputs, job.takes[-1].inputs) or ("the job itself",)
