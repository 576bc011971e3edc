"""A job compiled into the exact inputs of the model, and what a picture was made with.

Owns the values only; `pipeline.core.resolve` compiles them.
"""

from msgspec import Struct
from msgspec.structs import replace

from pipeline.core.digest import digest
from pipeline.core.samplers import Sampler, Schedule


class Model(Struct, frozen=True, kw_only=True, gc=False):
    """A diffusion model as the journal knows it; width and height are its own size in pixels."""

    name: str
    sha256: str
    width: int
    height: int


class Offered(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A model of the settings, by the name that manifests call it by: `model` where it can be
    loaded, else `error` says why it cannot."""

    name: str
    model: Model | None = None
    error: str = ""


class Region(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A part of the picture with a prompt of its own.

    The sides are shares of the picture, 0..1 from its left upper corner. `feather` is the width of
    the soft edge, half of it on either side, as a share of the picture's width; a side on the
    picture's border has none. Within the region `weight` counts its prompt, the rest of it the
    base prompt. Raises ValueError for what is no such part.
    """

    prompt: str
    left: float
    top: float
    right: float
    bottom: float
    feather: float = 0.1
    weight: float = 1.0

    def __post_init__(self) -> None:
        for low, high in (("left", "right"), ("top", "bottom")):
            start, end = getattr(self, low), getattr(self, high)
            if not 0 <= start < end <= 1:
                raise ValueError(
                    f"Region.{low} and Region.{high}: {start} to {end} is no part of a picture; "
                    f"give shares of it with 0 <= {low} < {high} <= 1"
                )
        if not 0 <= self.feather <= 1:
            raise ValueError(f"Region.feather: {self.feather}; give a share of the width, 0 to 1")
        if not 0 < self.weight <= 1:
            raise ValueError(f"Region.weight: {self.weight}; give more than 0 and at most 1")


class Adapter(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A LoRA that a picture is drawn with: the file's place in the inbox, its sha256, and how much
    it counts. Where it stands decides nothing of the picture."""

    file: str = ""
    sha256: str
    weight: float = 1.0


class Picture(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A picture that another is drawn from or after: its file's place in the inbox, and its sha256.
    Where it stands decides nothing."""

    file: str = ""
    sha256: str


class Source(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the drawing begins from instead of noise alone, and how much of it is drawn anew, 0..1.

    With a `mask` only what is white there is.
    """

    picture: Picture
    strength: float
    mask: Picture | None = None


class Refined(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A second pass: the picture enlarged to `width` x `height` pixels, and `strength` of `steps`
    steps drawn over that."""

    width: int
    height: int
    strength: float
    steps: int


class Steering(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A ControlNet, by its file and sha256, with the picture that it reads. It counts `weight` from
    the share `start` of the steps to the share `end`."""

    kind: str
    picture: Picture
    file: str = ""
    sha256: str
    weight: float = 1.0
    start: float = 0.0
    end: float = 1.0


class Likeness(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a picture, or a column of it, is to be like: one subject, by pictures of it.

    An IP-Adapter and an image encoder, by sha256, show them to the model, and they count `weight`,
    above 0 to 1. `file` is where the adapter stands in the inbox, '' for that of the settings.
    `left` and `right` are the column's sides as shares of the picture's width; 0 and 1 are all of
    it. Raises ValueError for what is no such part.
    """

    pictures: tuple[Picture, ...]
    weight: float
    adapter: str
    encoder: str
    file: str = ""
    left: float = 0.0
    right: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.left < self.right <= 1:
            raise ValueError(
                f"Likeness.left and Likeness.right: {self.left} to {self.right} is no part of a "
                "picture; give shares of it with 0 <= left < right <= 1"
            )
        if not self.pictures:
            raise ValueError("Likeness.pictures: there is none; give one or more")

    @property
    def whole(self) -> bool:
        """Whether it is about the whole picture."""
        return (self.left, self.right) == (0, 1)


class Resolved(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Everything the model call takes but the seed; its digest decides what is the same picture.

    What is at its default is left out of the digest, so a field that comes later changes none.
    """

    prompt: str
    """Of the whole picture; a region has its own beside it."""
    negative: str
    width: int
    height: int
    steps: int
    guidance: float
    sampler: Sampler
    schedule: Schedule
    model: str
    """sha256 of the model."""
    clip_skip: int = 1
    """The layer of the text encoder that is listened to, from the end; 1 is the model's own."""
    regions: tuple[Region, ...] = ()
    adapters: tuple[Adapter, ...] = ()
    """In the order in which they are added up."""
    source: Source | None = None
    refine: Refined | None = None
    controls: tuple[Steering, ...] = ()
    likenesses: tuple[Likeness, ...] = ()
    """In the order in which they are added up."""

    called: str = ""
    """By which name of the settings the model was asked for; empty is the usual one."""

    @property
    def digest(self) -> str:
        """sha256 of what decides the picture: all of this but where files of the inbox stand and
        what the model is called."""
        nowhere = tuple(replace(adapter, file="") for adapter in self.adapters)
        source = self.source
        if source is not None:
            mask = source.mask and replace(source.mask, file="")
            source = replace(source, picture=replace(source.picture, file=""), mask=mask)
        controls = tuple(
            replace(each, file="", picture=replace(each.picture, file="")) for each in self.controls
        )
        likenesses = tuple(
            replace(each, file="", pictures=tuple(replace(one, file="") for one in each.pictures))
            for each in self.likenesses
        )
        return digest(
            replace(
                self, adapters=nowhere, source=source, controls=controls, likenesses=likenesses,
                called="",
            )
        )  # fmt: skip

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the finished picture in pixels."""
        if self.refine is not None:
            return self.refine.width, self.refine.height
        return self.width, self.height

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Every picture that this one is drawn from or after."""
        source = self.source
        begun = () if source is None else (source.picture, *((source.mask,) if source.mask else ()))
        steering = (each.picture for each in self.controls)
        return (*begun, *steering, *(one for each in self.likenesses for one in each.pictures))

    @property
    def work(self) -> float:
        """What drawing costs, in pixels times steps that are taken."""
        share = self.source.strength if self.source is not None else 1.0
        first = self.width * self.height * max(int(self.steps * share), 1)
        second = self.refine
        if second is None:
            return float(first)
        return float(first + second.width * second.height * int(second.steps * second.strength))


class Cell(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One picture that a take asks for: the model's inputs, their digest, and its seed.

    `label` says which of several it is (`smile · forest`), for people; it is not in the digest.
    """

    resolved: Resolved
    digest: str
    seed: int
    label: str = ""


class Meant(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a job came to in a moment: digest and seed of each picture, and its inputs by name."""

    shows: tuple[tuple[str, int], ...]
    inputs: dict[str, str] = {}


class Made(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Under which conditions a picture was drawn: what decides rounding, not content.

    `batch` is how many pictures were drawn at once, and this was number `place` of them, from 0;
    what the others showed changes nothing. `lean` is whether it was drawn with less memory, because
    it did not fit: attention head by head and the picture decoded in tiles, which changes a little
    where they meet.
    """

    device: str
    dtype: str
    threads: int
    batch: int
    torch: str
    diffusers: str
    lean: bool = False
    place: int = 0


class Task(Struct, frozen=True, kw_only=True, gc=False):
    """One picture that is owed: what a worker is given.

    `file` is where it belongs, relative to the inbox; `replaces` is the sha256 of the journal's
    own picture that stands there and goes to `shelf`, if there is one. `manifest` is the job's file
    and `commit` the one that is checked out there in git: both go into the picture's record, and
    nobody decides by them. `lean` has it drawn with less memory, since it did not fit before.
    `batch` above 1 has it drawn as number `place`, from 0, of so many that are all this picture, as
    it was drawn when it was one of a batch.
    """

    job: str
    take: int
    index: int
    seed: int
    resolved: Resolved
    digest: str
    file: str
    replaces: str | None = None
    shelf: str | None = None
    manifest: str = ""
    commit: str | None = None
    lean: bool = False
    batch: int = 1
    place: int = 0

    @property
    def id(self) -> str:
        """What the task is called on the wire and on the page: `job@take.index`."""
        return f"{self.job}@{self.take}.{self.index}"
