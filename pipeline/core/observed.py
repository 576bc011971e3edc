"""What the runner observes: files, and what the workers report. `decide` turns these into events.

Observations are not journalled; only what is decided from them is.
"""

from typing import Literal

from msgspec import Struct

from pipeline.core.adapters import AdapterFile
from pipeline.core.commands import Command
from pipeline.core.manifest import Manifest
from pipeline.core.pictures import PictureFile
from pipeline.core.problem import Problem
from pipeline.core.resolved import Made, Task
from pipeline.core.styles import Style


class Observation(Struct, frozen=True, kw_only=True, tag=True):
    """What all observations share."""


class FileSeen(Observation, frozen=True):
    """A manifest file as it stands now: its good documents, and what is wrong with the others.

    `lines` has the line each manifest begins at. `several` is whether the file holds more than
    one document, good or bad, so that a job's key does not depend on its neighbours' faults.
    A file of styles, of a wildcard, of an adapter or of a picture has these instead of manifests.
    """

    file: str
    sha256: str
    manifests: tuple[Manifest, ...] = ()
    lines: tuple[int, ...] = ()
    problems: tuple[Problem, ...] = ()
    several: bool = False
    styles: tuple[Style, ...] | None = None
    wildcard: tuple[str, ...] | None = None
    adapter: AdapterFile | None = None
    picture: PictureFile | None = None


class FileGone(Observation, frozen=True):
    file: str


class WorkerWarm(Observation, frozen=True):
    """The worker has finished its warm-up step and is idle."""

    worker: str
    pid: int


class Began(Observation, frozen=True):
    """The first UNet call of the task begins; `at` is CLOCK_MONOTONIC in seconds, `encoding` the
    seconds that the text encoder took before it."""

    worker: str
    task: Task
    at: float
    encoding: float = 0.0


class Stepped(Observation, frozen=True):
    """Step `step` of `steps` is done. A tick: streamed, never journalled.

    `preview`, there every few steps, is a small JPEG of what the picture looks like by then.
    """

    worker: str
    task: Task
    step: int
    steps: int
    preview: bytes | None = None


class Painted(Observation, frozen=True):
    """The picture is complete and in place under `file`, relative to the inbox."""

    worker: str
    task: Task
    file: str
    sha256: str
    seconds: float
    shelved: bool
    made: Made


class Failed(Observation, frozen=True):
    worker: str
    task: Task
    kind: Literal["error", "out_of_memory", "disk_full"]
    error: str


class Stopped(Observation, frozen=True):
    """The task was stopped between steps because it was asked for no longer."""

    worker: str
    task: Task


class Lost(Observation, frozen=True):
    """A worker has died and is being replaced; `blamed` is whether its task did it."""

    worker: str
    pid: int
    cause: Literal["crash", "exit", "deadline", "out_of_memory", "killed", "keeper", "node"]
    detail: str
    blamed: bool
    task: Task | None = None


class Switched(Observation, frozen=True):
    """The workers have another model now, by its sha256, `seconds` after that was ordered; `left`
    are those that they let go of for it."""

    model: str
    left: tuple[str, ...]
    seconds: float


class Unusable(Observation, frozen=True):
    """A model of several, by its sha256, cannot be had; the others can."""

    model: str
    error: str
    hint: str = ""


class Broken(Observation, frozen=True):
    """No worker can ever be had: the model does not load, the device is not there."""

    error: str
    hint: str = ""


Report = (
    WorkerWarm | Began | Stepped | Painted | Failed | Stopped | Lost | Switched | Unusable | Broken
)  # fmt: skip


class Commanded(Observation, frozen=True):
    """Somebody commands something; `command` is the name that the answer to it carries."""

    command: str
    said: Command


class Garbled(Observation, frozen=True):
    """What was given as a command is none."""

    command: str
    error: str


class Replaced(Struct, frozen=True, kw_only=True):
    """A picture that stands beside the manifest again, at `file`; `shelf` is where the one that
    stood there went, if one did."""

    index: int
    file: str
    shelf: str | None = None


class Restored(Observation, frozen=True):
    """Pictures of an older take were put back: all of them, or those before an `error`."""

    command: str
    job: str
    take: int
    placed: tuple[Replaced, ...]
    error: str | None = None
    hint: str = ""


Order = Commanded | Garbled


class WorkerLive(Struct, frozen=True, kw_only=True):
    """What one worker does at this moment; `step` of `steps`, 0 before the first. One that is
    `switching` takes another model, one that is `unloaded` is no process until it is needed."""

    name: str
    pid: int | None = None
    phase: Literal["starting", "switching", "idle", "rendering", "unloaded"]
    task: Task | None = None
    step: int = 0
    steps: int = 0


class Live(Struct, frozen=True, kw_only=True):
    """What no journal says: the moment. Streamed to the page and part of `health`."""

    workers: tuple[WorkerLive, ...] = ()
    model_preloaded: bool = False
    inbox_lost: str | None = None
    journal_failed: str | None = None
    draining: bool = False

    @property
    def unloaded(self) -> bool:
        """Whether no model is held because none is wanted: that is no trouble."""
        return bool(self.workers) and all(one.phase == "unloaded" for one in self.workers)
