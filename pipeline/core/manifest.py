"""What a person writes: the three kinds of manifest, as frozen values.

Owns the fields, their types and ranges, and `faults`: what the types alone cannot say.
Never reads a file and never looks at another manifest.
"""

import re
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from pipeline.core.samplers import SCHEDULES, Sampler, Schedule

Name = Annotated[
    str, Meta(min_length=1, max_length=100, description="A name in any script, with a letter in it")
]
Text = Annotated[str, Meta(max_length=10_000, description="Prose for people; never in a prompt")]
Tags = (
    Annotated[str, Meta(max_length=10_000, description="Tags, comma separated")]
    | Annotated[tuple[str, ...], Meta(max_length=200, description="A list of tags")]
)
Size = Annotated[
    str,
    Meta(
        pattern=r"^[1-9][0-9]{1,3}x[1-9][0-9]{1,3}$",
        description="width x height in pixels, such as 832x1216",
        examples=["832x1216"],
    ),
]
Seed = Annotated[int, Meta(ge=0, le=2**53 - 1, description="Exact in every JSON reader")]
Steps = Annotated[int, Meta(ge=1, le=150)]
Guidance = Annotated[float, Meta(ge=0, le=30)]
Count = Annotated[int, Meta(ge=1, le=100, description="How many pictures, each with its own seed")]
Priority = Annotated[int, Meta(ge=-1000, le=1000, description="Higher is drawn earlier")]

SMALLEST, LARGEST, GRAIN = 64, 4096, 8
"""Bounds of a picture's side in pixels, and what it must be a multiple of (the VAE's factor)."""


class Defaults(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a project says for all its jobs; a job's own word comes before it."""

    size: Size | None = None
    steps: Steps | None = None
    guidance: Guidance | None = None
    sampler: Sampler | None = None
    schedule: Schedule | None = None
    count: Count | None = None
    prompt: Tags | None = None
    negative: Tags | None = None


class Project(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True,
    tag_field="kind", tag="project",
):  # fmt: skip
    """A production: what holds for all its characters and jobs."""

    name: Name
    description: Text = ""
    style: Name | None = None
    defaults: Defaults = Defaults()
    rerender: Annotated[
        Literal["ask", "always"],
        Meta(description="Whether its stale pictures are drawn again unasked"),
    ] = "ask"
    metadata: dict[str, Any] = {}


class Character(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True,
    tag_field="kind", tag="character",
):  # fmt: skip
    """A bible. Appearance, outfit, expression, trigger and negative reach the prompt."""

    name: Name
    project: Name | None = None
    description: Text = ""
    appearance: Tags = ""
    outfit: Tags = ""
    expression: Tags = ""
    personality: Text = ""
    backstory: Text = ""
    relationships: dict[str, str] = {}
    reference_prompts: tuple[str, ...] = ()
    negative: Tags = ""
    trigger: Tags = ""
    seed: Seed | None = None


class Job(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True,
    tag_field="kind", tag="job",
):  # fmt: skip
    """One picture to draw, or `count` of them."""

    name: Name | None = None
    project: Name | None = None
    prompt: Tags = ""
    negative: Tags = ""
    characters: Annotated[tuple[Name, ...], Meta(max_length=8)] = ()
    style: Name | None = None
    count: Count | None = None
    seed: Seed | None = None
    size: Size | None = None
    steps: Steps | None = None
    guidance: Guidance | None = None
    sampler: Sampler | None = None
    schedule: Schedule | None = None
    priority: Priority = 0
    hold: bool = False
    force: Annotated[bool, Meta(description="Drawn although the same picture was drawn before")] = (
        False
    )


Manifest = Project | Character | Job


class Fault(Struct, frozen=True, kw_only=True):
    """What is wrong with one field; `path` leads to it from the document's root."""

    path: tuple[str | int, ...]
    message: str
    hint: str = ""


def parse_size(text: str) -> tuple[int, int]:
    """`832x1216` as (width, height) in pixels."""
    width, height = text.split("x")
    return int(width), int(height)


def split_tags(tags: Tags | None) -> tuple[str, ...]:
    """Tags as a tuple, split at commas outside brackets, trimmed, empty ones dropped."""
    if not tags:
        return ()
    lines = (tags,) if isinstance(tags, str) else tags
    pieces = (piece for line in lines for piece in re.split(r",(?![^(]*\))", line))
    return tuple(tidy for piece in pieces if (tidy := " ".join(piece.split())))


def faults(manifest: Manifest) -> list[Fault]:
    """Everything wrong with a well-typed manifest by itself; the loader asks once per document."""
    found = []
    if manifest.name is not None and not any(char.isalnum() for char in manifest.name):
        found.append(
            Fault(
                path=("name",),
                message=f"name {manifest.name!r} has no letter or digit in it",
                hint="give it a name that can become a file name, such as 'akira'",
            )
        )
    match manifest:
        case Project(defaults=defaults):
            found += _size_faults(("defaults", "size"), defaults.size)
            found += _schedule_faults(("defaults", "schedule"), defaults)
        case Job():
            found += _size_faults(("size",), manifest.size)
            found += _schedule_faults(("schedule",), manifest)
            if not manifest.characters and not split_tags(manifest.prompt):
                found.append(
                    Fault(
                        path=(),
                        message="a job needs a prompt, characters, or both",
                        hint="add a line such as 'prompt: city at night' or 'characters: [akira]'",
                    )
                )
        case Character():
            pass
    return found


def _size_faults(path: tuple[str, ...], size: str | None) -> list[Fault]:
    if size is None:
        return []
    width, height = parse_size(size)
    found = []
    for side, pixels in (("width", width), ("height", height)):
        if not SMALLEST <= pixels <= LARGEST or pixels % GRAIN:
            nearest = min(max(round(pixels / GRAIN) * GRAIN, SMALLEST), LARGEST)
            found.append(
                Fault(
                    path=path,
                    message=f"{side} must be a multiple of {GRAIN} between {SMALLEST} "
                    f"and {LARGEST}, not {pixels}",
                    hint=f"the nearest is {nearest}",
                )
            )
    return found


def _schedule_faults(path: tuple[str, ...], spec: Job | Defaults) -> list[Fault]:
    if spec.sampler is None or spec.schedule is None:
        return []
    able = SCHEDULES[spec.sampler]
    if spec.schedule in able:
        return []
    return [
        Fault(
            path=path,
            message=f"sampler {spec.sampler} cannot follow the schedule {spec.schedule}",
            hint=f"it can follow {', '.join(able)}",
        )
    ]
