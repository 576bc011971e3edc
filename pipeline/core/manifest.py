"""What a person writes: the three kinds of manifest, as frozen values.

Owns the fields, their types and ranges, and `faults`: what the types alone cannot say.
Never reads a file and never looks at another manifest.
"""

import re
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from pipeline.core.samplers import Sampler, Schedule

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

Styles = (
    Name
    | Annotated[
        tuple[Name, ...], Meta(max_length=8, description="Several styles, applied in this order")
    ]
)
Wardrobe = Annotated[
    dict[Name, Tags], Meta(max_length=100, description="Tags by the name a job calls them by")
]
Place = Literal["left", "center", "right"]
Sheet = Literal["turnaround", "expressions", "outfits"]
Value = Annotated[str, Meta(max_length=1000)] | int | float
Matrix = Annotated[
    dict[Name, Annotated[tuple[Value, ...], Meta(min_length=1, max_length=100)]],
    Meta(max_length=8, description="Lists of values; every combination is drawn"),
]

SMALLEST, LARGEST, GRAIN = 64, 4096, 8
"""Bounds of a picture's side in pixels, and what it must be a multiple of (the VAE's factor)."""


MOST_PICTURES = 400
"""Of one job."""


class Preset(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A project's own style. `{prompt}` in `prompt` stands for what is styled."""

    prompt: Tags = ""
    negative: Tags = ""


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
    style: Styles | None = None
    styles: Annotated[dict[Name, Preset], Meta(max_length=200)] = {}
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
    """A bible. Appearance, outfit, expression, trigger and negative reach the prompt.

    What never changes (face, hair, eyes) is `appearance`; what a scene may change is `outfit` and
    `expression`, of which `outfits` and `expressions` name more.
    """

    name: Name
    project: Name | None = None
    description: Text = ""
    appearance: Tags = ""
    outfit: Tags = ""
    expression: Tags = ""
    outfits: Wardrobe = {}
    expressions: Wardrobe = {}
    personality: Text = ""
    backstory: Text = ""
    relationships: dict[str, str] = {}
    reference_prompts: tuple[str, ...] = ()
    negative: Tags = ""
    trigger: Tags = ""
    seed: Seed | None = None


class Role(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One of several characters in a picture: who, where, and what is worn and felt there."""

    who: Name
    at: Place | None = None
    outfit: Tags | None = None
    expression: Tags | None = None


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
    cast: Annotated[tuple[Role, ...], Meta(max_length=3)] = ()
    outfit: Tags | None = None
    expression: Tags | None = None
    style: Styles | None = None
    count: Count | None = None
    seed: Seed | None = None
    seeds: Annotated[tuple[Seed, ...], Meta(max_length=100)] = ()
    matrix: Matrix = {}
    sheet: Sheet | None = None
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

    @property
    def everybody(self) -> tuple[str, ...]:
        """The names of all characters in it."""
        return (*self.characters, *(role.who for role in self.cast))


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
