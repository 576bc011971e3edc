"""What the page is told of projects, characters, jobs and pictures: the shape of `/api/state`.

Owns the values and how they are derived from the state; never keeps any of them, see
`pipeline.server.board`. All text of a manifest stays text: it leaves here as JSON only.
"""

import hashlib

import msgspec
from msgspec import Struct

from pipeline.core.digest import id_of
from pipeline.core.manifest import split_tags
from pipeline.core.models import Standby, name_of
from pipeline.core.problem import Problem, render
from pipeline.core.resolved import Resolved
from pipeline.core.state import (
    CharacterState,
    Image,
    JobState,
    ProjectState,
    State,
    Take,
    Verdict,
)
from pipeline.core.status import Status, stale, status, waits_for
from pipeline.core.styles import style_names
from pipeline.core.targets import cast
from pipeline.server.catalogue import NOTHING, Tally
from pipeline.server.pace import left

SHEET = 0
"""The number of a take's sheet among its pictures."""


class ProjectView(Struct, frozen=True, kw_only=True):
    """A project in force, and how much there is of it."""

    id: str
    key: str
    file: str
    name: str
    description: str
    style: str | None
    tally: Tally


class CharacterView(Struct, frozen=True, kw_only=True):
    """A character in force; `project` is the key of the project it belongs to, if any."""

    id: str
    key: str
    file: str
    name: str
    project: str | None
    description: str
    appearance: tuple[str, ...]
    outfit: tuple[str, ...]
    personality: str
    tally: Tally


class ImageView(Struct, frozen=True, kw_only=True):
    """A finished picture, at `/pictures/{id}`; `source` is the file it was reused from.

    `label` says which of several it is; `recipe` is there where it is not its take's; `verdict` is
    what a person said of it.
    """

    id: str
    label: str
    recipe: Resolved | None
    index: int
    seed: int
    file: str
    at: str
    seconds: float
    worker: str | None
    source: str | None
    sha256: str
    verdict: Verdict | None


class SheetView(Struct, frozen=True, kw_only=True):
    """The labelled sheet of a take, at `/pictures/{id}`."""

    id: str
    file: str


class TakeView(Struct, frozen=True, kw_only=True):
    """One rendering of a job: `count` pictures; `failed` has the error of each that failed.

    `recipe` is what its first picture is drawn from.
    """

    number: int
    reason: str
    at: str
    count: int
    recipe: Resolved
    images: tuple[ImageView, ...]
    sheet: SheetView | None
    failed: dict[int, str]


class JobView(Struct, frozen=True, kw_only=True):
    """A job and how it stands. `model` is what its model is called where the settings name several.
    `characters` are the names as the job says them, `cast` the keys of those that are in force.
    `left` counts pictures of its last take that nobody has begun, and `work` is what drawing them
    costs, in pixels times calls of the model; `waiting` says for what it waits, `quarantined` why
    it is."""

    id: str
    key: str
    file: str
    project: str | None
    characters: tuple[str, ...]
    cast: tuple[str, ...]
    prompt: str
    order: int
    priority: int
    status: Status
    stale: bool
    waiting: str | None
    quarantined: str | None
    left: int
    work: float
    model: str | None
    takes: tuple[TakeView, ...]


class RejectedView(Struct, frozen=True, kw_only=True):
    """A manifest with problems; `text` is what stands in its error file."""

    file: str
    problems: int
    text: str


class WorkerView(Struct, frozen=True, kw_only=True):
    """What a worker does now; `seconds` is how long it has been drawing `task`, and `preview` where
    to get what that looks like by now, if anything of it was shown."""

    name: str
    pid: int | None
    phase: str
    task: str | None = None
    job: str | None = None
    job_id: str | None = None
    take: int | None = None
    index: int | None = None
    prompt: str | None = None
    seed: int | None = None
    step: int = 0
    steps: int = 0
    seconds: float = 0.0
    preview: str | None = None


class LiveView(Struct, frozen=True, kw_only=True):
    """The moment, as no journal has it."""

    workers: tuple[WorkerView, ...]
    model_preloaded: bool
    inbox_lost: str | None
    journal_failed: str | None
    draining: bool


class Counted(Struct, frozen=True, kw_only=True):
    """How many jobs are stale, of those that have been looked at since something was declared; and
    whether that is all."""

    stale: int
    all: bool


class Older(Struct, frozen=True, kw_only=True):
    """The jobs at rest that are not in a snapshot: how many, and with which `before` their first
    page is asked for; None where there is none."""

    count: int
    before: str | None


class JobsPage(Struct, frozen=True, kw_only=True):
    """Some of the jobs at rest, the newest first; `before` asks for what comes behind them, and is
    None at the end. A page may have fewer than were asked for, or none, and not be the last."""

    jobs: tuple[JobView, ...]
    before: str | None


class Snapshot(Struct, frozen=True, kw_only=True):
    """Everything the page shows, as of journal line `seq`.

    `jobs` are JobView as JSON: all that are not at rest, and the newest of those that are, which
    are drawn as their manifests say or withdrawn; `older` says what is left out. `queue` has the
    keys of the jobs with pictures to begin, first to be drawn first, and `seconds` is how long they
    and what is being drawn may take, None where no picture was ever drawn.

    `tally` counts all there are, `loose` those that name no project. `counted` is whether all that
    changed has been looked at since, for how many are stale.
    """

    seq: int
    at: str
    version: str
    inbox: str
    model: str | None
    models: tuple[Standby, ...]
    switches: int
    paused: str | None
    finished: int
    tally: Tally
    loose: Tally
    counted: bool
    projects: tuple[ProjectView, ...]
    characters: tuple[CharacterView, ...]
    jobs: tuple[msgspec.Raw, ...]
    older: Older
    queue: tuple[str, ...]
    seconds: float | None
    rejected: tuple[RejectedView, ...]
    live: LiveView


def picture_id(job: str, take: int, index: int) -> str:
    """The id of a picture: 16 hex digits over job, take and index.

    Longer than other ids: a production may have so many pictures that two would share 8 digits.
    """
    return hashlib.sha256(f"picture:{job}@{take}.{index}".encode()).hexdigest()[:16]


def project_view(project: ProjectState, tally: Tally = NOTHING) -> ProjectView:
    """A project as the page shows it."""
    return ProjectView(
        id=id_of("project", project.key, project.spec.id),
        key=project.key,
        file=project.file,
        name=project.spec.name,
        description=project.spec.description,
        style=", ".join(style_names(project.spec.style)) or None,
        tally=tally,
    )


def character_view(character: CharacterState, tally: Tally = NOTHING) -> CharacterView:
    """A character as the page shows it."""
    spec = character.spec
    return CharacterView(
        id=id_of("character", character.key, character.spec.id),
        key=character.key,
        file=character.file,
        name=spec.name,
        project=character.key.rpartition("/")[0] or None,
        description=spec.description,
        appearance=split_tags(spec.appearance),
        outfit=split_tags(spec.outfit),
        personality=spec.personality,
        tally=tally,
    )


def job_view(state: State, job: JobState) -> JobView:
    """A job as the page shows it, with all its takes."""
    word = status(state, job)
    last = job.takes[-1] if job.takes else None
    return JobView(
        id=id_of("job", job.key, job.spec.id),
        key=job.key,
        file=job.file,
        project=job.project,
        characters=job.spec.everybody,
        cast=cast(state, job),
        prompt=", ".join(split_tags(job.spec.prompt)),
        order=job.order,
        priority=-job.rank[0],
        status=word,
        stale=stale(state, job),
        waiting=str(waits_for(state, job)) if word == "waiting" else None,
        quarantined=job.quarantined,
        left=len([n for n in last.owed if n not in last.started]) if last else 0,
        work=left(last) if last else 0.0,
        model=name_of(state, job),
        takes=tuple(_take_view(job.key, take) for take in job.takes),
    )


def rejected_view(file: str, problems: tuple[Problem, ...]) -> RejectedView:
    """A rejected manifest, its problems written out as a person reads them."""
    text = "\n\n".join(render(problem) for problem in problems)
    return RejectedView(file=file, problems=len(problems), text=text)


def _take_view(job: str, take: Take) -> TakeView:
    kept = (image for image in take.images.values() if not image.discarded)
    images = (_image_view(job, take, image) for image in kept)
    recipe = take.cells[0].resolved
    return TakeView(
        number=take.number,
        reason=take.reason,
        at=take.at,
        count=len(take.cells),
        recipe=recipe,
        images=tuple(sorted(images, key=lambda image: image.index)),
        sheet=_sheet_view(job, take),
        failed=take.failed,
    )


def _sheet_view(job: str, take: Take) -> SheetView | None:
    if take.sheet is None or take.sheet.discarded:
        return None
    return SheetView(id=picture_id(job, take.number, SHEET), file=take.sheet.file)


def _image_view(job: str, take: Take, image: Image) -> ImageView:
    cell = take.cells[image.index - 1]
    return ImageView(
        id=picture_id(job, take.number, image.index),
        label=cell.label,
        recipe=cell.resolved if cell.resolved != take.cells[0].resolved else None,
        index=image.index,
        seed=image.seed,
        file=image.file,
        at=image.at,
        seconds=image.seconds,
        worker=image.worker,
        source=image.source,
        sha256=image.sha256,
        verdict=image.verdict,
    )
