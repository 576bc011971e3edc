"""What a person writes: the three kinds of manifest, as frozen values.

Owns the fields, their types and ranges, what each means with an example (`says`), and `faults`:
what the types alone cannot say. The schema, `anime explain` and the README's tables are made of it.
Never reads a file and never looks at another manifest.
"""

from typing import Annotated, Any

from msgspec import Meta, Struct

from pipeline.core.samplers import SCHEDULES, Sampler, Schedule

STEPS = 15
GUIDANCE = 5.0
SAMPLER: Sampler = "dpmpp_2m"
"""What a job has that says nothing of it, and whose project neither does."""

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
        extra={"wanted": "width x height in pixels, such as 832x1216", "way": "832x1216"},
    ),
]
Seed = Annotated[int, Meta(ge=0, le=2**53 - 1, description="Exact in every JSON reader")]
Steps = Annotated[int, Meta(ge=1, le=150)]
Guidance = Annotated[float, Meta(ge=0, le=30)]
Count = Annotated[int, Meta(ge=1, le=100, description="How many pictures, each with its own seed")]
Priority = Annotated[int, Meta(ge=-1000, le=1000, description="Higher is drawn earlier")]


def says(meaning: str, example: Any, absent: str = "") -> Meta:
    """What a field means, a value that is right, and what holds if it is left out, where the
    default does not say that itself. For people, in Markdown; every field has one."""
    extra = {"absent": absent} if absent else None
    return Meta(description=meaning, examples=[example], extra=extra)


SMALLEST, LARGEST, GRAIN = 64, 4096, 8
"""Bounds of a picture's side in pixels, and what it must be a multiple of (the VAE's factor)."""


class Defaults(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a project says for all its jobs; a job's own word comes before it."""

    size: Annotated[
        Size | None, says("width x height in pixels, multiples of 8", "832x1216", "the model's own")
    ] = None
    steps: Annotated[Steps | None, says("steps from noise to picture", 20, f"{STEPS}")] = None
    guidance: Annotated[
        Guidance | None, says("how closely the prompt is followed", 7, f"{GUIDANCE:g}")
    ] = None
    sampler: Annotated[Sampler | None, says("how each step is taken", "euler", f"`{SAMPLER}`")] = (
        None
    )
    schedule: Annotated[
        Schedule | None,
        says("how the steps are spread; a sampler that cannot follow it takes its own",
             "karras", "the sampler's own, mostly `karras`"),
    ] = None  # fmt: skip
    count: Annotated[Count | None, says("pictures of each job", 2, "1")] = None
    prompt: Annotated[
        Tags | None, says("tags added to every job's prompt", "rain, reflections", "nothing")
    ] = None
    negative: Annotated[
        Tags | None, says("tags that no job's picture should show", "blurry, watermark", "nothing")
    ] = None


class Project(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True,
    tag_field="kind", tag="project",
):  # fmt: skip
    """A production: what holds for all its characters and jobs."""

    name: Annotated[Name, says("what it is called", "Neon Tokyo")]
    description: Annotated[
        Text, says("what it is about; for people", "A city that never dries.")
    ] = ""
    style: Annotated[
        Name | None,
        says("the look of jobs that name none: `cyberpunk`, `fantasy`, `steampunk`, "
             "`studio_ghibli`, `manga` or `none`", "cyberpunk", "`none`"),
    ] = None  # fmt: skip
    defaults: Annotated[
        Defaults, says("for jobs that do not say", {"steps": 20, "guidance": 7})
    ] = Defaults()
    metadata: Annotated[
        dict[str, Any], says("anything, for people and other programs", {"studio": "7"})
    ] = {}


class Character(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True,
    tag_field="kind", tag="character",
):  # fmt: skip
    """A bible. Appearance, outfit, expression, trigger and negative reach the prompt."""

    name: Annotated[Name, says("who it is; jobs name them so", "Akira")]
    project: Annotated[
        Name | None, says("the project they belong to", "Neon Tokyo", "the one above the file")
    ] = None
    description: Annotated[Text, says("for people; never in a prompt", "The courier.")] = ""
    appearance: Annotated[
        Tags, says("tags of what never changes: face, hair, eyes", "1girl, red hair, amber eyes")
    ] = ""
    outfit: Annotated[Tags, says("tags of what they wear", "black hoodie")] = ""
    expression: Annotated[Tags, says("tags of how they look at us", "smile")] = ""
    personality: Annotated[
        Text, says("for people; never in a prompt", "Calm until she is not.")
    ] = ""
    backstory: Annotated[
        Text, says("for people; never in a prompt", "She grew up by the docks.")
    ] = ""
    relationships: Annotated[
        dict[str, str],
        says("who others are to them; for people", {"Rei": "her brother"}),
    ] = {}
    reference_prompts: Annotated[
        tuple[str, ...],
        says("prompts that went well, kept for people", ["1girl, red hair, rooftop at night"]),
    ] = ()
    negative: Annotated[
        Tags, says("tags that no picture of theirs should show", "short hair, hat")
    ] = ""
    trigger: Annotated[Tags, says("words a LoRA listens to; they come first", "akira_v2")] = ""
    seed: Annotated[
        Seed | None, says("the seed of their jobs that have none", 7, "the job's own")
    ] = None


class Job(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True,
    tag_field="kind", tag="job",
):  # fmt: skip
    """One picture to draw, or `count` of them. It needs a prompt, characters, or both."""

    name: Annotated[
        Name | None,
        says("part of its pictures' names; required in a file of several documents", "dusk",
             "the file's name alone"),
    ] = None  # fmt: skip
    project: Annotated[
        Name | None, says("the project it belongs to", "Neon Tokyo", "the one above the file")
    ] = None
    prompt: Annotated[
        Tags, says("tags of what is to be seen, as text with commas or as a list",
                   "city at night, rain")
    ] = ""  # fmt: skip
    negative: Annotated[Tags, says("tags of what is not to be seen", "blurry, watermark")] = ""
    characters: Annotated[
        tuple[Name, ...],
        Meta(max_length=8),
        says("who is in the picture; of exactly two the first stands left, the second right",
             ["Akira", "Rei"]),
    ] = ()  # fmt: skip
    style: Annotated[
        Name | None,
        says("`cyberpunk`, `fantasy`, `steampunk`, `studio_ghibli`, `manga` or `none`", "manga",
             "the project's"),
    ] = None  # fmt: skip
    count: Annotated[
        Count | None, says("how many pictures, each with its own seed", 2, "the project's, else 1")
    ] = None
    seed: Annotated[
        Seed | None,
        says("picture n starts from this plus n - 1", 7,
             "its first character's that has one, else made from the manifest's content"),
    ] = None  # fmt: skip
    size: Annotated[
        Size | None,
        says("width x height in pixels, multiples of 8", "832x1216",
             "the project's, else the model's own"),
    ] = None  # fmt: skip
    steps: Annotated[
        Steps | None, says("steps from noise to picture", 20, f"the project's, else {STEPS}")
    ] = None
    guidance: Annotated[
        Guidance | None,
        says("how closely the prompt is followed", 7, f"the project's, else {GUIDANCE:g}"),
    ] = None
    sampler: Annotated[
        Sampler | None,
        says("how each step is taken", "euler", f"the project's, else `{SAMPLER}`"),
    ] = None
    schedule: Annotated[
        Schedule | None,
        says("how the steps are spread; not every sampler can follow every one", "karras",
             "the project's, else the sampler's own, mostly `karras`"),
    ] = None  # fmt: skip
    priority: Annotated[Priority, says("higher is drawn earlier", 10)] = 0
    hold: Annotated[bool, says("true: known, but not drawn", True)] = False


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
    pieces = (piece for line in lines for piece in _pieces(line) if piece)
    return tuple(tidy for piece in pieces if (tidy := " ".join(piece.split())))


def _pieces(line: str) -> list[str]:
    """A line cut at its commas, but not where the next bracket after one closes.

    From the end, so that a text takes time by its length, whatever is in it.
    """
    parts = line.split(",")
    if ")" not in line:
        return parts
    pieces: list[str] = []
    held: list[str] = []
    inside = False
    for part in reversed(parts):
        if held and not inside:
            pieces.append(",".join(reversed(held)))
            held = []
        held.append(part)
        opens, closes = part.find("("), part.find(")")
        if opens >= 0 or closes >= 0:
            inside = closes >= 0 and not 0 <= opens < closes
    return [",".join(reversed(held)), *reversed(pieces)]


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
