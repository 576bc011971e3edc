"""The pictures in work: the next ones for workers that are free, and a stop for those that are no
longer asked for.

Owns which picture is with whom. Never decides what is owed, which is derived from the state, and
never waits.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from msgspec.structs import replace

from pipeline import pictures
from pipeline.commit import commit_at
from pipeline.core import events as e
from pipeline.core import observed as o
from pipeline.core.decide import reused
from pipeline.core.pending import claims, in_order, reusable, wanted
from pipeline.core.resolved import Task
from pipeline.core.state import State
from pipeline.core.turns import MOST_SEEN, Draw, Due, Switch, Turns, switched, turn
from pipeline.parts import Pool

log = logging.getLogger(__name__)


class Dispatch:
    """`busy` has the pictures that workers draw now, by the ids of their tasks."""

    def __init__(self, root: Path, pool: Pool, record: Callable[[Sequence[e.Event]], None]) -> None:
        self.busy: dict[str, Task] = {}
        self._root, self._pool, self._record = root, pool, record
        self._turns = Turns(held=())

    def hear(self, report: o.Painted | o.Failed | o.Stopped | o.Lost) -> None:
        """A worker is done with its picture, one way or another."""
        if report.task is not None:
            self.busy.pop(report.task.id, None)
        if isinstance(report, o.Lost) and report.task is not None:
            pictures.sweep_after(self._root, report.task, report.pid)

    def halt_unwanted(self, state: State) -> None:
        """Have stopped what nobody asks for any more."""
        for task in self.busy.values():
            if not wanted(state, task):
                self._pool.cancel(task.id)

    def hand_out(self, state: State, goes_on: Callable[[], bool]) -> set[str]:
        """Give every free worker the next picture that is owed and was not drawn before.

        Looks whether it `goes_on` before each: thousands of pictures that are there already are no
        reason to be deaf to a signal. Returns the jobs that got such a picture.
        """
        reused_in: set[str] = set()
        free = list(self._pool.free())
        while free and goes_on():
            move, tasks = self._move(state, free)
            if move is None:
                break
            # To use a picture again that was drawn before, no model is needed.
            chosen = tasks[move.number] if isinstance(move, Draw) else tasks[0]
            if self._reuse(state, chosen):
                reused_in.add(chosen.job)
                continue
            if isinstance(move, Switch):
                self._switch(move.model)
                break
            self._turns = move.turns
            task = replace(chosen, commit=commit_at((self._root / chosen.manifest).parent))
            self.busy[task.id] = task
            worker = next(each for each in free if self._pool.takes(each, task))
            free.remove(worker)
            self._pool.submit(worker, task)
        return reused_in

    def _move(self, state: State, free: Sequence[str]) -> tuple[Draw | Switch | None, list[Task]]:
        """Whose turn it is, and the pictures that were looked at for that, in their order. What
        none of the `free` workers can draw is left for the others."""
        if {*self._turns.held} != {*self._pool.held}:
            # The first models of the run, or one of them cannot be had.
            self._turns = replace(self._turns, held=self._pool.held)
        busy = {claim for task in self.busy.values() for claim in claims(task)}
        tasks: list[Task] = []

        def due() -> Iterator[Due]:
            for task in islice(in_order(state, busy), MOST_SEEN):
                if not any(self._pool.takes(worker, task) for worker in free):
                    continue
                tasks.append(task)
                priority = -state.jobs[task.job].rank[0]
                yield Due(priority=priority, model=task.resolved.model)

        return turn(due(), self._turns), tasks

    def _switch(self, model: str) -> None:
        """Have the workers take another model, as soon as none draws with one that goes for it."""
        after = switched(self._turns, model, self._pool.fits)
        left = {*self._turns.held} - {*after.held}
        if any(task.resolved.model in left for task in self.busy.values()):
            return
        self._turns = after
        self._pool.hold(after.held)

    def _reuse(self, state: State, task: Task) -> bool:
        """Whether the picture is there already, and now also where this task wants it."""
        drawn = reusable(state, task)
        if drawn is None:
            return False
        try:
            placed = pictures.reuse(self._root, drawn.file, drawn.sha256, task)
        except (pictures.PictureError, OSError) as error:
            log.info("%s is drawn again: %s", task.id, error)
            return False
        self._record(reused(state, task, placed.file, placed.sha256, shelved=placed.shelved))
        return True
