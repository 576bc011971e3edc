"""What the server's tests share: a production on disk, told step by step like a runner would.

Facts go through the real journal and the real fold; pictures are real files. Only drawing is left
out: a picture is a plain colour.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from PIL import Image

from pipeline.audience import Audience
from pipeline.core import decide
from pipeline.core import events as e
from pipeline.core.evolve import evolve
from pipeline.core.keys import job_key, slug
from pipeline.core.manifest import Character, Job, Project
from pipeline.core.observed import Live, Stepped, WorkerLive
from pipeline.core.pending import pending
from pipeline.core.problem import Problem
from pipeline.core.resolved import Made, Model, Task
from pipeline.core.state import State
from pipeline.journal import Entry, Journal, Line, replay
from pipeline.server import Server

MODEL = Model(name="chibi", sha256="c" * 64, width=64, height=96)
MADE = Made(device="cpu", dtype="float32", threads=1, batch=1, torch="2", diffusers="0")
WORKERS = ("worker-1", "worker-2", "worker-3")


def noon() -> datetime:
    return datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


def folded(journal: Path) -> State:
    """The state that a journal says, as whoever starts a server has it."""
    state = State()
    for line in replay(journal):
        evolve(state, line.seq, line.at, e.decode(line.raw))
    return state


def entry(event: e.Event) -> Entry:
    name, fields = e.encode(event)
    return Entry(
        type=name, fields=json.dumps(json.loads(fields), separators=(",", ":")).encode(), v=1
    )


class Production:
    """An inbox with its journal, and who is told of what is recorded there."""

    def __init__(self, inbox: Path) -> None:
        self.inbox = inbox
        self.journal = Journal.open(inbox / ".pipeline", clock=noon)
        self.path = self.journal.path
        self.state = folded(self.path)
        self.audience: list[Audience] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.journal.close()

    def server(self, port: int = 0, **options: Any) -> Server:
        """A server for this production, told of all that follows; not started."""
        state = folded(self.path)
        server = Server(inbox=self.inbox, journal=self.path, state=state, port=port, **options)
        self.audience = [server]
        return server

    def record(self, *events: e.Event) -> list[Line]:
        lines = self.journal.append([entry(event) for event in events])
        for line, event in zip(lines, events, strict=True):
            evolve(self.state, line.seq, line.at, event)
            for audience in self.audience:
                audience.recorded(line, event)
        return lines

    def begin(self) -> None:
        self.record(
            e.RunnerStarted(version="0", model=MODEL, workers=len(WORKERS), device="cpu", pid=1)
        )

    def project(self, spec: Project) -> str:
        key = slug(spec.name)
        self.record(e.ProjectDeclared(key=key, file=f"{key}/project.yaml", spec=spec))
        return key

    def character(self, spec: Character, project: str) -> None:
        key = f"{project}/{slug(spec.name)}"
        file = f"{project}/characters/{slug(spec.name)}.yaml"
        self.record(e.CharacterDeclared(key=key, file=file, spec=spec))

    def job(self, file: str, spec: Job, *, project: str | None = None) -> str:
        """Submit a job and, if it can be drawn, ask for its pictures."""
        key = job_key(file, spec.name, several=False)
        self.record(e.JobSubmitted(key=key, file=file, project=project, seed=7, spec=spec))
        if asked := decide.request(self.state, self.state.jobs[key]):
            self.record(*asked)
        return key

    def reject(self, file: str, message: str, text: str = "") -> None:
        problem = Problem(
            file=file, line=3, column=9, message=message, text=text, caret=9, hint="mend it"
        )
        self.record(e.ManifestRejected(file=file, sha256="0" * 64, problems=(problem,)))

    def reject_many(self, count: int, message: str) -> None:
        """So many facts that bear the message, in one batch."""
        self.record(
            *(
                e.ManifestRejected(
                    file=f"{number}.yaml", sha256="0" * 64,
                    problems=(
                        Problem(file=f"{number}.yaml", line=1, column=1, message=message),
                    ),
                )
                for number in range(count)
            )
        )  # fmt: skip

    def task(self, key: str) -> Task:
        """The next picture that is owed of a job."""
        return next(task for task in pending(self.state, set(), 10_000) if task.job == key)

    def start_drawing(self, task: Task, worker: str = WORKERS[0]) -> None:
        self.record(e.RenderStarted(job=task.job, take=task.take, index=task.index, worker=worker))

    def finish(self, task: Task, picture: Image.Image | None = None, worker: str = "w") -> Path:
        """Put the picture in its place and record it."""
        size = (task.resolved.width, task.resolved.height)
        image = picture or Image.new("RGB", size, (task.seed * 37 % 256, 90, 200))
        path = self.inbox / task.file
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
        self.record(
            e.ImageRendered(
                job=task.job, take=task.take, index=task.index, seed=task.seed, file=task.file,
                sha256=hashlib.sha256(path.read_bytes()).hexdigest(), seconds=2.5, worker=worker,
                made=MADE,
            )
        )  # fmt: skip
        return path

    def draw_all(self) -> None:
        for task in pending(self.state, set(), 10_000):
            self.finish(task)

    def live(self, tasks: Sequence[Task] = (), *, warm: bool = True) -> Live:
        """Tell that the workers draw these tasks, the others being idle."""
        drawn = [*tasks, *(None,) * (len(WORKERS) - len(tasks))]
        live = Live(
            workers=tuple(
                WorkerLive(
                    name=name, pid=100 + place, task=task,
                    phase="starting" if not warm else "rendering" if task else "idle",
                )
                for place, (name, task) in enumerate(zip(WORKERS, drawn, strict=True))
            ),
            model_preloaded=warm,
        )  # fmt: skip
        self.say(live)
        return live

    def say(self, live: Live) -> None:
        for audience in self.audience:
            audience.changed(live)

    def tick(
        self, task: Task, step: int, worker: str = WORKERS[0], preview: bytes | None = None
    ) -> None:
        steps = task.resolved.steps
        tick = Stepped(worker=worker, task=task, step=step, steps=steps, preview=preview)
        for audience in self.audience:
            audience.ticked(tick)
