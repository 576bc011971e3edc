"""The runner: the one loop that watches, decides, records and hands out work.

Owns the order of things. One step is: observations in, `decide` makes events of them, the ledger
makes those durable, and only then is anything acted on or dispatched. Never imports torch, and
does not know who watches.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec.structs import replace

from pipeline import settled, shelf, snapshot, vanished
from pipeline.audience import Audience
from pipeline.complaints import Complaints
from pipeline.core import events as e
from pipeline.core import observed as o
from pipeline.core.decide import decide, request
from pipeline.core.pending import pending, queue, sheet_owed, stray_sheets
from pipeline.core.state import State
from pipeline.core.status import status
from pipeline.dispatch import Dispatch
from pipeline.errors import AnimeError
from pipeline.history import PRIVATE
from pipeline.journal import Journal, JournalFull
from pipeline.ledger import Ledger
from pipeline.orders import Orders
from pipeline.parts import Inbox, Pool
from pipeline.sheets import Sheets
from pipeline.sight import Sight
from pipeline.unloading import Unloading

log = logging.getLogger(__name__)

BATCH = 256
"""Most observations that are decided and flushed together."""
TURN = 0.25
"""Seconds after which a turn of deciding or handing out ends and the next looks around first."""
MOMENT = 0.05
"""Seconds of a turn that are for what has no haste."""
AGAIN = 1.0
"""Seconds between two tries to write where there was no room."""
PATIENCE = 0.2
"""Seconds between two looks around when nothing wakes the loop; a signal waits no longer."""
_COLD = ("starting", "unloaded")
"""Phases of a worker that has no model yet."""


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
        resumed: settled.Resumed,
        audience: Audience,
        opening: Sequence[e.Event] = (),
        once: bool = False,
        grace: float = 30.0,
        unload_after: float = 0.0,
        turned: Callable[[float], None] = lambda now: None,
    ) -> None:
        """`resumed` is the fold of the journal; `opening` is recorded first; `grace` is how many
        seconds a stop waits for the pictures in work; `once` ends when nothing is owed; after
        `unload_after` seconds with nothing to draw the model is unloaded, 0 is never; `turned` is
        called with the time after every turn of the loop."""
        self._root, self._inbox, self._pool, self._audience = root, inbox, pool, audience
        self._journal = journal
        state = resumed.state
        self._ledger = Ledger(journal=journal, state=state, audience=audience)
        self._complaints = Complaints(root)
        self._opening, self._once, self._grace = list(opening), once, grace
        self._turned = turned
        self._sight = Sight(root, inbox)
        self._sheets = Sheets(root, inbox.wake)
        self._orders = Orders(root)
        self._touched: set[str] = set()
        self._painted: set[str] = set()
        self._before = list(state.jobs)
        """The jobs of earlier runs that are still to be looked at: they may owe a sheet, or have
        pictures that belong on the shelf."""
        self._ledger.jobs.update(resumed.jobs)
        self._ledger.files.update(resumed.manifests)
        self._ahead = time.time() - time.monotonic()
        """How much more the clock that dates files showed when the run began."""
        self._sealed = -1
        """How much of the journal was sealed when what was settled was last kept."""
        self._files: deque[o.FileSeen | o.FileGone] = deque()
        self._work = Dispatch(root, pool, self._record)
        self._unloading = Unloading(pool, unload_after)
        self._unrecorded: list[o.Report] = []
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
            JournalFull: there was no room for the journal when the run was to end.
            JournalFailed: the journal cannot be written.
        """
        deadline = None
        try:
            self._pool.start()
            while not self._ended(deadline):
                self._inbox.wait(0.0 if self._undecided or self._before else PATIENCE)
                self.step(time.monotonic())
                self._turned(time.monotonic())
                if self._stops and deadline is None:
                    deadline = time.monotonic() + self._grace
        finally:
            self._sheets.stop()
            if self._stops > 1:
                self._pool.kill()
            else:
                self._pool.stop(5.0)
        self.keep(time.monotonic())
        return 1 if self._once and self._needs_a_person() else 0

    def stop(self) -> None:
        """Hand out nothing more and end when the pictures in work are done; a second call ends
        at once. Only sets a number, so that a signal handler may call it."""
        self._stops += 1

    def step(self, now: float) -> None:
        """One turn of the loop; `now` is monotonic seconds."""
        self._ledger.fold(self._opening)
        self._opening = []
        # What the pool has heard comes before what it has waited for in vain.
        self._files += self._sight.look(now, self.state)
        reports = self._reports()
        self._pool.step(now)
        self._decide()
        for report in reports:
            self._ledger.fold(decide(self.state, report))
        self._commit()
        self._follow()
        if self._undecided:
            # Thousands came at once: a signal is heard before the rest is decided.
            self._tell()
            return
        self._obey()
        self._dispatch()
        self._unloading.step(self.state, now, busy=bool(self._work.busy))
        self._tidy()
        self._tell()
        if self._journal.sealed != self._sealed and self._settled:
            self.keep(now)

    @property
    def _settled(self) -> bool:
        """Whether nothing is left that what is known asks for, but to draw."""
        if self._inbox.lost or not self._inbox.quiet or not self._sight.complete:
            return False
        waiting = self._undecided or self._touched or self._painted or self._before
        return not waiting and not self._unrecorded and not self._sheets.busy

    def keep(self, now: float, *, worth: int = snapshot.WORTH) -> None:
        """Keep for the next start what is known at a time, if what is kept is `worth` lines older;
        the state alone where not all of it is settled."""
        private, end = self._root / PRIVATE, self._journal.end
        self._sealed = self._journal.sealed
        if not self._settled:
            snapshot.renew(private, self.state, end, worth=worth)
            return
        # One that was set, or went on while the machine slept, must not make files look old.
        wall = now + min(self._ahead, time.time() - now)
        besides = self.state.rejected.keys() | self._complaints.told
        settled.keep(
            private,
            self.state,
            end,
            worth=worth,
            read=len(self._sight.seen),
            remember=lambda: self._inbox.remember(now, wall, besides),
        )

    @property
    def _undecided(self) -> bool:
        """Whether there is more to decide than one turn had time for."""
        return bool(self._files or self._ledger.files or self._ledger.jobs)

    def _decide(self) -> None:
        """Decide what files say, in the order in which they were seen, as far as one turn goes."""
        end = time.monotonic() + TURN
        while self._files and time.monotonic() < end:
            for _ in range(min(BATCH, len(self._files))):
                seen = self._files.popleft()
                self._touched.add(seen.file)
                self._ledger.fold(decide(self.state, seen))
            self._commit()

    def _reports(self) -> list[o.Report]:
        """What the workers did, as far as it can be recorded now.

        While the inbox is lost so is the journal: what was done is kept until it is back, and what
        failed for want of the folder is simply still owed.
        """
        fresh = self._pool.poll()
        for report in fresh:
            self._note(report)
        if self._inbox.lost:
            self._unrecorded += [each for each in fresh if not isinstance(each, o.Failed)]
            return []
        kept, self._unrecorded = self._unrecorded, []
        return [*kept, *fresh]

    def _note(self, report: o.Report) -> None:
        match report:
            case o.Stepped():
                self._audience.ticked(report)
            case o.Painted(task=task):
                self._work.hear(report)
                self._painted.add(task.job)
            case o.Failed() | o.Stopped() | o.Lost():
                self._work.hear(report)
                if report.task is not None:
                    # It may have put its picture in place, and nobody asks for that any more.
                    self._painted.add(report.task.job)
            case o.Broken(error=error, hint=hint):
                raise NoWorkers(error, hint or None)
            case o.WorkerWarm() | o.Began() | o.Switched() | o.Unusable():
                pass

    def _follow(self) -> None:
        """Decide again what the events have reached, until nothing more follows, as far as one turn
        goes; not before all that came is decided once."""
        ledger, end = self._ledger, time.monotonic() + TURN
        while (ledger.files or ledger.jobs) and not self._files and time.monotonic() < end:
            if ledger.files:
                self._decide_again(end)
            else:
                self._request(end)
        self._commit()
        if self._touched and not self._undecided:
            self._complaints.refresh(self.state, self._touched)
            self._touched = set()

    def _decide_again(self, end: float) -> None:
        ledger = self._ledger
        files, ledger.files = deque(sorted(ledger.files)), set()
        while files and time.monotonic() < end:
            if (seen := self._sight.recall(file := files.popleft())) is not None:
                ledger.fold(decide(self.state, seen))
                self._touched.add(file)
        ledger.files.update(files)

    def _request(self, end: float) -> None:
        ledger = self._ledger
        jobs, ledger.jobs = deque(sorted(ledger.jobs)), set()
        while jobs and time.monotonic() < end:
            job = self.state.jobs[jobs.popleft()]
            asked = request(self.state, job)
            ledger.fold(asked)
            if asked:
                # It may have all its pictures already, and lack only their sheet.
                self._painted.add(job.key)
            self._touched.add(job.file)
        ledger.jobs.update(jobs)

    def _obey(self) -> None:
        """Do what was commanded; a command's file goes once its answer is on the disk.

        Not before everything has been looked at: a command may speak of what arrived with it.
        """
        if self._inbox.lost or not self._sight.complete:
            return
        for look in self._orders.look():
            self._record(decide(self.state, look))
            if isinstance(look, o.Commanded) and look.command not in self.state.answered:
                self._painted |= shelf.restore(self._root, self.state, look, self._record)
                vanished.redraw(self._root, self.state, look, self._record)
            self._orders.done(look)
            self._follow()
            if self._undecided:
                return

    def _record(self, events: Sequence[e.Event]) -> None:
        self._ledger.fold(events)
        self._commit()

    def _commit(self) -> None:
        """Make durable what was decided, waiting for room where there is none.

        Raises:
            JournalFull: there is no room, and the run is to end.
            JournalFailed: the journal cannot be written.
        """
        while True:
            try:
                self._ledger.commit()
            except AnimeError as error:
                self._say(replace(self._live, journal_failed=error.message))
                if self._stops or self._once or not isinstance(error, JournalFull):
                    raise
                log.error("%s; trying again", error.message)
                self._turned(time.monotonic())
                time.sleep(AGAIN)
            else:
                if self._live.journal_failed is not None:
                    self._say(replace(self._live, journal_failed=None))
                return

    def _say(self, live: o.Live) -> None:
        self._live = live
        self._audience.changed(live)

    def _dispatch(self) -> None:
        """Stop what is no longer asked for, and give every free worker the next picture."""
        self._work.halt_unwanted(self.state)
        if self._inbox.lost or self._inbox.git_works or not self._sight.complete:
            return
        if self._undecided:
            return
        end = time.monotonic() + TURN
        self._painted |= self._work.hand_out(
            self.state, lambda: not self._stops and time.monotonic() < end
        )

    def _tidy(self) -> None:
        """Put on the shelf what a finished take no longer has, and compose what it has."""
        if self._inbox.lost:
            return
        self._look_back()
        painted, self._painted = sorted(self._painted), set()
        busy = {task.job for task in self._work.busy.values()}
        for key in painted:
            shelf.tidy(self._root, self.state, key, self._record, in_work=key in busy)
            self._sheets.want(self.state, key)
        self._sheets.place(self.state, self._record)

    def _look_back(self) -> None:
        """Look at jobs of earlier runs, as far as one turn goes."""
        end = time.monotonic() + MOMENT
        while self._before and time.monotonic() < end:
            some = self._before[-BATCH:]
            del self._before[-BATCH:]
            for job in filter(None, map(self.state.jobs.get, some)):
                if len(job.takes) > 1 or sheet_owed(job) or stray_sheets(job):
                    self._painted.add(job.key)

    def _tell(self) -> None:
        """Tell of the moment where it differs; steps are ticks and do not count."""
        workers = self._pool.live()
        live = replace(
            self._live,
            workers=workers,
            model_preloaded=bool(workers) and not any(w.phase in _COLD for w in workers),
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
            return not self._work.busy or time.monotonic() > deadline
        if not self._once or not self._sight.complete or self._work.busy:
            return False
        if self._undecided or self._before:
            return False
        if not self._inbox.quiet:
            return False
        return not pending(self.state, set(), 1) and not self._sheets.busy

    def _needs_a_person(self) -> bool:
        """Whether anything is wrong, or still owed: a paused queue draws nothing by itself."""
        troubles = ("waiting", "failed", "quarantined")
        return bool(self.state.rejected or queue(self.state)) or any(
            status(self.state, job) in troubles for job in self.state.jobs.values()
        )


def _still(live: o.Live) -> o.Live:
    workers = tuple(replace(worker, step=0, steps=0) for worker in live.workers)
    return replace(live, workers=workers)
