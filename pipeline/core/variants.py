"""Many pictures from one job: a matrix or a sheet becomes several jobs of one picture each.

Pure. Each variant is the job as it would stand if a person had written just that combination.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Any

import msgspec
from msgspec import Struct

from pipeline.core.faults import AXES
from pipeline.core.manifest import Job, Value, split_tags
from pipeline.core.prompt import Figure

EXPRESSIONS = ("smile", "laughing", "sad", "angry", "surprised", "expressionless")
"""What a sheet of expressions shows of a character whose bible names none."""

TURNS = {
    "front": "looking at viewer",
    "three-quarter": "three-quarter view, looking to the side",
    "side": "from side, profile",
    "back": "from behind",
}
"""The views of a turnaround, by label, and their tags."""

USUAL = "usual"
"""What a sheet calls the outfit that is worn where a job says nothing."""


class Variant(Struct, frozen=True, kw_only=True):
    """One combination: the job that draws it, and what tells it from the others."""

    job: Job
    label: str = ""


def variants(job: Job, figures: Sequence[Figure]) -> Iterator[Variant]:
    """Every combination that the job asks for, in order; the last list of a matrix varies first.

    `figures` are the job's characters, of which a sheet shows the first.
    """
    if job.sheet is not None and figures:
        yield from _sheet(job, figures[0])
        return
    axes = [[(name, value) for value in values] for name, values in job.matrix.items()]
    for chosen in product(*axes):
        yield Variant(job=_with(job, chosen), label=" · ".join(str(value) for _, value in chosen))


def _sheet(job: Job, figure: Figure) -> Iterator[Variant]:
    match job.sheet:
        case "turnaround":
            for label, tags in TURNS.items():
                yield Variant(job=_saying(job, tags), label=label)
        case "expressions":
            for name in figure.bible.expressions or EXPRESSIONS:
                yield Variant(job=_with(job, [("expression", name)]), label=name)
        case "outfits":
            if split_tags(figure.bible.outfit) or not figure.bible.outfits:
                yield Variant(job=job, label=USUAL)
            for name in figure.bible.outfits:
                yield Variant(job=_with(job, [("outfit", name)]), label=name)


def _with(job: Job, chosen: Iterable[tuple[str, Value]]) -> Job:
    """The job with values in place of fields, of `{word}` in the prompt, or at its end."""
    for name, value in chosen:
        if name in AXES:
            job = _set(job, name, value)
            if name in ("expression", "outfit"):
                job = msgspec.structs.replace(job, cast=_free(job, name))
        elif f"{{{name}}}" in _text(job):
            prompt = _text(job).replace(f"{{{name}}}", str(value))
            job = msgspec.structs.replace(job, prompt=prompt)
        else:
            job = _saying(job, str(value))
    return job


def _set(job: Job, name: str, value: Value) -> Job:
    fields: dict[str, Any] = {**msgspec.to_builtins(job), name: value}
    return msgspec.convert(fields, Job)


def _free(job: Job, field: str) -> Any:
    """The cast, without words of their own where a matrix says what all wear or feel."""
    return tuple(msgspec.structs.replace(role, **{field: None}) for role in job.cast)


def _saying(job: Job, tags: str) -> Job:
    said = _text(job)
    return msgspec.structs.replace(job, prompt=f"{said}, {tags}" if said else tags)


def _text(job: Job) -> str:
    return job.prompt if isinstance(job.prompt, str) else ", ".join(job.prompt)
