"""What one worker process is known to do, from what it says itself and what is said of it.

Owns the state of one process from its start to its death, and turns its words into reports. Never
speaks to it: the pool does.
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


class Worker:
    """One process. `pid` is None until it is started; times are CLOCK_MONOTONIC in seconds."""

    def __init__(self, name: str, pid: int | None = None, before: "Worker | None" = None) -> None:
        self.name = name
        self.pid = pid
        self.link: Link | None = None
        self.task: Task | None = None
        self.condemned_at: float | None = None
        """Since when it is being killed for its silence."""
        self.unwanted = False
        """Whether it was told to stop what it draws."""
        self.exitcode: int | None = None
        self._models: tuple[str, ...] | None = None
        """Those that it is warm with; None before its first word of that."""
        self._warmed = False
        self._gone_at: float | None = None
        self._stream_ended = False
        self._resigned = False
        self._heard_at = 0.0
        self._step = self._steps = 0
        self._paces: deque[float] = before._paces if before is not None else deque(maxlen=64)

    def live(self, held: Collection[str]) -> WorkerLive:
        """What it does at this moment; it is idle only once it holds those models and no others."""
        if self.task is not None:
            return WorkerLive(
                name=self.name,
                pid=self.pid,
                phase="rendering",
                task=self.task,
                step=self._step,
                steps=self._steps,
            )
        lives = self._gone_at is None and self.condemned_at is None and self.link is not None
        phase: Literal["starting", "switching", "idle"] = "starting"
        if lives and self._models is not None and {*self._models} == {*held}:
            phase = "idle"
        elif lives and self._warmed:
            phase = "switching"
        return WorkerLive(name=self.name, pid=self.pid, phase=phase)

    @property
    def dying(self) -> bool:
        """Whether its death was heard of, and not yet reported."""
        return self._gone_at is not None

    def take(self, task: Task, now: float) -> None:
        """It is given this to draw."""
        self.task, self.unwanted, self._heard_at = task, False, now
        self._step = self._steps = 0

    def overdue(self, now: float) -> bool:
        """Whether it draws and has been silent for too long."""
        if self.task is None or self.condemned_at is not None:
            return False
        pace = statistics.median(self._paces) if self._paces else 0.0
        return now - self._heard_at > max(_SILENCE, _SILENT_STEPS * pace)

    def survives(self, now: float) -> bool:
        """Whether it was to be killed, long ago, and still is there."""
        return self.condemned_at is not None and now - self.condemned_at > _EXECUTION

    def excuse(self, gap: float, now: float) -> None:
        """Nobody listened for the last `gap` seconds: they do not count as silence."""
        self._heard_at = min(now, self._heard_at + gap)
        if self.condemned_at is not None:
            self.condemned_at = min(now, self.condemned_at + gap)

    def hear(self, message: Message, now: float) -> Report | None:
        """What it says of itself; nothing where it speaks of a task it does not have."""
        if isinstance(message, Warm):
            self._models = message.models
            self._warmed = self._warmed or bool(message.models)
            return WorkerWarm(worker=self.name, pid=self.pid or 0) if self._models else None
        if self.task is None or getattr(message, "task", None) != self.task.id:
            return None
        match message:
            case Begin(at=at, encoding=encoding):
                self._heard_at = now
                return Began(worker=self.name, task=self.task, at=at, encoding=encoding)
            case Step(step=step, steps=steps, preview=preview):
                self._paces.append(now - self._heard_at)
                self._step, self._steps, self._heard_at = step, steps, now
                return Stepped(
                    worker=self.name, task=self.task, step=step, steps=steps, preview=preview
                )
            case Done() | Fault() | Halted():
                return self._answer(message)
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

    def obituary(self, *, keeper_died: bool, starved: bool) -> Lost:
        """Of what it died; only who was drawing can be to blame."""
        verdict = judge(
            self.exitcode,
            condemned=self.condemned_at is not None,
            keeper_died=keeper_died,
            starved=starved,
        )
        return Lost(
            worker=self.name,
            pid=self.pid or 0,
            cause=verdict.cause,
            detail="it ended after that failure, and another begins afresh"
            if self._resigned and self.exitcode == 0
            else verdict.detail,
            blamed=verdict.blamed and self.task is not None,
            task=self.task,
        )

    def _answer(self, message: Done | Fault | Halted) -> Report:
        assert self.task is not None
        task, self.task = self.task, None
        match message:
            case Done():
                return Painted(
                    worker=self.name,
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
                return Failed(worker=self.name, task=task, kind=kind, error=error)
            case Halted():
                return Stopped(worker=self.name, task=task)
