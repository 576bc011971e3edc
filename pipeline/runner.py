"""The runner: the one loop that watches, decides, records and hands out work.

Owns the order of things. One step is: observations in, `decide` makes events of them, the ledger
makes those durable, and only then is anything acted on or dispatched. Never imports torch, and
does not know who watches.
"""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from pipeline import pictures
from pipeline.audience import Audience
from pipeline.complaints import Complaints
from pipeline.core import events as e
from pipeline.core import observed as o
from pipeline.core.decide import decide, request, reused
from pipeline.core.keys import shelf_file
from pipeline.core.manifest import Project
from pipeline.core.pending import claims, leftovers, pending, reusable, strays, wanted
from pipeline.core.resolved import Task
from pipeline.core.state import State
from pipeline.core.status import status
from pipeline.errors import AnimeError
from pipeline.journal import Journal
from pipeline.ledger import Ledger
from pipeline.parts import Inbox, Pool

log = logging.getLogger(__name__)

BATCH = 256
"""Most observations that are decided and flushed together."""
PATIENCE = 0.2
"""Seconds between two looks around when nothing wakes the loop; a signal waits no longer."""


class NoWorkers(AnimeError):
    """The model cannot be loaded, or the device is not there."""

    exit_code = 3


class Runner:
    """Runs one inbox. `step(now)` is the whole of it; `run` only loops."""

    def __init__(
        self,
        *,
        root: Path,
        inbox: Inbox,
        journal: Journal,
        pool: Pool,
        state: State,
        audience: Audience,
        opening: Sequence[e.Event] = (),
        once: bool = False,
        grace: float = 30.0,
    ) -> None:
        """`state` is the fold of the journal; `opening` is recorded first; `grace` is how many
        seconds a stop waits for the pictures in work; `once` ends when nothing is owed."""
        self._root, self._inbox, self._pool, self._audience = root, inbox, pool, audience
        self._ledger = Ledger(journal=journal, state=state, audience=audience)
        self._complaints = Complaints(root)
        self._opening, self._once, self._grace = list(opening), once, grace
        self._seen: dict[str, o.FileSeen] = {}
        self._touched: set[str] = set()
        self._painted = {key for key, job in state.jobs.items() if len(job.takes) > 1}
        self._busy: dict[str, Task] = {}
        self._scanned = False
        self._stops = 0
        self._live = o.Live()

    @property
    def state(self) -> State:
        """What the journal says, folded; the runner's own, read it between steps only."""
        return self._ledger.state

    def run(self) -> int:
        """Loop until stopped, or until all that is owed is drawn if it runs once.

        Returns the exit code: 0, or 1 if it ran once and something needs a person.

        Raises:
            NoWorkers: the model cannot be loaded.
            JournalFull, JournalFailed: the journal cannot be written.
        """
        deadline = None
        try:
            self._pool.start()
            while not self._ended(deadline):
                self._inbox.wait(PATIENCE)
                self.step(time.monotonic())
                if self._stops and deadline is None:
                    deadline = time.monotonic() + self._grace
        finally:
            if self._stops > 1:
                self._pool.kill()
            else:
                self._pool.stop(5.0)
        return 1 if self._once and self._needs_a_person() else 0

    def stop(self) -> None:
        """Hand out nothing more and end when the pictures in work are done; a second call ends
        at once. Only sets a number, so that a signal handler may call it."""
        self._stops += 1

    def step(self, now: float) -> None:
        """One turn of the loop; `now` is monotonic seconds."""
        self._ledger.fold(self._opening)
        self._opening = []
        self._pool.step(now)
        looks = self._look(now)
        for start in range(0, len(looks), BATCH):
            for look in looks[start : start + BATCH]:
                self._ledger.fold(decide(self.state, look))
            self._commit()
        self._follow()
        self._halt_unwanted()
        self._dispatch()
        self._tidy()
        self._tell()

    def _look(self, now: float) -> list[o.FileSeen | o.FileGone | o.Report]:
        """All that is new: files first, and of those projects before what stands under them."""
        files = sorted(self._inbox.step(now), key=_projects_first)
        for seen in files:
            if isinstance(seen, o.FileSeen):
                self._seen[seen.file] = seen
            else:
                self._seen.pop(seen.file, None)
            self._touched.add(seen.file)
        reports = self._pool.poll()
        for report in reports:
            self._note(report)
        if self._scanned or not self._inbox.scanned:
            return [*files, *reports]
        self._scanned = True
        return [*self._gone_meanwhile(), *files, *reports]

    def _gone_meanwhile(self) -> list[o.FileGone]:
        """Manifests that went away while nobody watched."""
        known = self.state.files.keys() | self.state.rejected.keys()
        return [
            o.FileGone(file=file)
            for file in sorted(known - self._seen.keys())
            if _is_gone(self._root / file)
        ]

    def _note(self, report: o.Report) -> None:
        match report:
            case o.Stepped():
                self._audience.ticked(report)
            case o.Painted(task=task):
                self._busy.pop(task.id, None)
                self._painted.add(task.job)
            case o.Failed(task=task) | o.Stopped(task=task):
                self._busy.pop(task.id, None)
            case o.Lost(task=task):
                if task is not None:
                    self._busy.pop(task.id, None)
            case o.Broken(error=error, hint=hint):
                raise NoWorkers(error, hint or None)
            case o.WorkerWarm() | o.Began():
                pass

    def _follow(self) -> None:
        """Decide again what the events have reached, until nothing more follows."""
        ledger = self._ledger
        while ledger.files:
            files, ledger.files = sorted(ledger.files), set()
            for file in files:
                if file in self._seen:
                    ledger.fold(decide(self.state, self._seen[file]))
        jobs, ledger.jobs = sorted(ledger.jobs), set()
        for key in jobs:
            ledger.fold(request(self.state, self.state.jobs[key]))
            self._touched.add(self.state.jobs[key].file)
        self._commit()
        if self._touched:
            self._complaints.refresh(self.state, self._touched)
            self._touched = set()

    def _commit(self) -> None:
        try:
            self._ledger.commit()
        except AnimeError as error:
            self._live = replace(self._live, journal_failed=error.message)
            self._audience.changed(self._live)
            raise

    def _halt_unwanted(self) -> None:
        for task in self._busy.values():
            if not wanted(self.state, task):
                self._pool.cancel(task.id)

    def _dispatch(self) -> None:
        """Give every free worker the next picture that is owed and was not drawn before."""
        if self._stops or self._inbox.lost or self._inbox.git_works or not self._scanned:
            return
        free = list(self._pool.free())
        while free:
            busy = {claim for task in self._busy.values() for claim in claims(task)}
            tasks = pending(self.state, busy, 1)
            if not tasks:
                return
            if not self._reuse(tasks[0]):
                self._busy[tasks[0].id] = tasks[0]
                self._pool.submit(free.pop(0), tasks[0])

    def _reuse(self, task: Task) -> bool:
        """Whether the picture is there already, and now also where this task wants it."""
        drawn = reusable(self.state, task)
        if drawn is None:
            return False
        try:
            placed = pictures.reuse(self._root, drawn.file, drawn.sha256, task)
        except (pictures.PictureError, OSError) as error:
            log.info("%s is drawn again: %s", task.id, error)
            return False
        events = reused(self.state, task, placed.file, placed.sha256, shelved=placed.shelved)
        self._ledger.fold(events)
        self._commit()
        self._painted.add(task.job)
        return True

    def _tidy(self) -> None:
        """Put pictures on the shelf that a finished take no longer has."""
        painted, self._painted = sorted(self._painted), set()
        for key in painted:
            for take, image in strays(self.state.jobs[key]):
                shelf = shelf_file(key, take.number, image.index)
                if pictures.shelve(self._root, image.file, image.sha256, shelf):
                    shelved = e.ImageShelved(
                        job=key, take=take.number, index=image.index, file=shelf
                    )
                    self._ledger.fold([shelved])
                    self._commit()
                    pictures.remove(self._root, image.file, image.sha256)
            for file, sha256 in leftovers(self.state.jobs[key]):
                pictures.remove(self._root, file, sha256)

    def _tell(self) -> None:
        """Tell of the moment where it differs; steps are ticks and do not count."""
        workers = self._pool.live()
        live = replace(
            self._live,
            workers=workers,
            model_preloaded=bool(workers) and all(w.phase != "starting" for w in workers),
            inbox_lost=self._inbox.lost,
            draining=self._stops > 0,
        )
        if _still(live) != _still(self._live):
            self._audience.changed(live)
        self._live = live

    def _ended(self, deadline: float | None) -> bool:
        if self._stops > 1:
            return True
        if deadline is not None:
            return not self._busy or time.monotonic() > deadline
        if not self._once or not self._scanned or self._busy or not self._inbox.quiet:
            return False
        return not pending(self.state, set(), 1)

    def _needs_a_person(self) -> bool:
        troubles = ("waiting", "failed", "quarantined")
        return bool(self.state.rejected) or any(
            status(self.state, job) in troubles for job in self.state.jobs.values()
        )


def _projects_first(seen: o.FileSeen | o.FileGone) -> tuple[int, int, str]:
    """Files that are gone, then those with a project, from the inbox's root downwards."""
    if isinstance(seen, o.FileGone):
        order = 0
    else:
        order = 1 if any(isinstance(m, Project) for m in seen.manifests) else 2
    return order, seen.file.count("/"), seen.file


def _is_gone(path: Path) -> bool:
    """Whether there is certainly no such file; one that cannot be looked at may be there."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _still(live: o.Live) -> o.Live:
    workers = tuple(replace(worker, step=0, steps=0) for worker in live.workers)
    return replace(live, workers=workers)
