"""A run of the runner on a real inbox and journal, with a pool that draws coloured squares."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pipeline import __version__
from pipeline.core import events as e
from pipeline.core.evolve import evolve
from pipeline.core.observed import Live, Stepped
from pipeline.core.resolved import Model, Offered
from pipeline.core.state import State
from pipeline.core.status import status
from pipeline.inbox.watch import Inbox
from pipeline.journal import JOURNAL_NAME, Journal, Line, replay
from pipeline.journal.files import REAL, Files
from pipeline.journal.writer import SEGMENT
from pipeline.runner import Runner
from pipeline.settled import Resumed, resume
from tests.fakes import FakePool

MODEL = Model(name="fake", sha256="ab" * 32, width=64, height=64)
JOB = "kind: job\nprompt: rain\n"


class Watcher:
    """An audience that remembers."""

    def __init__(self) -> None:
        self.events: list[e.Event] = []
        self.ticks: list[Stepped] = []
        self.lives: list[Live] = []

    def recorded(self, line: Line, event: e.Event) -> None:
        self.events.append(event)

    def ticked(self, tick: Stepped) -> None:
        self.ticks.append(tick)

    def changed(self, live: Live) -> None:
        self.lives.append(live)


class Run:
    """One run of the runner on a folder; closed as a kill would leave it. `resumes` is whether it
    begins with what was kept for it, if anything."""

    def __init__(
        self,
        root: Path,
        *,
        once: bool = False,
        opening: tuple[e.Event, ...] = (),
        files: Files = REAL,
        segment: int = SEGMENT,
        models: tuple[Offered, ...] = (),
        resumes: bool = False,
    ) -> None:
        root.mkdir(exist_ok=True)
        self.root = root
        self.journal = Journal.open(
            root / ".pipeline", clock=lambda: datetime.now(UTC), files=files, segment=segment
        )
        resumed = resume(root) if resumes else Resumed.anew(fold(root))
        self.inbox = Inbox(root, known=resumed.files)
        self.inbox.start()
        self.pool = FakePool(root, wake=self.inbox.wake)
        self.pool.start()
        self.watcher = Watcher()
        started = e.RunnerStarted(
            version=__version__, model=MODEL, workers=3, device="cpu", pid=1, models=models
        )
        self.runner = Runner(
            root=root, inbox=self.inbox, journal=self.journal, pool=self.pool,
            resumed=resumed, audience=self.watcher,
            opening=[started, *opening], once=once,
        )  # fmt: skip

    @property
    def state(self) -> State:
        return self.runner.state

    def drop(self, file: str, text: str = JOB) -> None:
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.tmp")
        part.write_text(text)
        part.replace(path)

    def until(self, done: Callable[[], bool], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, "it did not come to that"
            self.inbox.wait(0.05)
            self.runner.step(time.monotonic())

    def status(self, key: str) -> str:
        return status(self.state, self.state.jobs[key]) if key in self.state.jobs else ""

    def close(self) -> None:
        self.pool.kill()
        self.inbox.stop()
        self.journal.close()


def fold(root: Path) -> State:
    state = State()
    for line in replay(root / ".pipeline" / JOURNAL_NAME):
        evolve(state, line.seq, line.at, e.decode(line.raw))
    return state
