"""The keeper: loads the model once, owns its weights, and keeps the workers alive.

Owns the worker processes and nothing of what they draw. Ends with the runner, and its workers end
with it. Started as `python -m pipeline.render.keeper`.
"""

import argparse
import multiprocessing.connection
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pipeline.errors import AnimeError
from pipeline.render.birth import Outfit, begin, enter
from pipeline.render.hearing import listen
from pipeline.wire import CannotLoad, Died, End, Hello, Message, Recycle, Spawned, send

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

READY = "ready"
"""What a worker says once it can take the model: giving it earlier would wait for its imports."""
WARM = "warm"
"""What it says once it can draw; any other text is why it cannot."""
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


class Model(Protocol):
    """The loaded model, as far as the keeper deals with it."""

    def send(self, connection: Connection) -> None: ...


Start = Callable[[str, Connection], "BaseProcess"]


class _Child:
    """One worker: its process and our end of its line."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.process: BaseProcess | None = None
        self.line: Connection | None = None
        self.warm = False
        self.asked = False
        self.due = 0.0
        self.ends_at: float | None = None
        """When it is killed, having been told to end."""
        self.reason = ""


class Keeper:
    """Starts workers, hears them die, starts them again."""

    def __init__(self, names: list[str], start: Start, say: Callable[[Message], None]) -> None:
        self._children = [_Child(name) for name in names]
        self._start = start
        self._say = say
        self._model: Model | None = None
        self._failures = 0
        self._kills = 0
        self._ending = False

    def equip(self, model: Model) -> None:
        """From now on workers get the model."""
        self._model = model

    def step(self, now: float) -> bool:
        """Start whoever is due, give out the model; false once there is nothing left to do."""
        for child in self._children:
            if child.process is None and not self._ending and now >= child.due:
                self._spawn(child, now)
            if child.process is not None and child.ends_at is not None and now >= child.ends_at:
                child.process.kill()
                child.ends_at = None
            if child.line is not None and child.asked and self._model is not None:
                self._equip(child, self._model)
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
            case _:
                raise ValueError(f"the runner told the keeper {type(message).__name__}")

    def _spawn(self, child: _Child, now: float) -> None:
        child.warm, child.asked, child.reason = False, False, ""
        try:
            child.process, child.line = self._born(child.name)
        except OSError as error:
            child.due = now + self._setback(1, f"its process cannot be started: {error}")
            return
        self._say(Spawned(worker=child.name, pid=child.process.pid or 0))

    def _born(self, name: str) -> tuple["BaseProcess", Connection]:
        ours, theirs = multiprocessing.connection.Pipe(duplex=True)
        with theirs:
            try:
                return self._start(name, theirs), ours
            except OSError:
                ours.close()
                raise

    def _equip(self, child: _Child, model: Model) -> None:
        child.asked = False
        try:
            if child.line is not None:
                model.send(child.line)
        except OSError:
            pass  # It is dead; its sentinel says so too.

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
        elif said == WARM:
            child.warm = True
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
        if child.warm:
            # Workers can be had: what failed before no longer counts.
            self._failures = self._kills = 0
        elif not self._ending:
            child.due += self._setback(code, child.reason)

    def _setback(self, code: int, reason: str) -> float:
        """Count a worker that died before it was warm; returns seconds until the next try.

        Raises:
            CannotStart: there have been too many, and no other worker draws.
        """
        if code == -signal.SIGKILL:
            self._kills += 1
        else:
            self._failures += 1
        others = any(child.process is not None and child.warm for child in self._children)
        if (self._failures >= _FAILURES or self._kills >= _KILLS) and not others:
            what = reason or (signal.Signals(-code).name if code < 0 else f"exit status {code}")
            raise CannotStart(
                f"no worker can be started: {what}",
                "fewer workers need less memory; see the log for what they said",
            )
        row = self._failures + self._kills
        longest = _LONG_PAUSE if others else _PAUSE
        return 0.0 if row == 1 else min(longest, 0.25 * 2 ** min(row, 16))


def main() -> None:
    """Life of the keeper process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    parser.add_argument("--parent", type=int, required=True, help="the runner's pid")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--vae", type=Path, help="a file in place of the model's own VAE")
    parser.add_argument("--prediction", default="auto", help="what the model predicts")
    parser.add_argument("--zero-snr", default="auto", help="whether its noise ends in nothing else")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--device", choices=["cpu", "cuda", "auto"], default="auto")
    parser.add_argument("--threads", type=int, default=0, help="0: cores divided by workers")
    parser.add_argument("--previews", type=int, default=0, help="steps between two; 0: none")
    parser.add_argument("--ip-adapter", type=Path, help="shows reference pictures to the model")
    parser.add_argument("--image-encoder", type=Path, help="a folder: what that sees with")
    parser.add_argument("--sha256", help="the model's; with another one no worker draws")
    parser.add_argument("--hashes", type=Path, help="where the hashes of its files are remembered")
    given = parser.parse_args()
    begin(given.parent)
    # What a killed keeper leaves goes with the runner's own folder, which is swept.
    tempfile.tempdir = str(Path(given.socket).parent)
    runner = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    runner.connect(given.socket)
    send(runner, Hello(name="keeper", pid=os.getpid()))
    try:
        _keep(given, runner)
    except AnimeError as error:
        send(runner, CannotLoad(error=error.message, hint=error.hint or ""))
    except ImportError as error:
        send(runner, CannotLoad(error=str(error), hint="install the program's dependencies"))
    except ConnectionError:
        pass  # The runner is gone.
    # Threads of torch may still run, and workers end with this process by themselves.
    os._exit(0)


def _keep(given: argparse.Namespace, runner: socket.socket) -> None:
    orders, bell = listen(runner)
    from pipeline.model import Told, check, confirm, name_of

    told = Told(
        vae=given.vae, prediction=given.prediction, zero_snr=given.zero_snr,
        ip_adapter=given.ip_adapter, image_encoder=given.image_encoder,
    )  # fmt: skip
    check(given.model, told)
    import torch
    import torch.multiprocessing

    from pipeline.render import model

    device = model.device_of(given.device)
    context = torch.multiprocessing.get_context("spawn")
    threads = given.threads or max(1, _cores() // given.workers)

    def start(name: str, line: Connection) -> "BaseProcess":
        outfit = Outfit(
            name=name,
            keeper=os.getpid(),
            address=given.socket,
            model=name_of(given.model),
            device=str(device),
            threads=threads,
            previews=given.previews,
            told=told,
        )
        process = context.Process(target=enter, args=(outfit, line), name=name, daemon=True)
        process.start()
        return process

    names = [f"worker-{number}" for number in range(1, given.workers + 1)]
    keeper = Keeper(names, start, lambda message: send(runner, message))
    # Workers import while the model is read.
    keeper.step(time.monotonic())
    loaded = model.load(given.model, device, told)
    if given.sha256 is not None:
        # Only now: what was loaded is what was there before and still is.
        confirm(given.model, given.sha256, given.hashes, told)
    keeper.equip(loaded)
    while keeper.step(time.monotonic()):
        keeper.wait([bell], time.monotonic())
        while not orders.empty():
            bell.recv(1)
            keeper.hear(orders.get())


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


if __name__ == "__main__":
    main()
