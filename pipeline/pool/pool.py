"""The pool of workers as the runner sees it: who is free, who draws what, who has died.

Owns the keeper's process, what each worker does at this moment, and the deadlines. It reports;
what a report means for a job is decided elsewhere. Never imports torch.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.core.observed import Broken, Report, WorkerLive, WorkerWarm
from pipeline.core.resolved import Task
from pipeline.pool.deaths import memory_kills, name_of
from pipeline.pool.links import Link, Links
from pipeline.pool.worker import Worker
from pipeline.wire import (
    Cancel,
    CannotLoad,
    Died,
    End,
    Hello,
    Message,
    Recycle,
    Render,
    Spawned,
)

_KEEPERS = 5
"""So many keepers in a row that die before any worker is warm, and none ever will."""
_QUIET = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONWARNINGS": "ignore",
    "PYTHONSAFEPATH": "1",
}
"""What keeps libraries from the network, from talking where the runner shows its progress, and
modules of the folder that we were started in (an inbox may be somebody else's) from being run."""


class WorkerPool:
    """Workers that draw pictures under `root` with the model in the folder `model`.

    `threads` counts for each worker on the CPU; 0 divides the cores among them. `device` is `cpu`,
    `cuda` or `auto`. `wake` is called from another thread whenever `poll` may have something new.
    All other calls belong to one thread, which must outlive the pool: the keeper dies with it.
    """

    def __init__(
        self,
        root: Path,
        model: Path,
        *,
        workers: int,
        device: str,
        threads: int,
        wake: Callable[[], None],
    ) -> None:
        self._root = root.resolve()
        self._command = [
            *("--model", str(model.resolve())),
            *("--workers", str(workers)),
            *("--device", device),
            *("--threads", str(threads)),
        ]
        self._wake = wake
        self._workers = {
            name: Worker(name) for name in (f"worker-{number + 1}" for number in range(workers))
        }
        self._dying: list[Worker] = []
        self._links: Links | None = None
        self._keeper: subprocess.Popen[bytes] | None = None
        self._keeper_link: Link | None = None
        self._keepers_lost = 0
        self._keeper_due = 0.0
        self._kills = memory_kills()
        self._stopping = False
        self._broken = False

    def start(self) -> None:
        """Start the keeper; workers are warm some seconds later."""
        self._links = Links(self._wake)
        self._start_keeper()

    def poll(self) -> list[Report]:
        """What has happened since the last time, in order; never waits."""
        reports: list[Report] = []
        if self._links is not None:
            for link, message in self._links.heard():
                if message is None:
                    self._ended(link)
                else:
                    reports += self._heard(link, message)
        now = time.monotonic()
        reports += self._obituaries(now)
        reports += self._keeper_lost(now)
        return reports

    def free(self) -> tuple[str, ...]:
        """Names of the workers that are warm and idle."""
        return tuple(
            name for name, worker in self._workers.items() if worker.live().phase == "idle"
        )

    def submit(self, worker: str, task: Task) -> None:
        """Have a free worker draw a picture; one that dies of it, or before it, is reported lost.

        Raises:
            ValueError: the worker is not free.
        """
        chosen = self._workers[worker]
        if worker not in self.free() or chosen.link is None:
            raise ValueError(f"{worker} is not free to draw {task.id}")
        chosen.take(task, time.monotonic())
        chosen.link.send(Render(task=task, root=str(self._root)))

    def cancel(self, task: str) -> None:
        """Have a picture, by its task's id, stopped after its current step.

        It may still be finished instead; whoever asks again changes nothing.
        """
        for worker in self._workers.values():
            if worker.task is None or worker.task.id != task or worker.unwanted:
                continue
            if worker.link is not None:
                worker.unwanted = True
                worker.link.send(Cancel(task=task))

    def live(self) -> tuple[WorkerLive, ...]:
        """What each worker does at this moment."""
        return tuple(worker.live() for worker in self._workers.values())

    def pids(self) -> dict[str, int]:
        """The processes that there are now: `keeper`, and each worker by name."""
        pids = {worker.name: worker.pid for worker in self._workers.values() if worker.pid}
        return pids | ({"keeper": self._keeper.pid} if self._keeper is not None else {})

    def step(self, now: float) -> None:
        """Replace a keeper that has died, and have workers replaced that are silent for too long.

        `now` is CLOCK_MONOTONIC in seconds.
        """
        if self._stopping or self._broken:
            return
        if self._keeper is None and self._links is not None and now >= self._keeper_due:
            self._start_keeper()
        for worker in self._workers.values():
            if worker.overdue(now) and self._keeper_link is not None:
                worker.condemned = True
                self._keeper_link.send(Recycle(worker=worker.name))

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
        if self._keeper is not None:
            self._keeper.kill()
            self._keeper.wait()
            self._keeper = None
        if self._links is not None:
            self._links.close()

    def _start_keeper(self) -> None:
        assert self._links is not None
        self._keeper = subprocess.Popen(
            [
                *(sys.executable, "-m", "pipeline.render.keeper"),
                *("--socket", self._links.address, "--parent", str(os.getpid())),
                *self._command,
            ],
            # A group of its own: Ctrl-C is for the runner, which decides what becomes of them.
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            env=os.environ | _QUIET | {"PYTHONPATH": _search_path()},
        )

    def _heard(self, link: Link, message: Message) -> list[Report]:
        now = time.monotonic()
        match message:
            case Hello(name="keeper"):
                self._keeper_link = link
            case Hello(name=name, pid=pid) if name in self._workers:
                self._worker(name, pid).link = link
            case Spawned(worker=name, pid=pid):
                self._worker(name, pid)
            case Died(worker=name, pid=pid, exitcode=exitcode):
                for worker in self._processes():
                    if (worker.name, worker.pid) == (name, pid):
                        worker.died(exitcode, now)
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
        return [] if report is None else [report]

    def _worker(self, name: str, pid: int) -> Worker:
        """The process that goes by that name now; one whose place it takes may still be dying."""
        worker = self._workers[name]
        if worker.pid != pid:
            if worker.pid is not None:
                self._dying.append(worker)
            self._workers[name] = worker = Worker(name, pid, before=worker)
        return worker

    def _processes(self) -> list[Worker]:
        return [*self._dying, *self._workers.values()]

    def _ended(self, link: Link) -> None:
        if link is self._keeper_link:
            self._keeper_link = None
        for worker in self._processes():
            if worker.link is link:
                worker.stream_ended(time.monotonic())

    def _obituaries(self, now: float) -> list[Report]:
        """The workers that have died: once both ends said so, or one has and the other may not."""
        gone = [worker for worker in self._processes() if worker.gone(now)]
        return [report for worker in gone for report in self._lost(worker, keeper_died=False)]

    def _lost(self, worker: Worker, *, keeper_died: bool) -> list[Report]:
        before, self._kills = self._kills, memory_kills()
        if worker in self._dying:
            self._dying.remove(worker)
        else:
            self._workers[worker.name] = Worker(worker.name, before=worker)
        silent = self._stopping or (self._broken and worker.task is None)
        if silent or worker.pid is None:
            return []
        return [worker.obituary(keeper_died=keeper_died, starved=self._kills > before)]

    def _keeper_lost(self, now: float) -> list[Report]:
        """Its workers die with it; one that has not yet is helped, before another draws for it."""
        if self._keeper is None or self._keeper_link is not None or self._keeper.poll() is None:
            return []
        code, self._keeper = self._keeper.returncode, None
        reports: list[Report] = []
        for worker in self._processes():
            if worker.link is not None and worker.pid is not None:
                _kill(worker.pid)
                worker.link.drop()
            reports += self._lost(worker, keeper_died=True)
        if self._stopping or self._broken:
            return reports
        self._keepers_lost += 1
        if self._keepers_lost >= _KEEPERS:
            self._broken = True
            said = name_of(-code) if code < 0 else f"exit status {code}"
            error = f"the keeper of the model died {_KEEPERS} times in a row: {said}"
            return [*reports, Broken(error=error, hint="see the log for what it said")]
        self._keeper_due = now + (0.0 if self._keepers_lost == 1 else 0.5 * 2**self._keepers_lost)
        return reports


def _search_path() -> str:
    """Where the keeper finds this very program, installed or not."""
    here = str(Path(__file__).resolve().parents[1])
    return os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
