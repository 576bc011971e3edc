"""What a person writes: the three kinds of manifest, as frozen values.

Owns the fields, their types and ranges, what each means with an example (`says`), and `faults`:
what the types alone cannot say. The schema, `anime explain` and the tables of examples/README.md
are made of it. Never reads a file and never looks at another manifest.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from pipeline.core.samplers import Sampler, Schedule

STEPS = 15
GUIDANCE = 4.0
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
Id = Annotated[
    str,
    Meta(
        pattern=r"^[0-9a-f]{8}$",
        description="8 hex digits",
        extra={"wanted": "8 digits from 0 to f", "way": ""},
    ),
]
Seed = Annotated[int, Meta(ge=0, le=2**53 - 1, description="Exact in every JSON reader")]
Steps = Annotated[int, Meta(ge=1, le=150)]
Guidance = Annotated[float, Meta(ge=0, le=30)]
ClipSkip = Annotated[
    int,
    Meta(ge=1, le=12, description="Layers of the text encoder from its end; 1 is the model's own"),
]
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


def says(meaning: str, example: Any, absent: str = "") -> Meta:
    """What a field means, a value that is right, and what holds if it is left out, where the
    default does not say that itself. For people, in Markdown; every field has one."""
    extra = {"absent": absent} if absent else None
    return Meta(description=meaning, examples=[example], extra=extra)


SMALLEST, LARGEST, GRAIN = 64, 4096, 8
"""Bounds of a picture's side in pixels, and what it must be a multiple of (the VAE's factor)."""


MOST_PICTURES = 400
"""Of one job."""


LONGEST_MODEL = 100
MODEL_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""What a model may be called in the settings."""
LONGEST_FILE = 500
MOST_LORA_WEIGHT = 4.0
MOST_LORAS = 8
"""Of one manifest."""
LoraFile = Annotated[
    str, Meta(min_length=1, max_length=LONGEST_FILE, description="A .safetensors file in the inbox")
]
LoraWeight = Annotated[float, Meta(ge=-MOST_LORA_WEIGHT, le=MOST_LORA_WEIGHT)]


class Lora(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A small file that teaches the model somebody or something, as other tools train it."""

    file: Annotated[
        LoraFile,
        says("the file, beside the manifest, in a folder above it, or in a folder `loras` there; "
             "`.safetensors` may be left out", "loras/akira.safetensors"),
    ]  # fmt: skip
    weight: Annotated[LoraWeight, says("how much it counts; 0 leaves it out", 0.8)] = 1.0
    trigger: Annotated[Tags, says("words that it listens to; they come first", "akira_v2")] = ""


Loras = (
    LoraFile
    | Lora
    | Annotated[
        tuple[LoraFile | Lora, ...], Meta(max_length=MOST_LORAS, description="Several of them")
    ]
)


PictureName = Annotated[
    str,
    Meta(min_length=1, max_length=LONGEST_FILE, description="A PNG, JPEG or WebP in the inbox"),
]
Strength = Annotated[
    float, Meta(gt=0, le=1, description="How much is drawn anew; of so many steps this share")
]
Scale = Annotated[float, Meta(ge=1, le=4)]
ControlKind = Literal["pose", "lineart", "scribble", "softedge", "canny", "depth", "normal", "seg",
                      "tile", "other"]  # fmt: skip
Share = Annotated[float, Meta(ge=0, le=1)]
MOST_CONTROLS = 4
"""Of one manifest."""
STRENGTH, REFINING = 0.75, 0.4
"""How much is drawn anew over a picture that is begun from, and in a second pass."""


class From(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A picture to begin from instead of noise alone. It is scaled until it covers the job's size,
    and what juts out on two sides is cut away."""

    picture: Annotated[
        PictureName,
        says("the file, beside the manifest, in a folder above it, or in a folder `pictures` "
             "there; a drawn picture too, such as `rooftop.01.png`", "sketch.png"),
    ]  # fmt: skip
    strength: Annotated[
        Strength,
        says("how much is drawn anew: little keeps the picture, 1 keeps next to nothing", 0.5),
    ] = STRENGTH
    mask: Annotated[
        PictureName | None,
        says("a picture of the same size: only what is white in it is drawn anew", "mask.png",
             "all of it is"),
    ] = None  # fmt: skip


class Refine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A second pass, which enlarges the picture and draws its details anew."""

    scale: Annotated[Scale, says("how much larger each side becomes", 1.5)] = 2.0
    strength: Annotated[Strength, says("how much of the enlarged picture is drawn anew", 0.3)] = (
        REFINING
    )
    steps: Annotated[
        Steps | None,
        says("steps of the second pass, of which it takes the share `strength`", 20, "the job's"),
    ] = None  # fmt: skip


class Control(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A ControlNet, which has the drawing follow another picture."""

    kind: Annotated[
        ControlKind,
        says("what the picture shows; lines (`lineart`, `scribble`, `softedge`, `canny`) are white "
             "on black, and black ones on white are turned around", "pose"),
    ]  # fmt: skip
    picture: Annotated[
        PictureName,
        says("the picture that the ControlNet reads: drawn bones, lines, depths and so on",
             "pose.png"),
    ]  # fmt: skip
    model: Annotated[
        LoraFile,
        says("the ControlNet, a `.safetensors` file or a diffusers folder, beside the manifest, in "
             "a folder above it, or in a folder `controlnets` there", "controlnets/openpose"),
    ]  # fmt: skip
    weight: Annotated[
        Annotated[float, Meta(ge=0, le=2)], says("how much it counts; 0 leaves it out", 0.8)
    ] = 1.0
    start: Annotated[Share, says("the share of the steps before it counts", 0.1)] = 0.0
    end: Annotated[Share, says("the share of the steps up to which it counts", 0.8)] = 1.0


MOST_REFERENCES = 8
"""Pictures of one reference."""
PictureNames = (
    PictureName
    | Annotated[
        tuple[PictureName, ...],
        Meta(min_length=1, max_length=MOST_REFERENCES, description="Several of them"),
    ]
)
ReferenceWeight = Annotated[float, Meta(ge=0, le=1)]


class Reference(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Pictures of what is to be drawn, which an IP-Adapter shows to the model."""

    picture: Annotated[
        PictureNames,
        says("the picture, or a list of them (PNG, JPEG, WebP): beside the manifest, in a folder "
             "above it, or in a folder `references` there", "references/akira.png"),
    ]  # fmt: skip
    weight: Annotated[
        ReferenceWeight, says("how much it counts beside the words; 0 leaves it out", 0.6)
    ] = 0.6
    model: Annotated[
        LoraFile | None,
        says("the IP-Adapter's file, looked for as a LoRA's is",
             "loras/ip-adapter-plus_sd15.safetensors", "the one that the settings name"),
    ] = None  # fmt: skip


References = PictureNames | Reference


class Preset(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A project's own style. `{prompt}` in `prompt` stands for what is styled."""

    prompt: Annotated[
        Tags,
        says("what it adds; `{prompt}` stands for what is styled", "film noir, {prompt}, rain"),
    ] = ""
    negative: Annotated[Tags, says("what it adds to the negative prompt", "colour")] = ""


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
    clip_skip: Annotated[
        ClipSkip | None,
        says("the layer of the text encoder that is listened to, from the end", 2, "1"),
    ] = None
    count: Annotated[Count | None, says("pictures of each job", 2, "1")] = None
    prompt: Annotated[
        Tags | None, says("tags added to every job's prompt", "rain, reflections", "nothing")
    ] = None
    negative: Annotated[
        Tags | None, says("tags that no job's picture should show", "blurry, watermark", "nothing")
    ] = None


class Project(
    Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, omit_defaults=True,
    tag_field="kind", tag="project",
):  # fmt: skip
    """A production: what holds for all its characters and jobs."""

    name: Annotated[Name, says("what it is called", "Neon Tokyo")]
    description: Annotated[
        Text, says("what it is about; for people", "A city that never dries.")
    ] = ""
    style: Annotated[
        Styles | None,
        says("the look of jobs that name none: `cyberpunk`, `fantasy`, `steampunk`, "
             "`studio_ghibli`, `manga`, one of its own, or `none`; a list is applied in order",
             "cyberpunk", "`none`"),
    ] = None  # fmt: skip
    model: Annotated[
        Name | None,
        says("the model that draws jobs that name none: a name of the table `models` in "
             "`anime.toml`", "dream", "the setting `model`"),
    ] = None  # fmt: skip
    styles: Annotated[
        dict[Name, Preset],
        Meta(max_length=200),
        says("styles of its own, by name", {"noir": {"prompt": "film noir, {prompt}, film grain"}}),
    ] = {}
    defaults: Annotated[
        Defaults, says("for jobs that do not say", {"steps": 20, "guidance": 7})
    ] = Defaults()
    rerender: Annotated[
        Literal["ask", "always"],
        says("whether its stale pictures are drawn again unasked", "always"),
    ] = "ask"
    metadata: Annotated[
        dict[str, Any], says("anything, for people and other programs", {"studio": "7"})
    ] = {}
    id: Annotated[
        Id | None,
        says("its id in the HTTP interface, which stays when it is renamed", "3fa90c1b",
             "made of its kind and key"),
    ] = None  # fmt: skip


class Character(
    Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, omit_defaults=True,
    tag_field="kind", tag="character",
):  # fmt: skip
    """A bible. Appearance, outfit, expression, trigger and negative reach the prompt.

    What never changes (face, hair, eyes) is `appearance`; what a scene may change is `outfit` and
    `expression`, of which `outfits` and `expressions` name more.
    """

    name: Annotated[Name, says("who it is; jobs name them so", "Akira")]
    project: Annotated[
        Name | None, says("the project they belong to", "Neon Tokyo", "the one above the file")
    ] = None
    description: Annotated[Text, says("for people; never in a prompt", "The courier.")] = ""
    appearance: Annotated[
        Tags, says("tags of what never changes: face, hair, eyes", "1girl, red hair, amber eyes")
    ] = ""
    outfit: Annotated[Tags, says("tags of what they usually wear", "black hoodie")] = ""
    expression: Annotated[Tags, says("tags of how they usually look at us", "smile")] = ""
    outfits: Annotated[
        Wardrobe,
        says("what else they wear, by the name that a job's `outfit` calls it by",
             {"school": "white school uniform", "beach": "yellow dress, straw hat"}),
    ] = {}  # fmt: skip
    expressions: Annotated[
        Wardrobe,
        says("how else they look, by the name that a job's `expression` calls it by",
             {"cross": "angry, frown"}),
    ] = {}  # fmt: skip
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
    lora: Annotated[
        Loras,
        says("LoRA files that keep them as they are: a file, or `file`, `weight` and `trigger`, or "
             "a list of these", {"file": "loras/akira.safetensors", "weight": 0.8}),
    ] = ()  # fmt: skip
    reference: Annotated[
        References | None,
        says("what they look like: a picture, a list of them, or `picture`, `weight` and `model`; "
             "of several characters in a picture each keeps to its own part of it",
             {"picture": "references/akira.png", "weight": 0.6}, "nothing"),
    ] = None  # fmt: skip
    seed: Annotated[
        Seed | None, says("the seed of their jobs that have none", 7, "the job's own")
    ] = None
    id: Annotated[
        Id | None,
        says("its id in the HTTP interface, which stays when it is renamed", "3fa90c1b",
             "made of its kind and key"),
    ] = None  # fmt: skip


class Role(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One of several characters in a picture: who, where, and what is worn and felt there."""

    who: Annotated[Name, says("the character's name", "Akira")]
    at: Annotated[
        Place | None, says("where they stand", "left", "the next free place from the left")
    ] = None
    outfit: Annotated[
        Tags | None,
        says("what they wear here: a name of their `outfits`, or tags", "school",
             "the job's, else the bible's"),
    ] = None  # fmt: skip
    expression: Annotated[
        Tags | None,
        says("how they look here: a name of their `expressions`, or tags", "sad",
             "the job's, else the bible's"),
    ] = None  # fmt: skip


class Job(
    Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, omit_defaults=True,
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
    cast: Annotated[
        tuple[Role, ...],
        Meta(max_length=3),
        says("instead of `characters`: who is where, and wears and feels what; each keeps to a "
             "region of its own", [{"who": "Akira", "at": "left"}, {"who": "Rei", "at": "right"}]),
    ] = ()  # fmt: skip
    outfit: Annotated[
        Tags | None,
        says("what the characters wear: a name of a bible's `outfits`, or tags", "school",
             "the bible's"),
    ] = None  # fmt: skip
    expression: Annotated[
        Tags | None,
        says("how the characters look: a name of a bible's `expressions`, or tags", "sad",
             "the bible's"),
    ] = None  # fmt: skip
    style: Annotated[
        Styles | None,
        says("`cyberpunk`, `fantasy`, `steampunk`, `studio_ghibli`, `manga`, one of the project's "
             "or of a styles file, or `none`; a list is applied in order", "manga",
             "the project's"),
    ] = None  # fmt: skip
    model: Annotated[
        Name | None,
        says("the model that draws it: a name of the table `models` in `anime.toml`", "dream",
             "the project's, else the setting `model`"),
    ] = None  # fmt: skip
    lora: Annotated[
        Loras,
        says("LoRA files of this job, beside those of its characters; of a file that one of them "
             "has too, the weight here holds", [{"file": "loras/rain.safetensors", "weight": 0.6}]),
    ] = ()  # fmt: skip
    reference: Annotated[
        References | None,
        says("what the whole picture is to be like, beside the references of its characters: a "
             "picture, a list of them, or `picture`, `weight` and `model`",
             {"picture": "references/harbour.jpg", "weight": 0.4}, "nothing"),
    ] = None  # fmt: skip
    count: Annotated[
        Count | None, says("how many pictures, each with its own seed", 2, "the project's, else 1")
    ] = None
    seed: Annotated[
        Seed | None,
        says("picture n starts from this plus n - 1", 7,
             "its first character's that has one, else made from the manifest's content"),
    ] = None  # fmt: skip
    seeds: Annotated[
        tuple[Seed, ...],
        Meta(max_length=100),
        says("instead of `seed` and `count`: a picture of each", [7, 99, 2077]),
    ] = ()
    matrix: Annotated[
        Matrix,
        says("lists of values, of which every combination is drawn, all with the same seeds: of "
             "`expression`, `outfit`, `style`, `negative`, `size`, `steps`, `guidance`, `sampler`, "
             "`schedule` and `clip_skip`, or of a word of your own, that stands as `{word}` in the "
             "prompt or else at its end",
             {"expression": ["smile", "sad"], "place": ["forest", "beach"]}),
    ] = {}  # fmt: skip
    sheet: Annotated[
        Sheet | None,
        says("`turnaround`, `expressions` or `outfits`: a picture of each of its one character, "
             "and a labelled sheet of them all", "expressions"),
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
    clip_skip: Annotated[
        ClipSkip | None,
        says("the layer of the text encoder that is listened to, from the end; SDXL's own is the "
             "second, so that 1 and 2 are the same there", 2, "the project's, else 1"),
    ] = None  # fmt: skip
    from_: Annotated[
        PictureName | From | None,
        says("a picture to begin from instead of noise; a file alone will do",
             {"picture": "sketch.png", "strength": 0.5}, "noise alone"),
    ] = field(default=None, name="from")  # fmt: skip
    refine: Annotated[
        Scale | Refine | None,
        says("a second pass at a larger size; the scale alone will do",
             {"scale": 1.5, "strength": 0.4}, "none"),
    ] = None  # fmt: skip
    control: Annotated[
        Control
        | Annotated[
            tuple[Control, ...], Meta(max_length=MOST_CONTROLS, description="Several of them")
        ],
        says("ControlNets, each with the picture that the drawing follows",
             [{"kind": "pose", "picture": "pose.png", "model": "controlnets/openpose"}]),
    ] = ()  # fmt: skip
    priority: Annotated[Priority, says("higher is drawn earlier", 10)] = 0
    hold: Annotated[bool, says("true: known, but not drawn", True)] = False
    force: Annotated[bool, says("true: drawn although the same picture was drawn before", True)] = (
        False
    )
    id: Annotated[
        Id | None,
        says("its id in the HTTP interface, which stays when it is renamed", "3fa90c1b",
             "made of its kind and key"),
    ] = None  # fmt: skip

    @property
    def everybody(self) -> tuple[str, ...]:
        """The names of all characters in it."""
        return (*self.characters, *(role.who for role in self.cast))


Manifest = Project | Character | Job


class Fault(Struct, frozen=True, kw_only=True, gc=False):
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


def loras_of(said: Loras) -> tuple[Lora, ...]:
    """What a manifest says of LoRA files, each with all its fields."""
    each = said if isinstance(said, tuple) else (said,)
    return tuple(Lora(file=one) if isinstance(one, str) else one for one in each)


def lora_path(said: Loras, number: int) -> tuple[str | int, ...]:
    """Where in a manifest the file of its LoRA `number` (from 0) stands."""
    if not isinstance(said, tuple):
        return ("lora",) if isinstance(said, str) else ("lora", "file")
    return ("lora", number) if isinstance(said[number], str) else ("lora", number, "file")


def from_of(said: str | From | None) -> From | None:
    """What a job says of a picture to begin from, with all its fields."""
    return From(picture=said) if isinstance(said, str) else said


def refine_of(said: float | Refine | None) -> Refine | None:
    """What a job says of a second pass, with all its fields."""
    return Refine(scale=float(said)) if isinstance(said, (int, float)) else said


def controls_of(said: Control | tuple[Control, ...]) -> tuple[Control, ...]:
    """Every ControlNet that a job names."""
    return said if isinstance(said, tuple) else (said,)


def control_path(said: Control | tuple[Control, ...], number: int) -> tuple[str | int, ...]:
    """Where in a manifest its ControlNet `number` (from 0) stands."""
    return ("control", number) if isinstance(said, tuple) else ("control",)


def pictures_of(job: Job) -> tuple[tuple[tuple[str | int, ...], str], ...]:
    """Every picture that a job names, and where it does."""
    found: list[tuple[tuple[str | int, ...], str]] = []
    begin = from_of(job.from_)
    if begin is not None:
        short = isinstance(job.from_, str)
        found.append((("from",) if short else ("from", "picture"), begin.picture))
        if begin.mask is not None:
            found.append((("from", "mask"), begin.mask))
    for number, control in enumerate(controls_of(job.control)):
        found.append(((*control_path(job.control, number), "picture"), control.picture))
    return tuple(found)


def reference_of(said: References | None) -> Reference | None:
    """What a manifest says of a reference, with all its fields."""
    return said if said is None or isinstance(said, Reference) else Reference(picture=said)


def reference_pictures(said: References | None) -> tuple[str, ...]:
    """The pictures of a reference, as the manifest calls them."""
    reference = reference_of(said)
    if reference is None:
        return ()
    return (reference.picture,) if isinstance(reference.picture, str) else reference.picture


def reference_path(said: References | None, number: int) -> tuple[str | int, ...]:
    """Where in a manifest picture `number` (from 0) of its reference stands."""
    place: tuple[str | int, ...] = ("reference",)
    names = said
    if isinstance(said, Reference):
        place, names = (*place, "picture"), said.picture
    return place if isinstance(names, str) else (*place, number)


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
