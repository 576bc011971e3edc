"""What one worker process is known to do, from what it says itself and what is said of it.

Owns the state of one process from its start to its death, with the pictures that it has, and turns
its words into reports. Never speaks to it: the pool does.
"""

import statistics
from collections import deque
from collections.abc import Collection
from typing import Literal

from pipeline.core.observed import (
    Began,
    Failed,
    Lost,
    Painted,
    Report,
    Stepped,
    Stopped,
    WorkerLive,
    WorkerWarm,
)
from pipeline.core.resolved import Task
from pipeline.pool.deaths import judge
from pipeline.pool.links import Link
from pipeline.wire import Begin, Done, Fault, Halted, Message, Step, Warm

_SILENCE = 120.0
"""Seconds; a worker that draws may be silent for so long at least."""
_SILENT_STEPS = 20
"""Or for so many of its median steps, if that is longer."""
_EXECUTION = 10.0
"""Seconds within which a keeper that is well has killed a worker that it was told to kill."""
_OBITUARY = 0.2
"""Seconds that the end of a stream waits for its exit code, or the other way round."""


class Seat:
    """A place for one picture in a process, which may draw several at once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.task: Task | None = None
        self.unwanted = False
        """Whether it was told to stop what it draws."""
        self._begun = False
        self._step = self._steps = 0
        self._heard_at = 0.0

    @property
    def draws(self) -> bool:
        """Whether its picture is being drawn, and does not wait for others to be done."""
        return self.task is not None and self._begun

    def take(self, task: Task, now: float) -> None:
        """It is given this to draw."""
        self.task, self.unwanted, self._begun, self._heard_at = task, False, False, now
        self._step = self._steps = 0

    def begun(self, now: float) -> None:
        """Its first step comes next."""
        self._begun, self._heard_at = True, now

    def stepped(self, message: Step, now: float) -> float:
        """A step is done; returns the seconds that it took."""
        took, self._heard_at = now - self._heard_at, now
        self._step, self._steps = message.step, message.steps
        return took

    def excuse(self, gap: float, now: float) -> None:
        """Nobody listened for the last `gap` seconds."""
        self._heard_at = min(now, self._heard_at + gap)

    def live(self, pid: int | None, phase: Literal["starting", "switching", "idle"]) -> WorkerLive:
        """What it does at this moment; `phase` is its process's where it has nothing to draw."""
        if self.task is None:
            return WorkerLive(name=self.name, pid=pid, phase=phase)
        return WorkerLive(
            name=self.name,
            pid=pid,
            phase="rendering",
            task=self.task,
            step=self._step,
            steps=self._steps,
        )


class Worker:
    """One process, with seats for so many pictures at once. `pid` is None until it is started;
    times are CLOCK_MONOTONIC in seconds."""

    def __init__(
        self, name: str, pid: int | None = None, before: "Worker | None" = None, batch: int = 1
    ) -> None:
        self.name = name
        self.pid = pid
        self.link: Link | None = None
        size = len(before.seats) if before is not None else batch
        self.seats: tuple[Seat, ...] = tuple(map(Seat, _names(name, size)))
        self.condemned_at: float | None = None
        """Since when it is being killed for its silence."""
        self.exitcode: int | None = None
        self.suspected: set[str] = set()
        """The tasks of which one may have been its death, of those that it drew at once."""
        self._models: tuple[str, ...] | None = None
        """Those that it is warm with; None before its first word of that."""
        self._warmed = False
        self._gone_at: float | None = None
        self._stream_ended = False
        self._resigned = False
        self._heard_at = 0.0
        self._paces: deque[float] = before._paces if before is not None else deque(maxlen=64)

    @property
    def busy(self) -> list[Seat]:
        """The seats with something to draw."""
        return [seat for seat in self.seats if seat.task is not None]

    def seat_of(self, task: str | None) -> Seat | None:
        """The seat that has a task, by the task's id."""
        return next((seat for seat in self.busy if seat.task and seat.task.id == task), None)

    def live(self, held: Collection[str]) -> tuple[WorkerLive, ...]:
        """What it does at this moment, by seat."""
        phase: Literal["starting", "switching", "idle"] = "starting"
        if self.ready(held):
            phase = "idle"
        elif self._lives and self._warmed:
            phase = "switching"
        return tuple(seat.live(self.pid, phase) for seat in self.seats)

    def ready(self, held: Collection[str]) -> bool:
        """Whether it can draw: only once it holds those models and no others."""
        return self._lives and self._models is not None and {*self._models} == {*held}

    @property
    def dying(self) -> bool:
        """Whether its death was heard of, and not yet reported."""
        return self._gone_at is not None

    def take(self, seat: Seat, task: Task, now: float) -> None:
        """It is given this to draw, in one of its seats."""
        seat.take(task, now)
        self._heard_at = now

    def overdue(self, now: float) -> bool:
        """Whether it draws and has been silent for too long."""
        if not self.busy or self.condemned_at is not None:
            return False
        pace = statistics.median(self._paces) if self._paces else 0.0
        return now - self._heard_at > max(_SILENCE, _SILENT_STEPS * pace)

    def survives(self, now: float) -> bool:
        """Whether it was to be killed, long ago, and still is there."""
        return self.condemned_at is not None and now - self.condemned_at > _EXECUTION

    def excuse(self, gap: float, now: float) -> None:
        """Nobody listened for the last `gap` seconds: they do not count as silence."""
        self._heard_at = min(now, self._heard_at + gap)
        for seat in self.seats:
            seat.excuse(gap, now)
        if self.condemned_at is not None:
            self.condemned_at = min(now, self.condemned_at + gap)

    def hear(self, message: Message, now: float) -> Report | None:
        """What it says of itself; nothing where it speaks of a task it does not have."""
        if isinstance(message, Warm):
            self._models = message.models
            self._warmed = self._warmed or bool(message.models)
            return (
                WorkerWarm(worker=self.seats[0].name, pid=self.pid or 0) if self._models else None
            )
        seat = self.seat_of(getattr(message, "task", None))
        if seat is None or seat.task is None:
            return None
        self._heard_at = now
        match message:
            case Begin(at=at, encoding=encoding):
                seat.begun(now)
                return Began(worker=seat.name, task=seat.task, at=at, encoding=encoding)
            case Step(step=step, steps=steps, preview=preview):
                self._paces.append(seat.stepped(message, now))
                return Stepped(
                    worker=seat.name, task=seat.task, step=step, steps=steps, preview=preview
                )
            case Done() | Fault() | Halted():
                return self._answer(seat, message)
            case _:
                return None

    def stream_ended(self, now: float) -> None:
        """Its stream has ended: it is dead, and its exit code will tell of what."""
        self.link, self._stream_ended = None, True
        self._gone_at = self._gone_at or now

    def died(self, exitcode: int, now: float) -> None:
        """The keeper says so; what it said last may still be on its stream."""
        self.exitcode = exitcode
        self._gone_at = self._gone_at or now

    def gone(self, now: float) -> bool:
        """Whether it is dead and all is known of it that will be."""
        if self._gone_at is None:
            return False
        known = self._stream_ended and self.exitcode is not None
        return known or now - self._gone_at > _OBITUARY

    def obituaries(self, *, keeper_died: bool, starved: bool) -> list[Lost]:
        """Of what it died, for each picture that it had. Only who was drawing can be to blame, and
        of several that were drawn at once nobody knows which."""
        verdict = judge(
            self.exitcode,
            condemned=self.condemned_at is not None,
            keeper_died=keeper_died,
            starved=starved,
        )
        resigned = self._resigned and self.exitcode == 0
        blamed = verdict.blamed and not resigned
        # Those in work, or all where none had begun.
        suspects = [seat for seat in self.busy if seat.draws] or self.busy
        detail = verdict.detail
        if resigned:
            detail = "it ended after that failure, and another begins afresh"
        elif blamed and len(suspects) > 1:
            detail = f"{detail}; of {len(suspects)} pictures at once, each is drawn alone next"
            self.suspected = {seat.task.id for seat in suspects if seat.task is not None}
        return [
            Lost(
                worker=seat.name,
                pid=self.pid or 0,
                cause=verdict.cause,
                detail=detail,
                blamed=blamed and suspects == [seat],
                task=seat.task,
            )
            for seat in self.busy or self.seats[:1]
        ]

    @property
    def _lives(self) -> bool:
        return self._gone_at is None and self.condemned_at is None and self.link is not None

    def _answer(self, seat: Seat, message: Done | Fault | Halted) -> Report:
        assert seat.task is not None
        task, seat.task = seat.task, None
        match message:
            case Done():
                return Painted(
                    worker=seat.name,
                    task=task,
                    file=message.file,
                    sha256=message.sha256,
                    seconds=message.seconds,
                    shelved=message.shelved,
                    made=message.made,
                )
            case Fault(kind=kind, error=error, ends=ends):
                self._resigned = ends
                if ends:
                    self._models = None
                return Failed(worker=seat.name, task=task, kind=kind, error=error)
            case Halted():
                return Stopped(worker=seat.name, task=task)


def _names(worker: str, seats: int) -> list[str]:
    """A worker's name is that of its seat, if it has but one."""
    return [worker] if seats == 1 else [f"{worker}.{number + 1}" for number in range(seats)]
