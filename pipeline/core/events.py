"""The facts of a production, as they stand in the journal.

Owns the shape of every event and its wire name; what they mean is `pipeline.core.state`'s.
Never read a clock here: `seq` and `at` come from the journal.
"""

import json
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from pipeline.core.adapters import AdapterFile
from pipeline.core.ip_adapters import ReferenceModel
from pipeline.core.manifest import Character, Job, Project
from pipeline.core.pictures import PictureFile
from pipeline.core.problem import Problem
from pipeline.core.resolved import Cell, Made, Meant, Model, Offered
from pipeline.core.styles import Style
from pipeline.core.upcast import upcast


class Fact(Struct, frozen=True, kw_only=True, gc=False, tag_field="type"):
    """What all events share: the wire name in `type`."""


class RunnerStarted(Fact, frozen=True, kw_only=True, tag="runner_started"):
    """`model` draws what names none; `models` are those that a manifest may name, and `warm` is
    the sha256 of the one that workers take first, empty for `model`. `reference_model` is what
    shows reference pictures to them, if the settings name it. `pause_after` is after how many
    failures in a row, of different jobs, the queue pauses; 0 is never. Each of the `workers` draws
    up to `batch_size` pictures at once."""

    version: str
    model: Model
    workers: int
    device: str
    pid: int
    pause_after: int = 3
    batch_size: int = 1
    models: tuple[Offered, ...] = ()
    warm: str = ""
    reference_model: ReferenceModel | None = None


class ProjectDeclared(Fact, frozen=True, kw_only=True, tag="project_declared"):
    key: str
    file: str
    spec: Project


class ProjectWithdrawn(Fact, frozen=True, kw_only=True, tag="project_withdrawn"):
    key: str
    file: str


class CharacterDeclared(Fact, frozen=True, kw_only=True, tag="character_declared"):
    key: str
    file: str
    spec: Character


class CharacterWithdrawn(Fact, frozen=True, kw_only=True, tag="character_withdrawn"):
    key: str
    file: str


class JobSubmitted(Fact, frozen=True, kw_only=True, tag="job_submitted"):
    """`seed` is what the job draws with while its manifest names none; kept through edits."""

    key: str
    file: str
    project: str | None
    seed: int
    spec: Job


class JobWithdrawn(Fact, frozen=True, kw_only=True, tag="job_withdrawn"):
    key: str
    file: str


class StylesDeclared(Fact, frozen=True, kw_only=True, tag="styles_declared"):
    """A file of styles says these; they hold for the jobs of its folder and below."""

    file: str
    styles: tuple[Style, ...]


class StylesWithdrawn(Fact, frozen=True, kw_only=True, tag="styles_withdrawn"):
    file: str


class WildcardDeclared(Fact, frozen=True, kw_only=True, tag="wildcard_declared"):
    """A file of a wildcard has these lines to choose from."""

    file: str
    lines: tuple[str, ...]


class WildcardWithdrawn(Fact, frozen=True, kw_only=True, tag="wildcard_withdrawn"):
    file: str


class AdapterDeclared(Fact, frozen=True, kw_only=True, tag="adapter_declared"):
    """A file of weights that a manifest may name as its LoRA, and what is wrong with it as one."""

    file: str
    adapter: AdapterFile


class AdapterWithdrawn(Fact, frozen=True, kw_only=True, tag="adapter_withdrawn"):
    file: str


class PictureDeclared(Fact, frozen=True, kw_only=True, tag="picture_declared"):
    """A picture that somebody put there, which a job or a bible may name."""

    file: str
    picture: PictureFile


class PictureWithdrawn(Fact, frozen=True, kw_only=True, tag="picture_withdrawn"):
    file: str


class ManifestRejected(Fact, frozen=True, kw_only=True, tag="manifest_rejected"):
    file: str
    sha256: str
    problems: tuple[Problem, ...]


class ManifestMended(Fact, frozen=True, kw_only=True, tag="manifest_mended"):
    file: str


class RenderRequested(Fact, frozen=True, kw_only=True, tag="render_requested"):
    """A take: everything needed to draw it, and why. Said again for the same take until it began.

    `cells` has one for each picture, in the order of their numbers; `inputs` what they were
    compiled from, by name, as `pipeline.core.inputs` has it. `anew` has them drawn although the
    same pictures were drawn before. `kept` are the numbers of those that are not drawn: the take
    has the pictures that the one before it has, where they stand.
    """

    job: str
    take: int
    reason: Literal["submitted", "edited", "changed", "asked"]
    cells: tuple[Cell, ...]
    inputs: dict[str, str] = {}
    anew: bool = False
    kept: tuple[int, ...] = ()


class RenderWithdrawn(Fact, frozen=True, kw_only=True, tag="render_withdrawn"):
    """A take that had not begun is asked for no longer: what it refers to has gone."""

    job: str
    take: int


class RenderStarted(Fact, frozen=True, kw_only=True, tag="render_started"):
    job: str
    take: int
    index: int
    worker: str


class ImageRendered(Fact, frozen=True, kw_only=True, tag="image_rendered"):
    """A picture is complete under `file` (relative to the inbox); `index` counts from 1."""

    job: str
    take: int
    index: int
    seed: int
    file: str
    sha256: str
    seconds: float
    worker: str
    made: Made


class ImageReused(Fact, frozen=True, kw_only=True, tag="image_reused"):
    """A picture of the same digest and seed, drawn earlier as `source`, now also stands here."""

    job: str
    take: int
    index: int
    seed: int
    file: str
    sha256: str
    source: str


class ImageShelved(Fact, frozen=True, kw_only=True, tag="image_shelved"):
    """A picture of an older take now stands at `file`, its old place being needed."""

    job: str
    take: int
    index: int
    file: str


class ImageRestored(Fact, frozen=True, kw_only=True, tag="image_restored"):
    """A picture of an older take now stands beside the manifest again, at `file`."""

    job: str
    take: int
    index: int
    file: str


class TakeRestored(Fact, frozen=True, kw_only=True, tag="take_restored"):
    """All pictures of an older take stand beside the manifest; it is the current one until the job
    is edited, or drawn again because somebody asks for that. `meant` is what the job came to in
    that moment, None where it waited for something: by that one sees what has changed since."""

    job: str
    take: int
    meant: Meant | None = None


class SheetComposed(Fact, frozen=True, kw_only=True, tag="sheet_composed"):
    """The labelled sheet of a take's pictures is complete under `file`."""

    job: str
    take: int
    file: str
    sha256: str


class SheetShelved(Fact, frozen=True, kw_only=True, tag="sheet_shelved"):
    """The sheet of an older take now stands at `file`."""

    job: str
    take: int
    file: str


class SheetRestored(Fact, frozen=True, kw_only=True, tag="sheet_restored"):
    """The sheet of a take that is the current one again stands beside the manifest, at `file`."""

    job: str
    take: int
    file: str


class ImageDiscarded(Fact, frozen=True, kw_only=True, tag="image_discarded"):
    """A picture of an older take (number 0: its sheet) is no longer kept, and `file` is not counted
    on from now on. Said before the file is taken away: one that a crash leaves behind is nobody's,
    and goes the next time. Also said of one that has gone by itself, before a new take asks for
    another."""

    job: str
    take: int
    index: int
    file: str


class ImageApproved(Fact, frozen=True, kw_only=True, tag="image_approved"):
    """A person wants this picture: the one of that sha256, of that take. It ends what was said of
    it before."""

    job: str
    take: int
    index: int
    sha256: str


class ImageDismissed(Fact, frozen=True, kw_only=True, tag="image_dismissed"):
    """A person does not want this picture; it stays where it is. Not to be confused with
    `ManifestRejected`, which is the program's word on a file."""

    job: str
    take: int
    index: int
    sha256: str


class ImageUnjudged(Fact, frozen=True, kw_only=True, tag="image_unjudged"):
    """What a person said of this picture is taken back."""

    job: str
    take: int
    index: int
    sha256: str


class RenderFailed(Fact, frozen=True, kw_only=True, tag="render_failed"):
    """`disk_full` is not the picture's fault: it is still owed, and the queue is paused."""

    job: str
    take: int
    index: int
    kind: Literal["error", "out_of_memory", "disk_full"]
    error: str


class RenderLessened(Fact, frozen=True, kw_only=True, tag="render_lessened"):
    """A picture did not fit into memory: it is still owed, and drawn once more with less. If that
    does not fit either, `RenderFailed` follows."""

    job: str
    take: int
    index: int
    error: str


class WorkerLost(Fact, frozen=True, kw_only=True, tag="worker_lost"):
    """`job`, `take`, `index` say what it was drawing; `blamed` whether that did it."""

    worker: str
    pid: int
    cause: Literal["crash", "exit", "deadline", "out_of_memory", "killed", "keeper", "node"]
    detail: str
    blamed: bool
    job: str | None = None
    take: int | None = None
    index: int | None = None


class ModelSwitched(Fact, frozen=True, kw_only=True, tag="model_switched"):
    """The workers can draw with another model, given by its sha256 and by what it is called;
    `left` are the names of those whose memory was given free for it. `seconds` is from the order
    until a worker was warm with it."""

    model: str
    name: str
    left: tuple[str, ...]
    seconds: float


class ModelFailed(Fact, frozen=True, kw_only=True, tag="model_failed"):
    """A model of several, given by its sha256 and by what it is called, cannot be drawn with in
    this run: its jobs wait, and the others go on."""

    model: str
    name: str
    error: str


class JobQuarantined(Fact, frozen=True, kw_only=True, tag="job_quarantined"):
    job: str
    reason: str


class JobHeld(Fact, frozen=True, kw_only=True, tag="job_held"):
    job: str


class JobReleased(Fact, frozen=True, kw_only=True, tag="job_released"):
    job: str


class JobReprioritised(Fact, frozen=True, kw_only=True, tag="job_reprioritised"):
    job: str
    priority: int


class JobCancelled(Fact, frozen=True, kw_only=True, tag="job_cancelled"):
    job: str


class JobRetried(Fact, frozen=True, kw_only=True, tag="job_retried"):
    job: str


class QueuePaused(Fact, frozen=True, kw_only=True, tag="queue_paused"):
    """`by` says whose pause it is: one of the settings or of a full disk ends with a new start; one
    of a person, or of too many failures in a row, with `QueueResumed` alone. `unload` says that no
    model is held meanwhile."""

    reason: str
    by: Literal["person", "settings", "disk", "failures"] = "person"
    unload: bool = False


class QueueResumed(Fact, frozen=True, kw_only=True, tag="queue_resumed"):
    pass


class CommandAnswered(Fact, frozen=True, kw_only=True, tag="command_answered"):
    """A command was obeyed or `refused`: the last event of those that it made, in one batch with
    them. `command` is its file's name without the suffix, by which it is known to be done."""

    command: str
    answer: str
    hint: str = ""
    refused: bool = False


Supply: TypeAlias = (
    StylesDeclared
    | StylesWithdrawn
    | WildcardDeclared
    | WildcardWithdrawn
    | AdapterDeclared
    | AdapterWithdrawn
    | PictureDeclared
    | PictureWithdrawn
)
"""What has come, changed or gone that manifests name, and that is no manifest itself."""

Event = (
    RunnerStarted
    | ProjectDeclared
    | ProjectWithdrawn
    | CharacterDeclared
    | CharacterWithdrawn
    | JobSubmitted
    | JobWithdrawn
    | Supply
    | ManifestRejected
    | ManifestMended
    | RenderRequested
    | RenderWithdrawn
    | RenderStarted
    | ImageRendered
    | ImageReused
    | ImageShelved
    | ImageRestored
    | TakeRestored
    | SheetComposed
    | SheetShelved
    | SheetRestored
    | ImageDiscarded
    | ImageApproved
    | ImageDismissed
    | ImageUnjudged
    | RenderFailed
    | RenderLessened
    | WorkerLost
    | ModelSwitched
    | ModelFailed
    | JobQuarantined
    | JobHeld
    | JobReleased
    | JobReprioritised
    | JobCancelled
    | JobRetried
    | QueuePaused
    | QueueResumed
    | CommandAnswered
)

VERSION = 5
"""The shape of the events above; an older one is upcast when it is read, a newer one refused. A
field that is added makes a new version, too: an older program would pass over it in silence."""

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder()


def decode(line: bytes) -> Event:
    """The event in one line of the journal.

    Raises:
        msgspec.ValidationError: its type or a field of it is unknown to this version.
    """
    try:
        return _decoder.decode(line)
    except msgspec.ValidationError:
        today = upcast(msgspec.json.decode(line))
        if today is None:
            raise
        return _decoder.decode(msgspec.json.encode(today))


def encode(event: Event) -> tuple[str, bytes]:
    """The event's wire name, and its fields as a JSON object without it (ASCII)."""
    name = str(event.__struct_config__.tag)
    body = _encoder.encode(event)
    if not body.isascii():
        body = json.dumps(json.loads(body), separators=(",", ":")).encode()
    return name, b"{" + body[len(f'{{"type":"{name}"') :].removeprefix(b",")
