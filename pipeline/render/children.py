"""The workers' processes: started, heard die, started again; and the models that they hold.

Owns the processes, our ends of their lines, and which model goes to whom and when its memory is
free again. Loads no model itself, and never imports torch.
"""

import multiprocessing.connection
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, ClassVar, Protocol

from msgspec import Struct

from pipeline.errors import AnimeError
from pipeline.render.line import READY, Give, Holds, Leave
from pipeline.wire import CannotHold, Died, End, Hold, Message, Recycle, Spawned

_FAILURES = 5
"""So many workers in a row that cannot even warm up while none draws, and none ever will."""
_KILLS = 20
"""The same for workers that somebody kills."""
_MERCY = 3.0
"""Seconds that a worker has to end by itself once it is told to, before it is killed."""
_PAUSE = 8.0
"""Most seconds between two tries."""
_LONG_PAUSE = 300.0
"""The same while others draw: they are not to be disturbed, nor the journal filled with deaths."""


class CannotStart(AnimeError):
    """No worker gets as far as drawing."""

    exit_code: ClassVar[int] = 3


class BeginAfresh(Exception):
    """Memory that was let go of is not free: a new process has it."""


class Model(Protocol):
    """A loaded model, as far as the keeper deals with it."""

    @property
    def name(self) -> str: ...
    def send(self, connection: Connection) -> None: ...
    def free(self) -> bool: ...


class Process(Protocol):
    """A worker's process, as `multiprocessing` has it."""

    @property
    def pid(self) -> int | None: ...
    @property
    def sentinel(self) -> int: ...
    @property
    def exitcode(self) -> int | None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...
    def join(self) -> None: ...
    def close(self) -> None: ...


Start = Callable[[str, Connection], Process]


class Came(Struct, frozen=True, kw_only=True):
    """A model is loaded, by its sha256; or it cannot be, and why."""

    model: str
    loaded: Model | None = None
    error: AnimeError | None = None


class _Child:
    """One worker: its process and our end of its line."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.process: Process | None = None
        self.line: Connection | None = None
        self.asked = False
        self.given: tuple[str, ...] = ()
        """The models that it has or is to have."""
        self.holds: tuple[str, ...] = ()
        """Those that it has said it has."""
        self.due = 0.0
        self.ends_at: float | None = None
        """When it is killed, having been told to end."""
        self.reason = ""

    @property
    def warm(self) -> bool:
        """Whether it can draw with all models that it was given."""
        return bool(self.given) and {*self.given} == {*self.holds}

    def forget(self) -> None:
        """What was so of its last process is not of the next."""
        self.asked, self.given, self.holds, self.reason = False, (), (), ""


class Keeper:
    """Starts workers, hears them die, starts them again; and has them hold the models that the
    runner wants, by their sha256. `load` begins to load one, and what came of it is told by `take`;
    `several` is whether there are others to draw with."""

    def __init__(
        self,
        names: list[str],
        start: Start,
        say: Callable[[Message], None],
        load: Callable[[str], None],
        hold: tuple[str, ...],
        *,
        several: bool = False,
    ) -> None:
        self._children = [_Child(name) for name in names]
        self._start = start
        self._say = say
        self._load = load
        self._wanted = hold
        self._several = several
        self._models: dict[str, Model] = {}
        self._loading: str | None = None
        self._failures = 0
        self._kills = 0
        self._ending = False

    def take(self, came: Came) -> None:
        """A model was loaded, or cannot be.

        Raises:
            AnimeError: it cannot, and there is no other.
        """
        self._loading = None
        if came.loaded is not None:
            # One that is no longer wanted is let go of like any other.
            self._models[came.model] = came.loaded
        elif came.error is not None:
            self._refuse(came.model, came.error)

    def step(self, now: float) -> bool:
        """Start whoever is due, give out models; false once there is nothing left to do.

        Raises:
            BeginAfresh: the memory of a model that went is not free.
        """
        for child in self._children:
            if child.process is None and not self._ending and now >= child.due:
                self._spawn(child, now)
            if child.process is not None and child.ends_at is not None and now >= child.ends_at:
                child.process.kill()
                child.ends_at = None
            if child.line is not None and child.asked:
                self._equip(child, child.line)
        if not self._ending:
            self._change()
        return not self._ending or any(child.process for child in self._children)

    def wait(self, others: list[Any], now: float) -> None:
        """Until a worker says something or dies, one of `others` is readable, or one is due."""
        watched: list[Any] = [*others]
        for child in self._children:
            if child.process is not None:
                watched.append(child.process.sentinel)
            if child.line is not None:
                watched.append(child.line)
        dues = [child.due - now for child in self._children if child.process is None]
        dues = [] if self._ending else dues
        dues += [child.ends_at - now for child in self._children if child.ends_at is not None]
        patience = max(0.0, min(dues)) if dues else None
        ready = multiprocessing.connection.wait(watched, timeout=patience)
        for child in self._children:
            if child.line in ready:
                self._hear(child)
            if child.process is not None and child.process.sentinel in ready:
                self._bury(child, time.monotonic())

    def hear(self, message: Message) -> None:
        """An order of the runner."""
        match message:
            case Recycle(worker=name, pid=pid):
                for child in self._children:
                    if child.process is not None and (child.name, child.process.pid) == (name, pid):
                        # What it loaded may hold that signal back: then it is killed by `step`.
                        child.process.terminate()
                        child.ends_at = time.monotonic() + _MERCY
            case End():
                self._ending = True
                for child in self._children:
                    if child.process is not None and not child.warm:
                        child.process.kill()
            case Hold(models=models):
                self._wanted = models
            case _:
                raise ValueError(f"the runner told the keeper {type(message).__name__}")

    def _spawn(self, child: _Child, now: float) -> None:
        child.forget()
        try:
            child.process, child.line = self._born(child.name)
        except OSError as error:
            child.due = now + self._setback(1, f"its process cannot be started: {error}")
            return
        self._say(Spawned(worker=child.name, pid=child.process.pid or 0))

    def _born(self, name: str) -> tuple[Process, Connection]:
        ours, theirs = multiprocessing.connection.Pipe(duplex=True)
        with theirs:
            try:
                return self._start(name, theirs), ours
            except OSError:
                ours.close()
                raise

    def _equip(self, child: _Child, line: Connection) -> None:
        """Give a worker the models that are wanted and loaded, and have it let go of others."""
        target = tuple(name for name in self._wanted if name in self._models)
        try:
            for name in child.given:
                if name not in target:
                    line.send(Leave(model=name))
            for name in target:
                if name not in child.given:
                    line.send(Give(model=name, called=self._models[name].name))
                    self._models[name].send(line)
        except OSError:
            pass  # It is dead; its sentinel says so too.
        child.given = target

    def _change(self) -> None:
        """Free the memory of what is not wanted once no worker has it, then load what is wanted."""
        for name in [name for name in self._models if name not in self._wanted]:
            if any(name in (*child.given, *child.holds) for child in self._children):
                continue
            if not self._models.pop(name).free():
                raise BeginAfresh
        if self._loading is None and not self._models.keys() - {*self._wanted}:
            self._loading = next((one for one in self._wanted if one not in self._models), None)
            if self._loading is not None:
                self._load(self._loading)

    def _refuse(self, model: str, error: AnimeError) -> None:
        """Hold a model no more that cannot be had; raises the error where there is no other."""
        if not self._several:
            raise error
        self._wanted = tuple(one for one in self._wanted if one != model)
        self._say(CannotHold(model=model, error=error.message, hint=error.hint or ""))

    def _hear(self, child: _Child) -> None:
        try:
            said = child.line.recv() if child.line is not None else ""
        except (EOFError, OSError):
            if child.line is not None:
                child.line.close()
            child.line = None
            return
        if said == READY:
            child.asked = True
        elif isinstance(said, Holds):
            child.holds = said.models
            if child.warm:
                self._failures = self._kills = 0
        else:
            child.reason = str(said)

    def _bury(self, child: _Child, now: float) -> None:
        assert child.process is not None
        if child.line is not None and child.line.poll():
            self._hear(child)
        child.process.join()
        pid, code = child.process.pid or 0, child.process.exitcode or 0
        child.process.close()
        if child.line is not None:
            child.line.close()
        child.process = child.line = child.ends_at = None
        self._say(Died(worker=child.name, pid=pid, exitcode=code))
        child.due = now
        taking = next((one for one in child.given if one not in child.holds), None)
        warm, reason = child.warm, child.reason
        child.forget()
        if warm:
            # Workers can be had: what failed before no longer counts.
            self._failures = self._kills = 0
        elif not self._ending:
            child.due += self._setback(code, reason, taking)

    def _setback(self, code: int, reason: str, taking: str | None = None) -> float:
        """Count a worker that died before it was warm, `taking` a model; returns seconds until the
        next try. After too many, while none draws, the model is given up.

        Raises:
            CannotStart: that, and there is no other.
        """
        if code == -signal.SIGKILL:
            self._kills += 1
        else:
            self._failures += 1
        others = any(child.process is not None and child.warm for child in self._children)
        if (self._failures >= _FAILURES or self._kills >= _KILLS) and not others:
            what = reason or (signal.Signals(-code).name if code < 0 else f"exit status {code}")
            way = "fewer workers need less memory; see the log for what they said"
            error = CannotStart(f"no worker can be started: {what}", way)
            if taking is None:
                raise error
            self._refuse(taking, error)
            self._failures = self._kills = 0
            return 0.0
        row = self._failures + self._kills
        longest = _LONG_PAUSE if others else _PAUSE
        return 0.0 if row == 1 else min(longest, 0.25 * 2 ** min(row, 16))
