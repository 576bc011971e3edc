"""Stand-ins for what is too heavy for most tests, with the interface of the real thing.

One contract suite, `tests/render/test_pool_contract.py`, runs over the fake pool and the real one.
"""

import errno
import random
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from msgspec.structs import replace
from PIL import Image

from pipeline.core.observed import (
    Began,
    Failed,
    Lost,
    Painted,
    Report,
    Stepped,
    Stopped,
    Switched,
    Unusable,
    WorkerLive,
    WorkerWarm,
)
from pipeline.core.resolved import Made, Task
from pipeline.inscription import is_ours
from pipeline.pictures import PictureError, place
from pipeline.render import png

FAKE_MADE = Made(device="cpu", dtype="float32", threads=1, batch=1, torch="0", diffusers="0")


class FakePool:
    """Draws coloured squares at once, and puts them in place as the real workers do.

    What is submitted is drawn by the next `poll`, unless `patient`: then it stays in work until
    `finish`. Where it is `late`, what is to be stopped is past its last step. `fail` and `lose`
    script what else may happen. Of models it holds `held`, and `most` of them at once; one in
    `unusable` cannot be had. `clock` is what `Began` says.
    """

    def __init__(
        self,
        root: Path,
        *,
        workers: int = 3,
        wake: Callable[[], None] = lambda: None,
        held: tuple[str, ...] = ("ab" * 32,),
        most: int = 1,
    ) -> None:
        self.root = root
        self.patient = self.late = False
        self.clock = 0.0
        self.submitted: list[Task] = []
        """All tasks there have been, in order."""
        self.held, self.most = held, most
        self.unusable: set[str] = set()
        self._names = tuple(f"worker-{number + 1}" for number in range(workers))
        self._wake = wake
        self._pids: dict[str, int] = {}
        self._next_pid = 1001
        self._tasks: dict[str, Task] = {}
        self._begun: set[str] = set()
        self._reports: deque[Report] = deque()
        self._starting: set[str] = set()
        self._unborn: set[str] = set()
        self._failures: dict[
            str, deque[tuple[Literal["error", "out_of_memory", "disk_full"], str]]
        ] = {}
        self.running = self.resting = False

    def start(self) -> None:
        self.running = True
        for name in self._names:
            self._spawn(name)
        self._starting, self._unborn = self._unborn, set()
        self._wake()

    def step(self, now: float) -> None:
        self.clock = now

    def poll(self) -> list[Report]:
        for name in sorted(self._starting):
            self._reports.append(WorkerWarm(worker=name, pid=self._pids[name]))
        self._starting, self._unborn = self._unborn, set()
        for name, task in list(self._tasks.items()):
            self._begin(name, task)
            if not self.patient:
                self._finish(name, task)
        reports, self._reports = list(self._reports), deque()
        return reports

    def free(self) -> tuple[str, ...]:
        if not self.running or self.resting:
            return ()
        busy = self._tasks.keys() | self._starting | self._unborn
        return tuple(name for name in self._names if name in self._pids and name not in busy)

    def takes(self, worker: str, task: Task) -> bool:
        return True

    def submit(self, worker: str, task: Task) -> None:
        assert self.takes(worker, task)
        if worker not in self.free():
            raise ValueError(f"{worker} is not free to draw {task.id}")
        assert len(self.held) == 1 or task.resolved.model in self.held
        self.submitted.append(task)
        self._tasks[worker] = task
        self._wake()

    def cancel(self, task: str) -> None:
        if self.late:
            self.finish(task)
            return
        for name, current in list(self._tasks.items()):
            if current.id == task:
                self._rest(name)
                self._reports.append(Stopped(worker=name, task=current))
                self._wake()

    def fits(self, models: tuple[str, ...]) -> bool:
        return len(models) <= self.most

    def hold(self, models: tuple[str, ...]) -> None:
        (came,) = [one for one in models if one not in self.held]
        left = tuple(one for one in self.held if one not in models)
        assert not any(task.resolved.model in left for task in self._tasks.values())
        self.held = tuple(one for one in models if one not in self.unusable)
        if came in self.held:
            self._reports.append(Switched(model=came, left=left, seconds=0.5))
        else:
            self._reports.append(Unusable(model=came, error="it is broken", hint="mend it"))
        self._wake()

    def rest(self) -> None:
        if self._tasks:
            raise ValueError("a worker is drawing")
        self.resting = True
        self._pids.clear()
        self._starting.clear()
        self._unborn.clear()

    def rouse(self) -> None:
        self.resting = False
        self.start()

    def live(self) -> tuple[WorkerLive, ...]:
        if self.resting:
            return tuple(WorkerLive(name=name, phase="unloaded") for name in self._names)
        return tuple(self._live(name) for name in self._names)

    def pids(self) -> dict[str, int]:
        return {"keeper": 1000, **self._pids} if self.running and not self.resting else {}

    def stop(self, grace: float) -> None:
        for task in [*self._tasks.values()]:
            self.cancel(task.id)
        self.kill()

    def kill(self) -> None:
        self.running = False
        self._tasks.clear()
        self._pids.clear()
        self._starting.clear()
        self._unborn.clear()

    # What only tests call.

    def finish(self, task: str) -> None:
        """Finish a picture that is in work."""
        for name, current in list(self._tasks.items()):
            if current.id == task:
                self._begin(name, current)
                self._finish(name, current)
        self._wake()

    def fail(
        self,
        job: str,
        error: str = "RuntimeError: it broke",
        kind: Literal["error", "out_of_memory", "disk_full"] = "error",
        times: int = 1,
    ) -> None:
        """Let the next `times` pictures of a job fail."""
        self._failures.setdefault(job, deque()).extend((kind, error) for _ in range(times))

    def lose(
        self,
        worker: str,
        cause: Literal[
            "crash", "exit", "deadline", "out_of_memory", "killed", "keeper", "node"
        ] = "killed",
        *,
        blamed: bool = False,
    ) -> None:
        """Let a worker die; another takes its place."""
        pid, task = self._pids[worker], self._tasks.get(worker)
        if task is not None:
            self._begin(worker, task)
        self._rest(worker)
        detail = f"the test let it die: {cause}"
        self._reports.append(
            Lost(worker=worker, pid=pid, cause=cause, detail=detail, blamed=blamed, task=task)
        )
        self._spawn(worker)
        self._wake()

    def _spawn(self, name: str) -> None:
        self._pids[name], self._next_pid = self._next_pid, self._next_pid + 1
        self._unborn.add(name)  # It is warm only after its predecessor's death was told.

    def _rest(self, name: str) -> None:
        self._tasks.pop(name, None)
        self._begun.discard(name)

    def _begin(self, name: str, task: Task) -> None:
        if name not in self._begun:
            self._begun.add(name)
            self._reports.append(Began(worker=name, task=task, at=self.clock))

    def _finish(self, name: str, task: Task) -> None:
        self._rest(name)
        failures = self._failures.get(task.job)
        if failures:
            kind, error = failures.popleft()
            self._reports.append(Failed(worker=name, task=task, kind=kind, error=error))
            if kind == "out_of_memory":
                self.lose(name, "exit")  # It ends by itself, and nobody is blamed.
            return
        steps = task.resolved.steps
        self._reports.extend(
            Stepped(worker=name, task=task, step=step + 1, steps=steps) for step in range(steps)
        )
        made = replace(FAKE_MADE, lean=task.lean)
        data = png.encode(square(task), task, "fake", made)
        try:
            placed = place(self.root, task, data, lambda path: is_ours(path, task))
        except (OSError, PictureError) as error:
            full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
            self._reports.append(
                Failed(
                    worker=name,
                    task=task,
                    kind="disk_full" if full else "error",
                    error=f"{type(error).__name__}: {error}",
                )
            )
            return
        self._reports.append(
            Painted(
                worker=name,
                task=task,
                file=placed.file,
                sha256=placed.sha256,
                seconds=0.1,
                shelved=placed.shelved,
                made=made,
            )
        )

    def _live(self, name: str) -> WorkerLive:
        task = self._tasks.get(name)
        if task is not None:
            return WorkerLive(
                name=name,
                pid=self._pids[name],
                phase="rendering",
                task=task,
                steps=task.resolved.steps,
            )
        phase: Literal["starting", "idle"] = "idle" if name in self.free() else "starting"
        return WorkerLive(name=name, pid=self._pids.get(name), phase=phase)


def square(task: Task) -> Image.Image:
    """A picture of one colour, which its seed and its digest decide."""
    colour = random.Random(f"{task.digest} {task.seed}").randbytes(3)
    size = (task.resolved.width, task.resolved.height)
    return Image.new("RGB", size, (colour[0], colour[1], colour[2]))
