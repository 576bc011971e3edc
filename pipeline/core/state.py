"""The state of a production, as values: what the journal says, folded.

Owns the shape of what is known of projects, characters, jobs, takes and pictures; how events make
it is `pipeline.core.evolve`'s.
"""

from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pipeline.core.adapters import AdapterFile
from pipeline.core.ip_adapters import ReferenceModel
from pipeline.core.manifest import Character, Job, Project
from pipeline.core.pictures import PictureFile
from pipeline.core.problem import Problem
from pipeline.core.resolved import Cell, Made, Meant, Model, Offered
from pipeline.core.styles import Style

Verdict = Literal["approved", "rejected"]
"""What a person says of a picture."""


class ProjectState(Struct, frozen=True, kw_only=True, gc=False):
    """A project in force, the file that says so, and when it was declared first."""

    key: str
    file: str
    spec: Project
    at: str = ""


class CharacterState(Struct, frozen=True, kw_only=True, gc=False):
    """A character in force, the file that says so, and when it was declared first."""

    key: str
    file: str
    spec: Character
    at: str = ""


class Image(Struct, frozen=True, kw_only=True, gc=False):
    """A finished picture; `source` is the file it was reused from, `made` how it was drawn.

    `discarded` is whether it is no longer kept: its file is gone, or about to go. `verdict` is what
    a person said of it, of these very bytes.
    """

    index: int
    seed: int
    file: str
    sha256: str
    at: str
    seconds: float = 0.0
    worker: str | None = None
    made: Made | None = None
    source: str | None = None
    discarded: bool = False
    verdict: Verdict | None = None


class Drawn(Struct, frozen=True, kw_only=True, gc=False):
    """Where a picture stands, and what it is; `discarded` as of an image."""

    file: str
    sha256: str
    discarded: bool = False


class Take(Struct, frozen=True, kw_only=True, gc=False):
    """One rendering of a job. `images`, `started` and `failed` are by index, from 1.

    `lean` has the numbers of the pictures that did not fit into memory and are to be drawn with
    less. `anew` is whether its pictures are drawn although the same were drawn before; `restored`
    whether it was made the current one again, with the pictures that it has; `meant` is what the
    job came to when that was done.
    """

    number: int
    reason: str
    at: str
    spec: Job
    cells: tuple[Cell, ...]
    inputs: dict[str, str] = {}
    images: dict[int, Image] = {}
    started: dict[int, str] = {}
    failed: dict[int, str] = {}
    lean: tuple[int, ...] = ()
    anew: bool = False
    restored: bool = False
    meant: Meant | None = None
    sheet: Drawn | None = None

    @property
    def begun(self) -> bool:
        """Whether something of it is drawn or being drawn, so that it can change no more."""
        return bool(self.images or self.started)

    @property
    def owed(self) -> tuple[int, ...]:
        """The indices of the pictures that are neither drawn nor failed."""
        if self.restored:
            return ()
        images, failed = self.images, self.failed
        # Asked at every fact of a job: a list is half as dear as a generator.
        return tuple(
            [n for n in range(1, len(self.cells) + 1) if n not in images and n not in failed]
        )

    @property
    def pictures(self) -> tuple[Image, ...]:
        """All there is of it: its images, and its sheet as number 0."""
        images = tuple(self.images.values())
        if self.sheet is None:
            return images
        sheet = Image(
            index=0, seed=self.cells[0].seed, file=self.sheet.file, sha256=self.sheet.sha256,
            at=max((image.at for image in images), default=self.at),
            discarded=self.sheet.discarded,
        )  # fmt: skip
        return (*images, sheet)

    @property
    def model(self) -> str:
        """sha256 of the model that all its pictures are drawn with."""
        return self.cells[0].resolved.model

    @property
    def shows(self) -> tuple[tuple[str, int], ...]:
        """What its pictures are, by number: digest and seed of each."""
        return tuple((cell.digest, cell.seed) for cell in self.cells)


class JobState(Struct, frozen=True, kw_only=True, gc=False):
    """A job and all that became of it; `order` is the seq of its first submission, `at` its time.

    The last of `takes` is the current one: the newest, or an older one that was restored.

    `held` and `priority` are what a command said, in force until the manifest's own field changes.
    `blamed` counts deaths of workers by its doing; `unexplained` counts, by picture, others in a
    row without that picture.
    """

    key: str
    file: str
    project: str | None
    seed: int
    spec: Job
    order: int
    at: str = ""
    takes: tuple[Take, ...] = ()
    withdrawn: bool = False
    cancelled: bool = False
    held: bool | None = None
    priority: int | None = None
    quarantined: str | None = None
    blamed: int = 0
    unexplained: dict[int, int] = {}

    @property
    def next_take(self) -> int:
        """The number of the take that comes after all there are."""
        return max((take.number for take in self.takes), default=0) + 1

    @property
    def on_hold(self) -> bool:
        return self.spec.hold if self.held is None else self.held

    @property
    def rank(self) -> tuple[int, int]:
        """What is drawn first sorts first."""
        return -(self.spec.priority if self.priority is None else self.priority), self.order


class State(Struct, kw_only=True):
    """Everything the journal says. `files` has the keys each manifest file declares, as
    `(kind, key)`; `owed` the jobs with pictures owed; `styles`, `wildcards`, `adapters` and
    `pictures` what such files hold; `drawn` is by `digest:seed`; `answered` the commands answered
    last; `guided` the jobs that name pictures or ControlNets; `failing` the jobs that failed since
    a picture was drawn, oldest first, and `pause_after` how many of them are too many.

    `model` draws what names none, and `models` are those that a manifest may name, by name. `warm`
    has the sha256 of those that the workers hold, the latest last; `switches` counts how often they
    took another in this run; `unusable` says, by sha256, why one cannot be had in it. `unload` is
    whether none is to be held during this pause.
    `reference_model` shows reference pictures to them."""

    seq: int = 0
    at: str = ""
    model: Model | None = None
    models: dict[str, Offered] = {}
    unusable: dict[str, str] = {}
    warm: tuple[str, ...] = ()
    switches: int = 0
    reference_model: ReferenceModel | None = None
    workers: int = 0
    batch_size: int = 1
    paused: str | None = None
    paused_by: Literal["person", "settings", "disk", "failures"] | None = None
    unload: bool = False
    pause_after: int = 3
    failing: dict[str, str] = {}
    projects: dict[str, ProjectState] = {}
    characters: dict[str, CharacterState] = {}
    jobs: dict[str, JobState] = {}
    folders: dict[str, str] = {}
    folded: dict[str, str] = {}
    guided: dict[str, None] = {}
    files: dict[str, dict[str, None]] = {}
    rejected: dict[str, tuple[Problem, ...]] = {}
    owed: dict[str, None] = {}
    styles: dict[str, tuple[Style, ...]] = {}
    wildcards: dict[str, tuple[str, ...]] = {}
    adapters: dict[str, AdapterFile] = {}
    pictures: dict[str, PictureFile] = {}
    drawn: dict[str, Drawn] = {}
    seeds: dict[str, int] = {}
    answered: dict[str, None] = {}
    finished: int = 0

    def copy(self) -> "State":
        """The same state, to be folded further by itself; what no fold changes is shared."""
        tables = {
            name: table.copy()
            for name in self.__struct_fields__
            if name != "files" and isinstance(table := getattr(self, name), dict)
        }
        return replace(
            self, **tables, files={file: dict(keys) for file, keys in self.files.items()}
        )

    @property
    def at_once(self) -> int:
        """How many pictures are drawn at the same time, at most; 1 before any run."""
        return max(self.workers * self.batch_size, 1)

    @property
    def model_sha256(self) -> str | None:
        """The model that pictures are drawn with which name none."""
        return self.model.sha256 if self.model is not None else None


def spec_that_draws(spec: Job) -> bytes:
    """The part of a job that reaches the picture, to compare: without its names, place and
    handling. The order of what a matrix lists counts, which equal mappings would hide."""
    part = replace(spec, name=None, project=None, priority=0, hold=False, force=False, id=None)
    return msgspec.json.encode(part)
