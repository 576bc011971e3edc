"""One worker: a process that draws with the keeper's weights, one picture at a time.

Owns the conversation with the runner over its socket and the deaths it dies by itself: it ends
when the keeper or the runner does. Never decides what is drawn, and never writes to a weight.
"""

import errno
import gc
import os
import queue
import socket
import threading
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal, NamedTuple, NoReturn

import torch

from pipeline.core.resolved import Task
from pipeline.inscription import is_ours
from pipeline.pictures import place
from pipeline.render import model, png
from pipeline.render.birth import Outfit
from pipeline.render.line import READY, Broke, Given, Holds, Leave, hear
from pipeline.render.paint import Painter
from pipeline.wire import (
    Begin,
    Cancel,
    Done,
    End,
    Fault,
    Halted,
    Hello,
    Message,
    Render,
    Step,
    Warm,
    send,
    unpack,
)

_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "STATUS_ALLOC_FAILED")
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_STICKY = ("CUDA error", "device-side assert", "illegal memory access")


class Halt(Exception):
    """The picture is wanted no longer."""


class NoModel(Exception):
    """A picture of a model that is not at hand: the fault of who ordered it."""


def main(outfit: Outfit, keeper: Connection) -> None:
    """Life of a worker process, once it has its imports; `keeper` is its line to the keeper."""
    runner = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    runner.connect(outfit.address)
    send(runner, Hello(name=outfit.name, pid=os.getpid()))
    orders = Orders(runner)
    torch.set_num_threads(outfit.threads)
    hear(keeper, model.fetch, orders.put)
    send(runner, Warm())
    keeper.send(READY)
    Worker(outfit, runner, orders, keeper).run()
    os._exit(0)  # Nothing is left to be put in order, and torch takes long to do it.


Order = Render | Given | Leave | Broke


class Orders:
    """What the runner says, read by a thread of its own, so that it is heard while drawing; and
    what the keeper says of models, in between pictures."""

    def __init__(self, runner: socket.socket) -> None:
        self._runner = runner
        self._orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._cancelled: str | None = None
        self._ended = False
        threading.Thread(target=self._listen, daemon=True).start()

    def next(self) -> Order | None:
        """Wait for something to do; None is the end."""
        return None if self._ended else self._orders.get()

    def put(self, order: Given | Leave | Broke) -> None:
        """Have something done after what was ordered before."""
        self._orders.put(order)

    def unwanted(self, task: str) -> bool:
        """Whether this task is to be stopped."""
        return self._ended or self._cancelled == task

    def _listen(self) -> None:
        buffer = bytearray()
        while True:
            try:
                data = self._runner.recv(65536)
            except OSError:
                data = b""
            if not data:
                os._exit(0)  # The runner is gone; nobody waits for this picture.
            buffer += data
            for message in unpack(buffer):
                self._take(message)

    def _take(self, message: Message) -> None:
        match message:
            case Render():
                # A task may come back under its id; what was cancelled was the earlier one.
                self._cancelled = None
                self._orders.put(message)
            case Cancel(task=task):
                self._cancelled = task
            case End():
                self._ended = True
                self._orders.put(None)
            case _:
                os._exit(1)


class Artist(NamedTuple):
    """One model of a worker: its painter, and what it is called."""

    painter: Painter
    called: str


class Worker:
    """Takes orders until the end; `artists` has the models at hand, by their sha256."""

    def __init__(
        self, outfit: Outfit, runner: socket.socket, orders: Orders, keeper: Connection
    ) -> None:
        self._outfit = outfit
        self._runner = runner
        self._orders = orders
        self._keeper = keeper
        self.artists: dict[str, Artist] = {}

    def run(self) -> None:
        """Do what is ordered; returns when the runner says so."""
        while (order := self._orders.next()) is not None:
            match order:
                case Render():
                    answer = self._attempt(order)
                    self._say(answer)
                    if isinstance(answer, Fault) and answer.ends:
                        return
                case Given():
                    self._take(order)
                case Leave(model=name):
                    self._leave(name)
                case Broke(error=error):
                    self._give_up(error)
            del order  # It may hold a model.

    def _take(self, given: Given) -> None:
        try:
            painter = Painter(
                model.attach(given.parcel), torch.device(self._outfit.device), self._outfit.told
            )
            painter.warm_up()
        except Exception as error:
            self._give_up(error)
        self.artists[given.model] = Artist(painter, given.called)
        self._tell()

    def _leave(self, name: str) -> None:
        self.artists.pop(name, None)
        gc.collect()
        torch.cuda.empty_cache()
        self._tell()

    def _tell(self) -> None:
        """Say which models there are; first to the runner, which the keeper's next act may need."""
        self._say(Warm(models=tuple(self.artists)))
        self._keeper.send(Holds(models=tuple(self.artists)))

    def _give_up(self, error: Exception) -> NoReturn:
        self._keeper.send(_said(error))
        os._exit(1)

    def _artist(self, task: Task) -> Artist:
        artist = self.artists.get(task.resolved.model)
        if artist is None and not self._outfit.several:
            artist = next(iter(self.artists.values()), None)
        if artist is None:
            raise NoModel(f"the model {task.resolved.model[:12]} is not at hand")
        return artist

    def _attempt(self, order: Render) -> Message:
        try:
            return self._draw(order.task, Path(order.root))
        except Halt:
            return Halted(task=order.task.id)
        except Exception as error:
            fault = self._fault(order.task, error)
        # Out here the traceback is gone, which has held every tensor of the failed picture.
        gc.collect()
        if not fault.ends:
            torch.cuda.empty_cache()
        return fault

    def _draw(self, task: Task, root: Path) -> Done:
        start = time.monotonic()

        def begun(encoding: float) -> None:
            self._check(task)
            self._say(Begin(task=task.id, at=time.monotonic(), encoding=encoding))

        emerged: list[bytes] = []

        def stepped(step: int, steps: int) -> None:
            preview = emerged.pop() if emerged else None
            self._say(Step(task=task.id, step=step, steps=steps, preview=preview))
            self._check(task)

        painter, called = self._artist(task)
        painter.wear(task.resolved.adapters, root)
        painter.show(task.resolved.likenesses, root)
        guides = painter.gather(task.resolved, root)
        lean = task.lean
        image = painter.paint(
            task.resolved, task.seed, begun, stepped,
            guides=guides, lean=lean, previews=self._outfit.previews, emerged=emerged.append,
        )  # fmt: skip
        made = painter.made(lean=lean)
        data = png.encode(image, task, called, made)
        placed = place(root, task, data, lambda path: is_ours(path, task))
        return Done(
            task=task.id,
            file=placed.file,
            sha256=placed.sha256,
            seconds=time.monotonic() - start,
            shelved=placed.shelved,
            made=made,
        )

    def _fault(self, task: Task, error: Exception) -> Fault:
        said = _said(error)
        kind: Literal["error", "out_of_memory", "disk_full"] = "error"
        ends = any(sign in said for sign in _STICKY)
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            kind = "disk_full"
        if _is_shortage(error):
            # The memory may be in pieces, or something keeps it: a fresh process helps.
            kind, ends = "out_of_memory", True
        return Fault(task=task.id, kind=kind, error=said, ends=ends)

    def _check(self, task: Task) -> None:
        if self._orders.unwanted(task.id):
            raise Halt

    def _say(self, message: Message) -> None:
        try:
            send(self._runner, message)
        except OSError:
            os._exit(0)


def _is_shortage(error: Exception) -> bool:
    """Torch's allocator for the CPU raises a plain RuntimeError."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _MEMORY)


def _said(error: Exception) -> str:
    """The error in one line, and where it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {str(error).strip() or 'no message'}{place}"
