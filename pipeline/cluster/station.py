"""A station: the keeper and workers of one GPU, or of one node, as they are spoken to from afar.

Owns the node's end of `pipeline.cluster.words`: a pool of this machine over a folder of scratch,
the files that a picture needs in it, and what is told of both. A finished picture is told whole and
kept no longer. Knows no Ray, never imports torch, and never decides what is drawn.
"""

import math
import tempfile
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from os import getpid
from pathlib import Path

from pipeline import __version__
from pipeline.cluster import words as w
from pipeline.cluster.places import Places
from pipeline.cluster.scratch import Scratch
from pipeline.core import observed as o
from pipeline.core.resolved import Task
from pipeline.modelfiles import ModelFiles
from pipeline.pool import Several, WorkerPool
from pipeline.room import Room

PATIENCE = 0.2
"""Seconds between two looks around when nothing wakes the loop."""
AGAIN = 30.0
"""Seconds until a node that can draw nothing looks again whether it can."""
LINGER = 0.2
"""Seconds that mere progress waits for more of it, so that it does not cost a message a step."""


class Station:
    """Opened at once, in a thread of its own; `order` and `listen` may be called from any thread.

    `folders` and `cache` are those of `pipeline.cluster.places`.
    """

    def __init__(
        self, setup: w.Setup, *, folders: tuple[Path, ...] = (), cache: Path | None = None
    ) -> None:
        self._setup = setup
        self._places = Places(folders, setup.package, cache)
        self._cache = cache
        self._words: list[w.Word] = []
        self._heard = threading.Condition()
        self._woken = threading.Event()
        self._orders: deque[w.Order | _Prepared] = deque()
        self._preparing = ThreadPoolExecutor(1, "preparing")
        self._work = _Work()
        self._pool: WorkerPool | None = None
        self._models: tuple[str, ...] = ()
        self._turn = 0
        self._resting = False
        self._look_at = 0.0
        self._told: w.Lives | None = None
        self._opened: w.Opened | None = None
        """What the head knows of its models, if it was not told of worse since."""
        self._ended = False
        # The name is that of the pool's own folders, so that what a killed station leaves is swept
        # with theirs.
        self._scratch = Scratch(Path(tempfile.mkdtemp(prefix=f"anime-{getpid()}-")))
        self._thread = threading.Thread(target=self._run, name="station", daemon=True)
        self._thread.start()

    def order(self, order: w.Order) -> None:
        """Have something done, after what was ordered before; returns at once."""
        self._orders.append(order)
        self._woken.set()

    def listen(self, patience: float) -> list[w.Word]:
        """What there is to say since the last time, or once there is something; nothing if there
        was nothing for so many seconds."""
        with self._heard:
            self._heard.wait_for(lambda: self._words, patience)
            self._heard.wait_for(lambda: not all(map(_is_mere, self._words)), LINGER)
            said, self._words = self._words, []
        return said

    def join(self) -> None:
        """Wait until it has ended, as it was ordered to."""
        self._thread.join()

    def _say(self, word: w.Word) -> None:
        with self._heard:
            self._words.append(word)
            self._heard.notify_all()

    def _run(self) -> None:
        """The life of the station, in the thread that its keeper lives as long as."""
        try:
            while not self._ended:
                self._step(time.monotonic())
                self._woken.wait(PATIENCE)
                self._woken.clear()
        except Exception as error:  # Else the head would wait for a word for ever.
            self._say(w.Broke(error=f"{type(error).__name__}: {error}"))
        if self._pool is not None:
            self._pool.kill()
        self._preparing.shutdown(cancel_futures=True)
        self._scratch.remove()
        self._say(w.Ended())

    def _step(self, now: float) -> None:
        if self._pool is None and now >= self._look_at:
            self._open(now)
        while self._orders and not self._ended:
            self._obey(self._orders.popleft())
        if self._pool is not None:
            for report in self._pool.poll():
                self._report(report, now)
        if self._pool is not None:
            self._pool.step(now)
            self._tell(self._pool)

    def _open(self, now: float) -> None:
        """Look for the models; with those that are there, begin."""
        self._look_at = now + AGAIN
        setup = self._setup
        if setup.version != __version__:
            self._look_at = math.inf
            said = f"its anime is {__version__}, and the head's is {setup.version}"
            self._say(w.Broke(error=said, hint="install the same version on both"))
            return
        looked = [self._places.model(each) for each in setup.models]
        found = [each for each in looked if isinstance(each, ModelFiles)]
        self._models = tuple(each.sha256 for each in found)
        if found:
            self._pool = self._begun(found)
        lacks = tuple(each for each in looked if isinstance(each, w.Lack))
        opened = w.Opened(models=self._models, lacks=lacks)
        if opened != self._opened:
            self._opened = opened
            self._say(opened)

    def _begun(self, found: list[ModelFiles]) -> WorkerPool:
        setup = self._setup
        usual, *others = found
        first = next((each for each in setup.held if each in self._models), usual.sha256)
        pool = WorkerPool(
            self._scratch.folder, usual, workers=setup.workers, device=setup.device,
            threads=setup.threads, manner=setup.manner, wake=self._woken.set,
            hashes=self._cache,
            several=Several(
                others=tuple(others), first=first, room=Room(weights=setup.weights, most=setup.most)
            ),
        )  # fmt: skip
        pool.start()
        if self._resting:
            pool.rest()
        return pool

    def _obey(self, order: "w.Order | _Prepared") -> None:
        match order:
            case w.Draw():
                self._work.came(order)
                self._preparing.submit(self._prepare, order)
            case _Prepared():
                self._draw(order)
            case w.Cancel(number=number):
                self._cancel(number)
            case w.Hold(turn=turn, models=models):
                self._turn = turn
                mine = tuple(each for each in models if each in self._models)
                # A node that has one of several models draws with that and no other.
                if self._pool is not None and len(self._models) > 1 and mine != self._pool.held:
                    self._pool.hold(mine)
            case w.Rest():
                self._resting = True
                if self._pool is not None and not self._work.all():
                    self._pool.rest()
            case w.Rouse():
                self._resting = False
                if self._pool is not None:
                    self._pool.rouse()
            case w.End(grace=grace):
                self._ended = True
                if self._pool is not None:
                    self._pool.stop(grace)
                    for report in self._pool.poll():
                        self._report(report, time.monotonic())
                    self._pool = None

    def _prepare(self, draw: w.Draw) -> None:
        """In a thread of its own, since large files are read: put into the scratch what the picture
        needs."""
        lacks: list[w.Lack] = []
        error = ""
        try:
            folder = self._scratch.of(draw)
            for each in draw.weights:
                found = self._places.weights(each)
                if isinstance(found, w.Lack):
                    lacks.append(found)
                elif each.file:
                    self._scratch.lend(found, each, folder)
        except OSError as failed:
            error = f"{type(failed).__name__}: {failed}"
        self._orders.append(_Prepared(draw, tuple(lacks), error))
        self._woken.set()

    def _draw(self, prepared: "_Prepared") -> None:
        draw = prepared.draw
        task, pool = draw.task, self._pool
        if self._work.unwanted(draw.number):
            self._end(draw.number, w.Halted(number=draw.number))
        elif prepared.error:
            said = f"the scratch folder of {self._setup.name}: {prepared.error}"
            failing = w.Failing(number=draw.number, kind="disk_full", error=said)
            self._end(draw.number, failing)
        elif prepared.lacks or pool is None or draw.worker not in pool.free():
            self._end(draw.number, w.Returned(number=draw.number, lacks=prepared.lacks))
        else:
            self._work.begun(draw)
            pool.submit(draw.worker, task, self._scratch.folder_of(draw.number))

    def _cancel(self, number: int) -> None:
        task = self._work.cancelled(number)
        if task is not None and self._pool is not None:
            self._pool.cancel(task.id)

    def _end(self, number: int, word: w.Word) -> None:
        """The last word of a picture, whose files go."""
        self._work.ended(number)
        self._scratch.forget(number)
        self._say(word)

    def _report(self, report: o.Report, now: float) -> None:
        match report:
            case o.WorkerWarm(worker=worker, pid=pid):
                self._say(w.Warmed(worker=worker, pid=pid))
            case o.Began(task=task, encoding=encoding):
                self._say(w.Begun(number=self._work.number(task), encoding=encoding))
            case o.Stepped(task=task, step=step, steps=steps, preview=preview):
                number = self._work.number(task)
                self._say(w.Ticked(number=number, step=step, steps=steps, preview=preview))
            case o.Painted(task=task):
                self._painted(report, self._work.number(task))
            case o.Failed(task=task, kind=kind, error=error):
                if kind == "disk_full":
                    error = f"the scratch folder of {self._setup.name}: {error}"
                number = self._work.number(task)
                self._end(number, w.Failing(number=number, kind=kind, error=error))
            case o.Stopped(task=task):
                number = self._work.number(task)
                self._end(number, w.Halted(number=number))
            case o.Lost():
                self._lost(report)
            case o.Unusable(model=model, error=error, hint=hint):
                why = f"{error}; {hint}" if hint else error
                lack = w.Lack(called=f"model {model[:12]}", sha256=model, why=why)
                self._say(w.Unfit(lack=lack))
            case o.Broken(error=error, hint=hint):
                self._broke(error, hint, now)
            case o.Switched():
                pass  # The head tells by the workers when all is as it was ordered.

    def _painted(self, report: o.Painted, number: int) -> None:
        try:
            data = (self._scratch.folder_of(number) / report.file).read_bytes()
        except OSError as error:
            said = f"the scratch folder of {self._setup.name}: {error}"
            self._end(number, w.Failing(number=number, kind="error", error=said))
            return
        drawn = w.Drawn(
            number=number, data=data, sha256=report.sha256, seconds=report.seconds, made=report.made
        )
        self._end(number, drawn)

    def _lost(self, report: o.Lost) -> None:
        number = None if report.task is None else self._work.number(report.task)
        dead = w.Dead(
            worker=report.worker, pid=report.pid, cause=report.cause, detail=report.detail,
            blamed=report.blamed, number=number,
        )  # fmt: skip
        if number is None:
            self._say(dead)
        else:
            self._end(number, dead)

    def _broke(self, error: str, hint: str, now: float) -> None:
        """Nobody can draw here; it may be otherwise later."""
        if self._pool is not None:
            self._pool.kill()
        self._pool, self._told, self._opened, self._look_at = None, None, None, now + AGAIN
        for number in self._work.all():
            self._end(number, w.Returned(number=number))
        self._say(w.Broke(error=error, hint=hint))

    def _tell(self, pool: WorkerPool) -> None:
        """Say what the workers do, if it is not known."""
        pids = pool.pids()
        lives = w.Lives(
            workers=tuple(
                w.OnePhase(name=each.name, pid=each.pid, phase=each.phase) for each in pool.live()
            ),
            keeper=pids.get("keeper"), turn=self._turn, free=pool.room.free, each=pool.room.each,
        )  # fmt: skip
        if lives != self._told:
            self._told = lives
            self._say(lives)


class _Prepared:
    """What a picture needs is there, but for what lacks, or for an error of the disk."""

    def __init__(self, draw: w.Draw, lacks: tuple[w.Lack, ...], error: str) -> None:
        self.draw, self.lacks, self.error = draw, lacks, error


class _Work:
    """Which order a task of this pool answers."""

    def __init__(self) -> None:
        self._orders: dict[int, w.Draw] = {}
        self._numbers: dict[str, int] = {}
        self._unwanted: set[int] = set()

    def came(self, draw: w.Draw) -> None:
        self._orders[draw.number] = draw

    def begun(self, draw: w.Draw) -> None:
        self._numbers[draw.task.id] = draw.number

    def number(self, task: Task) -> int:
        return self._numbers[task.id]

    def cancelled(self, number: int) -> Task | None:
        """The task to be stopped, if it was begun; one that was not never will be."""
        # It may come only after this: its pictures are read before it is sent.
        self._unwanted.add(number)
        draw = self._orders.get(number)
        if draw is None:
            return None
        return draw.task if self._numbers.get(draw.task.id) == number else None

    def unwanted(self, number: int) -> bool:
        return number in self._unwanted

    def ended(self, number: int) -> None:
        self._unwanted.discard(number)
        draw = self._orders.pop(number, None)
        if draw is not None and self._numbers.get(draw.task.id) == number:
            del self._numbers[draw.task.id]

    def all(self) -> list[int]:
        return list(self._orders)


def _is_mere(word: w.Word) -> bool:
    return isinstance(word, w.Ticked)
