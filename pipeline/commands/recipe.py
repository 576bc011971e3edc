"""`anime recipe`: a manifest that draws a picture again, from what the picture says of itself.

Owns the manifest's text, in which comments say where it is from and what it could not carry over.
Reads one file, and runs nothing that it says.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from pipeline.core.manifest import Job
from pipeline.core.parameters import parse
from pipeline.core.recipe import NoRecipe, Recipe, model_of, of_parameters, of_record
from pipeline.core.record import Record
from pipeline.errors import AnimeError
from pipeline.inscription import Inscription, pixels_in, read
from pipeline.telling import clean

_FIELDS = ("prompt", "negative", "style", "seed", "size", "steps", "guidance", "sampler",
           "clip_skip", "schedule", "lora", "reference", "from_", "refine", "control",
           "model")  # fmt: skip
_PLACE = "Put it where no project adds a prompt or a negative of its own to it."
_NOISE = (
    "the very same picture: from the same seed other programs make other noise, so expect one "
    "like it"
)
_GRAPHS = ("prompt", "workflow")


class SaysNothing(AnimeError):
    """Nothing in the picture says how to draw it, or nothing that we understand."""


class Written(Struct, frozen=True, kw_only=True):
    """A manifest's text, and how many things it says it could not carry over."""

    text: str
    notes: tuple[str, ...]


def recipe(image: Path) -> Written:
    """The manifest that draws the picture again: from our record, else from `parameters`.

    Raises:
        NotRead: the file is no PNG that is read here.
        SaysNothing: it says nothing that a job can be made of.
    """
    found = read(image.resolve())
    try:
        if found.record is not None:
            return _ours(image, found.record, of_record(found.record))
        return _others(image, found)
    except NoRecipe as error:
        raise SaysNothing(f"{image} cannot be drawn again: {error}") from error


def _ours(image: Path, record: Record, made: Recipe) -> Written:
    version = f"anime {record.version}" if record.version else "anime"
    by = f" of {record.manifest}" if record.manifest else ""
    head = [
        f"Draws {image.name} again: job {record.job}{by}, take {record.take}, picture "
        f"{record.index}.",
        f"It was drawn by {version} with the model {record.model} "
        f"(sha256 {record.resolved.model[:12]}).",
    ]
    if record.commit:
        head.append(f"Checked out at the time was the commit {record.commit}.")
    notes = list(made.notes)
    if pixels_in(image.resolve()) != record.pixels:
        notes.append("what was changed in the picture after it was drawn")
    return _written([*head, _PLACE], made.job, notes)


def _others(image: Path, found: Inscription) -> Written:
    if found.parameters is None:
        raise _silent(image, found)
    if _is_json(found.parameters):
        raise SaysNothing(
            f"{image}: its parameters are a JSON object, not the text that most tools write",
            "let the tool that drew it write them as A1111 does, and draw it once more there",
        )
    try:
        said = parse(found.parameters)
    except ValueError as error:
        raise SaysNothing(f"{image}: its parameters cannot be read: {error}") from error
    made, values = of_parameters(said), said.values
    head = [f"Draws something like {image.name}, by the parameters that another tool wrote into it"]
    head[0] += f" ({values['Version']})." if "Version" in values else "."
    notes = [_NOISE]
    if model := model_of(values):
        notes.append(f"the model {model}: it is drawn with that of your own run")
    if not values:
        notes.append("seed, size, steps and sampler: it does not say them")
    return _written([*head, _PLACE], made.job, [*notes, *made.notes])


def _silent(image: Path, found: Inscription) -> SaysNothing:
    graphs = [key for key in _GRAPHS if _is_json(found.texts.get(key, ""))]
    if graphs:
        return SaysNothing(
            f"{image} holds the graph of ComfyUI that drew it ({' and '.join(graphs)}), and no "
            "parameters: a graph may do anything, so no job is guessed from it",
            "copy prompt, seed and size from the graph, or save with a node that writes A1111's "
            "parameters too",
        )
    other = ", ".join(sorted(found.texts)[:8])
    also = f"; it has texts of another kind ({clean(other)})" if other else ""
    return SaysNothing(
        f"{image} does not say how it was drawn{also}",
        "many programs and sites take that out; look for the file as it was drawn",
    )


def _written(head: list[str], job: Job, notes: list[str]) -> Written:
    lines = [f"# {clean(line)}" for line in head]
    if notes:
        lines += ["#", "# What it does not carry over:"]
        lines += [f"# - {clean(note)}" for note in notes]
    return Written(text="\n".join([*lines, *_fields(job)]) + "\n", notes=tuple(notes))


def _fields(job: Job) -> Iterator[str]:
    yield "kind: job"
    for name in _FIELDS:
        value = getattr(job, name)
        if value is None or value in ("", ()):
            continue
        yield f"{name.rstrip('_')}: {_scalar(name, value)}"


def _scalar(name: str, value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if name in ("prompt", "negative"):
        return json.dumps(value, ensure_ascii=False)
    if name in ("lora", "reference", "from_", "refine", "control"):
        return msgspec.json.encode(value).decode()
    return str(value)


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
