"""A campaign of kill -9: the real program is struck again and again, each time in a chosen phase.

Owns the aim. A phase lasts milliseconds, so it is not hoped for: the journal and the kernel's news
of the folder say when it may have begun, everybody is stopped, the disk and the journal, which now
stand still, say whether this is it, and only then one of them is killed. What missed is let go on
and tried again with another picture. A seed makes the same campaign again, as far as the machine's
own timing allows.
"""

import os
import random
import secrets
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

from msgspec import Struct

from pipeline.core import events as e
from pipeline.history import event_of, fold, journal_path
from pipeline.journal import Tail, replay
from tests.faults import frozen
from tests.faults.aftermath import (
    Aftermath,
    events,
    judge,
    left_in,
    shared_memory,
    standing,
    unowned,
)
from tests.faults.names import Names
from tests.processes import Program, gone, write

Who = Literal["worker", "nursery", "keeper", "runner"]
Phase = Literal["idle", "receiving", "mid-step", "mid-save", "after rename"]
WHO: tuple[Who, ...] = get_args(Who)
PHASES: tuple[Phase, ...] = get_args(Phase)
AGAIN = 180.0
"""Seconds in which the program is to be back at work after any death, on a busy machine."""
_TRIES = 200
"""Pictures that a phase is looked for in."""
_JOB = "kind: job\nprompt: {prompt}\nseed: {seed}\nsteps: 12\nsize: 128x128\ncount: {count}\n"
_WORDS = ("girl", "boy", "red hair", "blue hair", "rain", "city", "night", "smile")

Strike = tuple[Who, Phase]


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of a campaign; all but `kills` and `misses` is to be empty or whole."""

    kills: dict[Strike, int]
    misses: int
    aftermath: Aftermath
    orphans: tuple[str, ...]
    leaked: tuple[str, ...]

    @property
    def good(self) -> bool:
        return self.aftermath.good and not self.orphans and not self.leaked


class Missed(Exception):
    """The phase had passed when everybody stood still."""


class Campaign:
    """Strikes at one production in `base`, drawn with the model in the folder `model`."""

    def __init__(self, base: Path, model: Path, *, seed: int, workers: int = 3) -> None:
        self.root, self.calm = base / "struck", base / "calm"
        self.kills: Counter[Strike] = Counter()
        self.misses = 0
        self.orphans: list[str] = []
        self._chance = random.Random(seed)
        self._flags = ["--model", str(model), "--workers", str(workers), "--threads", "1"]
        self._folders = [base / "tmp", base / "runtime"]
        self._mark = f"ANIME_CAMPAIGN={secrets.token_hex(8)}"
        self._env = {
            "ANIME_CAMPAIGN": self._mark.partition("=")[2],
            "TMPDIR": str(self._folders[0]),
            "XDG_RUNTIME_DIR": str(self._folders[1]),
        }
        for folder in (self.root, self.calm, *self._folders):
            folder.mkdir(parents=True)
        self._memory = shared_memory()
        self._tail = Tail(journal_path(self.root))
        self._jobs = 0
        self._asked: set[tuple[str, int]] = set()
        self._started: dict[tuple[str, int], str] = {}
        self._drawn: set[tuple[str, int]] = set()
        self._drawers: dict[tuple[str, int], str] = {}
        self._submitted: set[str] = set()
        self._workers: dict[str, int] = {}
        self._struck: set[int] = set()
        self._lost: dict[int, e.WorkerLost] = {}
        self._unproven = True
        self.program: Program | None = None

    def run(self, strikes: Sequence[Strike], told: Callable[[str], None]) -> Outcome:
        """All strikes in this order, and what came of them."""
        try:
            for number, (who, phase) in enumerate(strikes, 1):
                self.strike(who, phase)
                told(f"{number}/{len(strikes)}  {who} {phase}")
            return self._finish()
        finally:
            if self.program is not None:
                self.program.close()

    def strike(self, who: Who, phase: Phase) -> None:
        """Kill one process in a phase, and go on once nothing of it is left."""
        if self.program is None:
            self.program = Program(self.root, *self._flags, env=self._env)
        if self._unproven:
            # What was asked for may all be drawn, and by nobody who still lives.
            self._drop()
            self._settle()
            self._unproven = False
        why = ""
        for _ in range(_TRIES):
            try:
                with self._aimed(who, phase) as target:
                    before = self._family()
                    os.kill(target, signal.SIGKILL)
            except Missed as missed:
                self.misses += 1
                why = str(missed)
                continue
            self.kills[who, phase] += 1
            self._bury(who, target, before)
            return
        raise TimeoutError(f"{who} {phase} was not met in {_TRIES} pictures: {why}")

    @contextmanager
    def _aimed(self, who: Who, phase: Phase) -> Iterator[int]:
        """Everybody stands still in this phase; the pid that is to be killed."""
        if phase == "idle":
            self._settle()
            with self._still(who):
                yield self._any(who)
            return
        folder, key = self._place()
        names = Names(folder)
        try:
            self._drop(key)
            part = self._await(phase, key, names)
            with self._still(who):
                self._read()
                yield self._met(who, phase, folder, key, part)
        except Missed:
            self._learn(key, names)
            raise
        finally:
            names.close()

    def _learn(self, key: str, names: Names) -> None:
        """Which process goes by the name of the worker that draws this: its unfinished file says
        so, and its name is in the journal."""
        self._until(lambda: (key, 1) in self._drawers)
        for _ in range(20):
            # Names of the manifest itself come first.
            seen = names.fresh(0.0 if (key, 1) in self._drawn else 0.5)
            for name in seen:
                if name.startswith(".anime-") and name.endswith(".part"):
                    self._workers[self._drawers[key, 1]] = int(name.split("-")[1])
                    return
            self._read()
            if not seen and (key, 1) in self._drawn:
                return

    def _await(self, phase: Phase, key: str, names: Names) -> int | None:
        """Wait until a phase may have begun; the pid that saves, if that is known by now."""
        shot = (key, 1)
        match phase:
            case "receiving":
                if self._chance.random() < 0.5:
                    self._until(lambda: key in self._submitted)
                else:
                    threading.Event().wait(self._chance.uniform(0.0, 0.02))
                return None
            case "mid-step":
                self._until(lambda: shot in self._started)
                threading.Event().wait(self._chance.uniform(0.0, 0.08))
                return None
        wanted = ".part" if phase == "mid-save" else ".png"
        part: int | None = None
        deadline = time.monotonic() + AGAIN
        while time.monotonic() < deadline:
            for name in names.fresh(0.2):
                if name.startswith(".anime-") and name.endswith(".part"):
                    part = int(name.split("-")[1])
                if name.endswith(wanted):
                    return part
            self._alive()
        raise TimeoutError(self._said(f"{key} is not drawn"))

    def _met(self, who: Who, phase: Phase, folder: Path, key: str, part: int | None) -> int:
        """The pid to kill, now that all stand still; Missed if this is another phase."""
        shot = (key, 1)
        final = folder / f"{key.rpartition('/')[2]}.01.png"
        parts = [path for path in folder.glob(".anime-*.part") if not final.exists()]
        now: Phase
        if shot in self._drawn:
            raise Missed("it was drawn")
        if final.exists():
            now = "after rename"
        elif parts:
            now, part = "mid-save", int(parts[0].name.split("-")[1])
        elif shot in self._started:
            now = "mid-step"
        else:
            now = "receiving"
        if now != phase:
            raise Missed(f"it was {now}")
        if who != "worker":
            return self._any(who)
        if phase == "receiving":
            return self._any("worker")
        drawer = part if part is not None else self._workers.get(self._drawers[shot])
        if drawer not in self._family():
            raise Missed("nobody knows who draws it")
        assert drawer is not None
        return drawer

    @contextmanager
    def _still(self, who: Who) -> Iterator[None]:
        """Everybody is stopped, the one that is aimed at before the others."""
        family = self._family()
        family.sort(key=lambda pid: self._kind(pid) != who)
        with frozen.still(family):
            yield

    def _any(self, who: Who) -> int:
        """One of that kind; of the workers rather one that can draw."""
        found = [pid for pid in self._family() if self._kind(pid) == who]
        if who == "worker":
            found = [pid for pid in found if frozen.draws(pid)] or found
        if not found:
            raise Missed(f"there is no {who} among {self._family()}")
        return self._chance.choice(sorted(found))

    def _kind(self, pid: int) -> str:
        assert self.program is not None
        if pid == self.program.process.pid:
            return "runner"
        called = frozen.called(pid).removeprefix("anime-")
        return "worker" if frozen.is_worker(pid) else called

    def _family(self) -> list[int]:
        assert self.program is not None
        return [self.program.process.pid, *self.program.children()]

    def _bury(self, who: Who, target: int, before: list[int]) -> None:
        """Wait for what a death has to bring about, and start anew where the runner died."""
        assert self.program is not None
        mortal = {"worker": [target], "runner": before}.get(who, before[1:])
        if who == "runner":
            self.program.process.wait()
            self.program.close()
            self.program = None
        if not gone(mortal, 5.0):
            self.orphans.append(f"some of {mortal} outlived the {who} {target} by 5 s")
        self._struck.add(target)
        if who != "worker":
            self._workers.clear()
            self._unproven = True
            return
        self._until(lambda: target in self._lost)
        lost = self._lost[target]
        if (lost.cause, lost.blamed) != ("killed", False):
            raise AssertionError(f"kill -9 of {target} was taken for {lost}")

    def _place(self) -> tuple[Path, str]:
        """A folder that nothing is drawn in yet, and the key of the job to be there."""
        self._jobs += 1
        key = f"k{self._jobs:05d}/shot"
        folder = self.root / f"k{self._jobs:05d}"
        folder.mkdir()
        return folder, key

    def _drop(self, key: str | None = None) -> None:
        """Put a job in place: one picture to be aimed at, or some beside it."""
        if key is None:
            self._jobs += 1
            key = f"beside/job{self._jobs:05d}"
        # Of two jobs with one seed and the same words only one would be drawn.
        seed = 1000 * self._jobs
        if key.endswith("/shot") and self._chance.random() < 0.3:
            self._drop()
        count = 1 if key.endswith("/shot") else self._chance.randint(1, 3)
        words = ", ".join(self._chance.sample(_WORDS, 3))
        text = _JOB.format(prompt=words, seed=seed, count=count)
        part = self.root / f"{key}.yaml.tmp"
        write(self.root, {f"{key}.yaml.tmp": text})
        part.replace(self.root / f"{key}.yaml")
        self._asked |= {(key, index) for index in range(1, count + 1)}

    def _settle(self) -> None:
        """Until all that was asked for is drawn."""
        self._until(lambda: self._asked <= self._drawn)

    def _until(self, so: Callable[[], bool]) -> None:
        deadline, pause = time.monotonic() + AGAIN, threading.Event()
        while True:
            self._read()
            if so():
                return
            self._alive()
            if time.monotonic() > deadline:
                raise TimeoutError(self._said(f"owed: {sorted(self._asked - self._drawn)[:5]}"))
            pause.wait(0.001)

    def _alive(self) -> None:
        if self.program is not None and self.program.process.poll() is not None:
            raise TimeoutError(self._said("the program has ended"))

    def _said(self, why: str) -> str:
        log = self.program.log() if self.program is not None else ""
        return f"{why}; the program said:\n{log[-4000:]}"

    def _read(self) -> None:
        """What the journal says that is new."""
        for line in self._tail.read():
            match event_of(line):
                case e.JobSubmitted(key=job):
                    self._submitted.add(job)
                case e.RenderStarted(job=job, index=index, worker=worker):
                    self._started[job, index] = self._drawers[job, index] = worker
                case e.ImageRendered(job=job, index=index) | e.ImageReused(job=job, index=index):
                    self._drawn.add((job, index))
                    self._started.pop((job, index), None)
                case e.WorkerLost() as lost:
                    self._lost[lost.pid] = lost
                    self._workers.pop(lost.worker, None)
                case e.RunnerStarted():
                    self._started.clear()
                case _:
                    pass

    def _finish(self) -> Outcome:
        """Draw the rest, look at what lies about while it still runs, end it, and compare."""
        if self.program is None:
            begun = self._beginnings()
            self.program = Program(self.root, *self._flags, env=self._env)
            # A signal would end it at once while it still imports.
            self._until(lambda: self._beginnings() > begun)
        self._settle()
        leaked = unowned(self.root, fold(replay(journal_path(self.root))))
        family = self._family()
        self.program.process.send_signal(signal.SIGTERM)
        if self.program.process.wait(60) != 0:
            raise AssertionError(self._said("it did not end well"))
        self.program.close()
        if not gone(family, 5.0):
            self.orphans.append(f"some of {family} outlived the program")
        self.orphans += [f"process {pid}" for pid in frozen.bearing(self._mark)]
        leaked += left_in(self._folders)
        leaked += [f"/dev/shm/{name}" for name in sorted(shared_memory() - self._memory)]
        aftermath = judge(self.root, self._undisturbed())
        return Outcome(
            kills=dict(self.kills), misses=self.misses, aftermath=aftermath,
            orphans=tuple(self.orphans), leaked=tuple(leaked),
        )  # fmt: skip

    def _beginnings(self) -> int:
        """How many runs the journal tells of."""
        return sum(isinstance(event, e.RunnerStarted) for event in events(self.root))

    def _undisturbed(self) -> dict[str, str]:
        """What the same manifests come to where nobody is killed."""
        for path in self.root.rglob("*.yaml"):
            write(self.calm, {str(path.relative_to(self.root)): path.read_text()})
        calm = Program(self.calm, *self._flags, "--once", env=self._env)
        try:
            if calm.process.wait(1800) != 0:
                raise AssertionError(f"the undisturbed run failed:\n{calm.log()[-4000:]}")
        finally:
            calm.close()
        return standing(self.calm)


def plan(kills: int, seed: int) -> list[Strike]:
    """So many strikes, every process in every phase as often as it goes, in a random order; workers
    five times as often, since they are back soonest."""
    cells: list[Strike] = [(who, phase) for phase in PHASES for who in WHO]
    cells += [(who, phase) for who in WHO for phase in PHASES]
    cells += [("worker", phase) for phase in PHASES for _ in range(4)]
    chance = random.Random(seed)
    strikes: list[Strike] = []
    while len(strikes) < kills:
        strikes += cells if not strikes else [chance.choice(cells[len(WHO) * len(PHASES) :])]
    strikes = strikes[:kills]
    chance.shuffle(strikes)
    return strikes
