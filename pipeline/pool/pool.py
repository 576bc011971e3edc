"""The pool of workers as the runner sees it: who is free, who draws what, who has died.

Owns the keeper's process, what each worker does at this moment, and the deadlines. It reports;
what a report means for a job is decided elsewhere. Never imports torch.
"""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec

from pipeline.core.observed import Broken, Painted, Report, WorkerLive, WorkerWarm
from pipeline.core.resolved import Task
from pipeline.modelfiles import ModelFiles, pack
from pipeline.pool import memory
from pipeline.pool.deaths import name_of
from pipeline.pool.links import Link, Links
from pipeline.pool.machine import REAL, Machine
from pipeline.pool.manner import USUAL, Manner
from pipeline.pool.models import ALONE, Models, Several
from pipeline.pool.worker import Seat, Worker
from pipeline.room import Room
from pipeline.wire import (
    Cancel,
    CannotHold,
    CannotLoad,
    Died,
    End,
    Hello,
    Hold,
    Message,
    Recycle,
    Render,
    Space,
    Spawned,
)

_KEEPERS = 5
"""So many keepers in a row that die before any worker is warm, and none ever will."""
_ABSENCE = 10.0
"""Seconds between two polls; whoever did not listen for longer cannot speak of others' silence."""


class WorkerPool:
    """Workers that draw pictures under `root` with a model, or with one of `several`; models are
    spoken of by their sha256.

    `threads` counts for each worker on the CPU; 0 divides the cores among them. `device` is `cpu`,
    `cuda` or `auto`. Where a model has a sha256, no picture is drawn with another one; `hashes` is
    the cache of `pipeline.model.describe`. `wake` is called from another thread whenever `poll` may
    have something new. All other calls belong to one thread, which must outlive the pool: the
    keeper dies with it.
    """

    def __init__(
        self,
        root: Path,
        model: ModelFiles,
        *,
        workers: int,
        device: str,
        threads: int,
        wake: Callable[[], None],
        manner: Manner = USUAL,
        hashes: Path | None = None,
        several: Several = ALONE,
        machine: Machine = REAL,
    ) -> None:
        self._root = root.resolve()
        self._flags = [
            *("--models", pack([model, *several.others])),
            *("--workers", str(workers)),
            *("--device", device),
            *("--threads", str(threads)),
            *("--previews", str(manner.previews)),
            *("--start-method", manner.start_method),
            *("--batch", str(manner.batch)),
            *("--denoising", str(manner.denoising)),
            *_path("--ip-adapter", model.told.ip_adapter),
            *_path("--image-encoder", model.told.image_encoder),
            *(("--hashes", str(hashes)) if hashes is not None else ()),
        ]
        self._models = Models(model, several)
        self._wake = wake
        self._machine = machine
        self._workers = {
            name: Worker(name, batch=manner.batch)
            for name in (f"worker-{number + 1}" for number in range(workers))
        }
        self._alone: set[str] = set()
        """The tasks of which one may have brought down a worker that drew several at once."""
        self._dying: list[Worker] = []
        self._links: Links | None = None
        self._keeper: subprocess.Popen[bytes] | None = None
        self._keeper_link: Link | None = None
        self._keepers_lost = 0
        self._keeper_due = 0.0
        self._kills = machine.memory_kills()
        self._polled_at = machine.clock()
        self._stopping = False
        self._resting = False
        self._broken = False

    def start(self) -> None:
        """Start the keeper; workers are warm some seconds later."""
        self._links = Links(self._wake)
        self._start_keeper()

    def poll(self) -> list[Report]:
        """What has happened since the last time, in order; never waits."""
        reports: list[Report] = []
        now = self._machine.clock()
        self._excuse(now)
        if self._links is not None:
            for link, message in self._links.heard():
                if message is None:
                    self._ended(link, now)
                elif not self._resting:
                    reports += self._heard(link, message, now)
        return [*reports, *self._obituaries(now), *self._keeper_lost(now), *self._deaf()]

    def free(self) -> tuple[str, ...]:
        """Names of the workers that are idle, and warm with all models that are held. Of each
        process one comes before any other: while there is little to draw, all of them draw."""
        idle = [
            (number, seat.name)
            for worker in self._workers.values()
            if worker.ready(self.held)
            for number, seat in enumerate(worker.seats)
            if seat.task is None
        ]
        return tuple(name for _, name in sorted(idle, key=lambda each: each[0]))

    @property
    def held(self) -> tuple[str, ...]:
        """The models that the workers hold, or are about to."""
        return self._models.held

    def fits(self, models: tuple[str, ...]) -> bool:
        """Whether these models may be held together."""
        return self._models.fits(models)

    def hold(self, models: tuple[str, ...]) -> None:
        """Have all workers hold these models and no others; until they do, none of them is free. No
        worker may be drawing with one that goes."""
        self._models.change(models, self._machine.clock())
        self._order()

    @property
    def room(self) -> Room:
        """What is known of the memory for models."""
        return self._models.room

    def takes(self, worker: str, task: Task) -> bool:
        """Whether that worker can draw this: here all can draw the same."""
        return True

    def submit(self, worker: str, task: Task, root: Path | None = None) -> None:
        """Have a free worker draw a picture; one that dies of it, or before it, is reported lost.
        Its files are below `root`, where it has one of its own.

        Raises:
            ValueError: the worker is not free.
        """
        if worker not in self.free():
            raise ValueError(f"{worker} is not free to draw {task.id}")
        chosen, seat = self._seat(worker)
        if not any(one.dying for one in self._processes()):
            # What the kernel killed until now was none of ours.
            self._kills = self._machine.memory_kills()
        chosen.take(seat, task, self._machine.clock())
        if chosen.link is not None:
            alone = task.id in self._alone
            chosen.link.send(Render(task=task, root=str(root or self._root), alone=alone))

    def cancel(self, task: str) -> None:
        """Have a picture, by its task's id, stopped after its current step.

        It may still be finished instead; whoever asks again changes nothing.
        """
        for worker in self._workers.values():
            seat = worker.seat_of(task)
            if seat is not None and not seat.unwanted and worker.link is not None:
                seat.unwanted = True
                worker.link.send(Cancel(task=task))

    def rest(self) -> None:
        """End all processes, which gives the memory of the device back, until `rouse`.

        Raises:
            ValueError: a worker is drawing.
        """
        if any(worker.busy for worker in self._processes()):
            raise ValueError("a worker is drawing")
        self._resting = True
        self._end_keeper()
        for worker in self._processes():
            if worker.link is not None and worker.pid is not None:
                self._machine.kill(worker.pid)
                worker.link.drop()
        self._dying.clear()
        self._workers = {name: Worker(name, before=old) for name, old in self._workers.items()}

    def rouse(self) -> None:
        """Start all processes again; workers are warm some seconds later."""
        self._resting, self._keepers_lost, self._keeper_due = False, 0, 0.0

    def live(self) -> tuple[WorkerLive, ...]:
        """What each worker does at this moment."""
        if self._resting:
            return tuple(
                WorkerLive(name=seat.name, phase="unloaded")
                for worker in self._workers.values()
                for seat in worker.seats
            )
        return tuple(each for worker in self._workers.values() for each in worker.live(self.held))

    def pids(self) -> dict[str, int]:
        """The processes that there are now: `keeper`, and each worker by name."""
        pids = {worker.name: worker.pid for worker in self._workers.values() if worker.pid}
        return pids | ({"keeper": self._keeper.pid} if self._keeper is not None else {})

    def step(self, now: float) -> None:
        """Replace a keeper that has died, and have workers replaced that are silent for too long.

        A keeper that does not do it is killed itself. Poll before, so that all that was said is
        known. `now` is CLOCK_MONOTONIC in seconds.
        """
        if self._stopping or self._broken or self._resting:
            return
        if self._keeper is None and self._links is not None and now >= self._keeper_due:
            self._start_keeper()
        for worker in self._workers.values():
            if worker.overdue(now) and self._keeper_link is not None:
                worker.condemned_at = now
                self._keeper_link.send(Recycle(worker=worker.name, pid=worker.pid or 0))
            elif worker.survives(now) and self._keeper is not None:
                self._keeper.kill()

    def stop(self, grace: float) -> None:
        """End all processes: pictures stop after their current step, or `grace` seconds from now.

        Whoever wants a picture finished waits for its report before. `poll` still tells what was.
        """
        self._stopping = True
        for worker in self._workers.values():
            if worker.link is not None:
                worker.link.send(End())
        if self._keeper_link is not None:
            self._keeper_link.send(End())
            try:
                if self._keeper is not None:
                    self._keeper.wait(grace)
            except subprocess.TimeoutExpired:
                pass
        self.kill()

    def kill(self) -> None:
        """End all processes at once."""
        self._stopping = True
        self._end_keeper()
        if self._links is not None:
            self._links.close()

    def _end_keeper(self) -> None:
        """Kill the keeper, and with it its workers."""
        if self._keeper is not None:
            self._keeper.kill()
            self._keeper.wait()
            memory.sweep(self._keeper.pid)
        self._keeper = self._keeper_link = None

    def _start_keeper(self) -> None:
        assert self._links is not None
        flags = ["--socket", self._links.address, "--parent", str(os.getpid()), *self._flags]
        flags += ["--hold", msgspec.json.encode(self.held).decode()]
        self._models.order()
        self._keeper = self._machine.start_keeper(flags)
        memory.note(self._links.folder, self._keeper.pid)

    def _excuse(self, now: float) -> None:
        """Take no silence for theirs that was ours: we may have been stopped, or very busy."""
        gap, self._polled_at = now - self._polled_at, now
        if gap > _ABSENCE:
            for worker in self._processes():
                worker.excuse(gap, now)

    def _heard(self, link: Link, message: Message, now: float) -> list[Report]:
        match message:
            case Hello(name="keeper"):
                self._keeper_link = link
                self._order()
            case Hello(name=name, pid=pid) if name in self._workers:
                self._worker(name, pid).link = link
            case Spawned(worker=name, pid=pid):
                self._worker(name, pid)
            case Died(worker=name, pid=pid, exitcode=exitcode):
                for worker in self._processes():
                    if (worker.name, worker.pid) == (name, pid):
                        worker.died(exitcode, now)
            case Space(free=free, each=each):
                self._models.measured(free, each)
            case CannotHold(model=model, error=error, hint=hint):
                return [self._models.without(model, error, hint)]
            case CannotLoad(error=error, hint=hint):
                self._broken = True
                return [Broken(error=error, hint=hint)]
            case _:
                return self._said(link, message, now)
        return []

    def _said(self, link: Link, message: Message, now: float) -> list[Report]:
        worker = next((one for one in self._processes() if one.link is link), None)
        report = worker.hear(message, now) if worker is not None else None
        if isinstance(report, WorkerWarm):
            self._keepers_lost = 0
        if isinstance(report, Painted):
            self._alone.discard(report.task.id)
        ready = worker is not None and worker.ready(self.held) and not worker.busy
        switched = self._models.arrived(now) if ready else None
        return [each for each in (report, switched) if each is not None]

    def _order(self) -> None:
        """Tell the keeper which models are to be held, if it was told otherwise."""
        if self._keeper_link is not None and (models := self._models.order()) is not None:
            self._keeper_link.send(Hold(models=models))

    def _worker(self, name: str, pid: int) -> Worker:
        """The process that goes by that name now; one whose place it takes may still be dying."""
        worker = self._workers[name]
        if worker.pid != pid:
            if worker.pid is not None:
                self._dying.append(worker)
            self._workers[name] = worker = Worker(name, pid, before=worker)
        return worker

    def _seat(self, name: str) -> tuple[Worker, Seat]:
        return next(
            (worker, seat)
            for worker in self._workers.values()
            for seat in worker.seats
            if seat.name == name
        )

    def _processes(self) -> list[Worker]:
        return [*self._dying, *self._workers.values()]

    def _ended(self, link: Link, now: float) -> None:
        if link is self._keeper_link:
            self._keeper_link = None
        for worker in self._processes():
            if worker.link is link:
                worker.stream_ended(now)

    def _obituaries(self, now: float) -> list[Report]:
        """The workers that have died: once both ends said so, or one has and the other may not."""
        gone = [worker for worker in self._processes() if worker.gone(now)]
        return [report for worker in gone for report in self._lost(worker, keeper_died=False)]

    def _lost(self, worker: Worker, *, keeper_died: bool) -> list[Report]:
        starved = not keeper_died and self._starved(worker)
        if worker in self._dying:
            self._dying.remove(worker)
        else:
            self._workers[worker.name] = Worker(worker.name, before=worker)
        silent = self._stopping or (self._broken and not worker.busy)
        if silent or worker.pid is None:
            return []
        lost = worker.obituaries(keeper_died=keeper_died, starved=starved)
        self._alone |= worker.suspected
        return [*lost]

    def _starved(self, worker: Worker) -> bool:
        """Whether the kernel killed it for memory; each kill that it counts explains one death."""
        if worker.exitcode != -signal.SIGKILL or worker.condemned_at is not None:
            return False
        if self._machine.memory_kills() <= self._kills:
            return False
        self._kills += 1
        return True

    def _keeper_lost(self, now: float) -> list[Report]:
        """Its workers die with it; one that has not yet is helped, before another draws for it."""
        if self._keeper is None or self._keeper_link is not None or self._keeper.poll() is None:
            return []
        memory.sweep(self._keeper.pid)
        code, self._keeper = self._keeper.returncode, None
        reports: list[Report] = []
        for worker in self._processes():
            if worker.link is not None and worker.pid is not None:
                self._machine.kill(worker.pid)
                worker.link.drop()
            reports += self._lost(worker, keeper_died=True)
        if self._stopping or self._broken:
            return reports
        self._keepers_lost += 1
        if self._keepers_lost >= _KEEPERS:
            self._broken = True
            said = name_of(-code) if code < 0 else f"exit status {code}"
            error = f"the keeper of the model died {_KEEPERS} times in a row: {said}"
            hint = "see the log for what it said"
            if self._models.several and self.held:
                # Loading the latest may well be what it died of: without that there are others.
                self._broken, self._keepers_lost, self._keeper_due = False, 0, now
                return [*reports, self._models.without(self.held[-1], error, hint)]
            return [*reports, Broken(error=error, hint=hint)]
        self._keeper_due = now + (0.0 if self._keepers_lost == 1 else 0.5 * 2**self._keepers_lost)
        return reports

    def _deaf(self) -> list[Report]:
        if self._links is None or self._links.failed is None or self._broken or self._stopping:
            return []
        self._broken = True
        error = f"the workers can no longer be heard: {self._links.failed}"
        return [Broken(error=error, hint="start again; what was drawn is kept")]


def _path(flag: str, path: Path | None) -> tuple[str, ...]:
    return (flag, str(path.resolve())) if path is not None else ()
