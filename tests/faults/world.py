"""One inbox over many runs: the real runner, inbox, journal and pictures, with a pool that draws
squares, and a journal's file layer that dies or fills up where it is told to.

Owns what was acknowledged and what the invariants are; which faults come is the machine's.
"""

import errno
import hashlib
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from msgspec.structs import replace

from pipeline import __version__, pictures
from pipeline.core import events as e
from pipeline.core.evolve import evolve
from pipeline.core.observed import Live, Stepped
from pipeline.core.resolve import Compiled, resolve
from pipeline.core.state import State
from pipeline.history import PRIVATE
from pipeline.inbox.watch import RESCAN, Inbox
from pipeline.journal import JOURNAL_NAME, Journal, JournalFailed, JournalFull, Line, replay
from pipeline.journal.files import RealFiles
from pipeline.runner import Runner
from pipeline.settled import resume
from tests.fakes import FakePool
from tests.running import MODEL, fold

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SEGMENT = 5000
"""Bytes of the journal after which it is sealed: some ten lines."""
MOST_TURNS = 60
"""Steps after which a production that nobody touches must have come to rest."""


class Killed(BaseException):
    """The process is dead: nothing may catch it."""


class Fuse(RealFiles):
    """The real files, until the fuse burns down: then the process dies in the midst of a write
    (`share` of its bytes are on the disk) or before a flush. Where there is no `room`, a write
    puts down so many bytes and no more."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.share = 0.0
        self.room: int | None = None

    def write(self, fd: int, data: bytes) -> int:
        if self._burns():
            super().write(fd, data[: int(len(data) * self.share)])
            raise Killed
        if self.room is None:
            return super().write(fd, data)
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(fd, data[: self.room])

    def fdatasync(self, fd: int) -> None:
        if self._burns():
            raise Killed
        super().fdatasync(fd)

    def _burns(self) -> bool:
        if self.left is None:
            return False
        self.left -= 1
        return self.left < 0


class World:
    """An inbox at `root`, with a runner on it or none. Time is `now` and `clock`."""

    def __init__(self, root: Path) -> None:
        root.mkdir()
        self.root, self.now, self.clock = root, 1000.0, NOON
        self.acknowledged: dict[int, bytes] = {}
        self.taken: set[str] = set()
        self.runner: Runner | None = None
        self.start()

    # An audience.

    def recorded(self, line: Line, event: e.Event) -> None:
        assert line.seq not in self.acknowledged, f"{line.seq} was told twice"
        self.acknowledged[line.seq] = line.raw

    def ticked(self, tick: Stepped) -> None:
        pass

    def changed(self, live: Live) -> None:
        pass

    # What may happen.

    @property
    def journal_path(self) -> Path:
        return self.root / PRIVATE / JOURNAL_NAME

    def start(self) -> None:
        self.files = Fuse()
        self.journal = Journal.open(
            self.root / PRIVATE, clock=lambda: self.clock, files=self.files, segment=SEGMENT
        )
        pictures.sweep(self.root)
        resumed = resume(self.root)
        assert canonical(resumed.state) == canonical(fold(self.root)), "a cache told something else"
        self.inbox = Inbox(self.root, known=resumed.files)
        self.pool = FakePool(self.root)
        self.pool.start()
        opening = e.RunnerStarted(version=__version__, model=MODEL, workers=3, device="cpu", pid=1)
        self.runner = Runner(
            root=self.root, inbox=self.inbox, journal=self.journal, pool=self.pool,
            resumed=resumed, audience=self, opening=[opening],
        )  # fmt: skip

    def keep(self) -> None:
        """The state is kept, and what is settled, as now and then they are."""
        self.running().keep(self.now, worth=0)

    def die(self) -> None:
        """As SIGKILL would have it: nothing is told, nothing is finished."""
        self.pool.kill()
        self.journal.close()
        self.runner = None

    def running(self) -> Runner:
        if self.runner is None:
            self.start()
        assert self.runner is not None
        return self.runner

    def step(self, seconds: float) -> bool:
        """One turn of the loop, so much later; whether the runner outlived it."""
        runner = self.running()
        self.now += seconds
        self.clock += timedelta(seconds=seconds)
        try:
            runner.step(self.now)
        except (Killed, JournalFull, JournalFailed):
            self.die()
            return False
        return True

    def rest(self) -> bool:
        """Turn the loop until nothing more follows; whether the runner outlived that."""
        # The first look finds everything without a hint, the second finds it settled or gone.
        for seconds in (RESCAN + 1, 1.0, 1.0):
            if not self.step(seconds):
                return False
        for _ in range(MOST_TURNS):
            before = self.running().state.seq
            if not self.step(0.1):
                return False
            if self.running().state.seq == before and not self._drawing():
                return True
        raise AssertionError("it does not come to rest")

    def _drawing(self) -> bool:
        return not self.pool.patient and any(w.phase == "rendering" for w in self.pool.live())

    # What must hold.

    def check(self) -> None:
        """The journal has all that was acknowledged, each picture once; a fold of it, and another
        one, is the state in memory, byte for byte."""
        lines = list(replay(self.journal_path))
        written = {line.seq: line.raw for line in lines}
        for seq, raw in self.acknowledged.items():
            assert written.get(seq) == raw, f"line {seq} was acknowledged and is not there"
        assert [line.seq for line in lines] == list(range(1, len(lines) + 1))
        state, again = State(), State()
        drawn: Counter[tuple[str, int, int]] = Counter()
        for line in lines:
            event = e.decode(line.raw)
            if isinstance(event, e.ImageRendered | e.ImageReused):
                drawn[event.job, event.take, event.index] += 1
            evolve(state, line.seq, line.at, event)
            evolve(again, line.seq, line.at, e.decode(line.raw))
        assert [each for each, times in drawn.items() if times > 1] == []
        assert canonical(state) == canonical(again)
        if self.runner is not None:
            assert canonical(self.runner.state) == canonical(state)

    def check_pictures(self) -> None:
        """At rest: each picture that is counted on stands where the journal says, as it was
        drawn, but for those that were taken away; nothing half-made is left."""
        for job in self.running().state.jobs.values():
            for take in job.takes:
                for image in take.images.values():
                    if not image.discarded and image.sha256 not in self.taken:
                        data = (self.root / image.file).read_bytes()
                        assert hashlib.sha256(data).hexdigest() == image.sha256, image.file
        assert list(self.root.rglob("*.part")) == []

    def declared(self) -> object:
        """What the manifests say in the end: specs and the resolved digests of all jobs."""
        state = self.running().state
        jobs = {}
        for key, job in state.jobs.items():
            if not job.withdrawn:
                outcome = resolve(state, job)
                cells = outcome.cells if isinstance(outcome, Compiled) else ()
                digests = [cell.digest for cell in cells]
                waits = [] if isinstance(outcome, Compiled) else [str(m) for m in outcome.missing]
                jobs[key] = [job.file, job.project, job.spec, digests, waits]
        return msgspec.to_builtins(
            [
                {key: (each.file, each.spec) for key, each in state.projects.items()},
                {key: (each.file, each.spec) for key, each in state.characters.items()},
                jobs,
                sorted(state.rejected),
            ],
            order="sorted",
        )


def canonical(state: State) -> bytes:
    """A state as JSON, with its keys sorted; jobs of a snapshot are unpacked for that."""
    whole = replace(state, jobs=dict(state.jobs.items()))
    return json.dumps(msgspec.to_builtins(whole, str_keys=True), sort_keys=True).encode()
