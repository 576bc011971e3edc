"""A whole production run inside the test's own process: real inbox, journal, workers and runner.

The caller turns the loop, so that nothing runs between two lines of a test that it did not ask for.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline import __version__
from pipeline.audience import Audiences
from pipeline.cluster import ClusterPool
from pipeline.cluster.fleet import Fleet
from pipeline.core import events as e
from pipeline.core import observed as o
from pipeline.core.evolve import evolve
from pipeline.core.state import State
from pipeline.inbox.watch import Inbox
from pipeline.journal import JOURNAL_NAME, Journal, replay
from pipeline.model import describe
from pipeline.modelfiles import ModelFiles
from pipeline.pool import Manner, WorkerPool
from pipeline.pool.manner import USUAL
from pipeline.runner import Runner
from pipeline.settled import Resumed

BUNDLED = Path(__file__).parents[1] / "pipeline" / "chibi" / "model"


def now() -> datetime:
    return datetime.now(UTC)


class Listening(WorkerPool):
    """The pool, which also keeps every report for whoever measures."""

    reports: list[o.Report]

    def poll(self) -> list[o.Report]:
        fresh = super().poll()
        self.reports += fresh
        return fresh


class ListeningFar(ClusterPool):
    """The same of a pool over nodes."""

    reports: list[o.Report]

    def poll(self) -> list[o.Report]:
        fresh = super().poll()
        self.reports += fresh
        return fresh


class Studio:
    """An inbox in `root` with its workers, those of a `fleet` if one is given; a context manager
    that leaves nothing running."""

    def __init__(
        self,
        root: Path,
        *,
        workers: int = 3,
        threads: int = 0,
        device: str = "cpu",
        model: Path = BUNDLED,
        paused: bool = False,
        fleet: Fleet | None = None,
        manner: Manner = USUAL,
    ) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self.journal = Journal.open(root / ".pipeline", clock=now)
        state = State()
        for line in replay(root / ".pipeline" / JOURNAL_NAME):
            evolve(state, line.seq, line.at, e.decode(line.raw))
        self.inbox = Inbox(root)
        described = describe(model, None)
        files = ModelFiles(path=model, sha256=described.sha256)
        self.pool: Listening | ListeningFar = (
            Listening(
                root, files, workers=workers, device=device, threads=threads,
                wake=self.inbox.wake, manner=manner,
            )
            if fleet is None
            else ListeningFar(
                root, files, workers=workers, device=device, threads=threads,
                wake=self.inbox.wake, fleet=fleet, manner=manner,
            )
        )  # fmt: skip
        self.pool.reports = []
        opening: list[e.Event] = [
            e.RunnerStarted(
                version=__version__, model=described, workers=workers, device=device, pid=0
            )
        ]
        if paused:
            opening.append(e.QueuePaused(reason="the test"))
        self.runner = Runner(
            root=root, inbox=self.inbox, journal=self.journal, pool=self.pool,
            resumed=Resumed.anew(state),
            audience=Audiences(()), opening=opening,
        )  # fmt: skip

    def __enter__(self) -> Self:
        self.inbox.start()
        self.pool.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.pool.kill()
        self.inbox.stop()
        self.journal.close()

    @property
    def state(self) -> State:
        return self.runner.state

    def drop(self, file: str, text: str) -> float:
        """Put a manifest in place by a rename; CLOCK_MONOTONIC just before it."""
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.tmp")
        part.write_text(text)
        before = time.monotonic()
        part.replace(path)
        return before

    def until(self, done: Callable[[], bool], seconds: float = 120.0) -> None:
        """Turn the runner's loop until something is so.

        Raises:
            TimeoutError: it is not so after `seconds`.
        """
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not so after {seconds} s")
            self.inbox.wait(0.05)
            self.runner.step(time.monotonic())

    def warm(self) -> None:
        """Until every worker has drawn its warm-up step."""
        self.until(lambda: all(worker.phase == "idle" for worker in self.pool.live()))

    def settled(self, pictures: int) -> Callable[[], bool]:
        """Whether so many pictures are finished in all."""
        return lambda: self.state.finished >= pictures

    def heard(self, kind: type[o.Report]) -> list[o.Report]:
        return [report for report in self.pool.reports if isinstance(report, kind)]
