"""One worker: a process that draws with the keeper's weights, one picture at a time or several.

Owns the conversation with the runner over its socket and the deaths it dies by itself: it ends
when the keeper or the runner does. Never decides what is drawn, and never writes to a weight.
"""

import errno
import gc
import os
import socket
import time
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal, NamedTuple, NoReturn

import torch
from PIL import Image

from pipeline.core.resolved import Made, Task
from pipeline.inscription import is_ours
from pipeline.pictures import place
from pipeline.render import model, png
from pipeline.render.birth import Outfit
from pipeline.render.drawing import Drawing, Halt
from pipeline.render.line import READY, Broke, Given, Holds, Leave, hear
from pipeline.render.orders import Orders
from pipeline.render.paint import Painter
from pipeline.render.turn import Turn
from pipeline.wire import (
    Done,
    Fault,
    Hello,
    Message,
    Render,
    Warm,
    send,
)

_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "STATUS_ALLOC_FAILED")
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_PATIENCE = 0.02
"""Seconds that the first of several waits for the others, which are ordered one after the other."""
_STICKY = ("CUDA error", "device-side assert", "illegal memory access")


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
        self._turn = Turn(Path(outfit.address).parent, outfit.denoising)
        self.artists: dict[str, Artist] = {}

    def run(self) -> None:
        """Do what is ordered; returns when the runner says so."""
        while (order := self._orders.next()) is not None:
            match order:
                case Render():
                    if not self._render(self._with_mates(order)):
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
                model.attach(given.parcel),
                torch.device(self._outfit.device),
                self._outfit.told,
                self._turn,
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

    def _artist(self, task: Task) -> Artist | None:
        artist = self.artists.get(task.resolved.model)
        if artist is None and not self._outfit.several:
            return next(iter(self.artists.values()), None)
        return artist

    def _with_mates(self, first: Render) -> list[Render]:
        """What is drawn at once with this: others like it, where it may be several."""
        artist = self._artist(first.task)
        if self._outfit.batch == 1 or artist is None or not _has_mates(first):
            return [first]

        def alike(other: Render) -> bool:
            return _has_mates(other) and artist.painter.alike(
                first.task.resolved, other.task.resolved
            )

        return self._orders.mates(first, alike, self._outfit.batch, _PATIENCE)

    def _render(self, orders: Sequence[Render]) -> bool:
        """Draw these at once, or one by one where that cannot be; whether this process goes on."""
        drawing = Drawing([order.task for order in orders], self._orders.unwanted, self._say)
        try:
            return self._draw(orders, drawing)
        except Halt:
            return True
        except Exception as error:
            fault = self._fault(orders[0].task, error)
        # Out here the traceback is gone, which has held every tensor of the failed picture.
        gc.collect()
        if len(orders) == 1:
            self._say(fault)
            if fault.ends:
                return False
        torch.cuda.empty_cache()
        left = [order for order in orders if order.task.id not in drawing.halted]
        return len(orders) == 1 or all(self._render([order]) for order in left)

    def _draw(self, orders: Sequence[Render], drawing: Drawing) -> bool:
        """Draw these at once and put them where they belong; whether this process goes on.

        Raises:
            Halt: nobody wants any of them any more.
        """
        start = time.monotonic()
        task, root = orders[0].task, Path(orders[0].root)
        artist = self._artist(task)
        if artist is None:
            raise NoModel(f"the model {task.resolved.model[:12]} is not at hand")
        painter = artist.painter
        painter.wear(task.resolved.adapters, root)
        painter.show(task.resolved.likenesses, root)
        shots = [(order.task.resolved, order.task.seed) for order in orders]
        images = painter.paint_alike(
            shots * task.batch, drawing.begun, drawing.stepped,
            guides=painter.gather(task.resolved, root), lean=task.lean,
            previews=self._outfit.previews, emerged=drawing.emerged, waiting=drawing.waiting,
        )  # fmt: skip
        answers: list[Done | Fault] = []
        for number, order in enumerate(orders):
            if order.task.id not in drawing.halted:
                # One that is drawn as it was in a batch is the only order, and all its images.
                at = number + task.place
                made = painter.made(lean=task.lean, batch=len(images), place=at)
                answers.append(self._keep(order, images[at], artist.called, made, start))
                self._say(answers[-1])
        return not any(isinstance(answer, Fault) and answer.ends for answer in answers)

    def _keep(
        self, order: Render, image: Image.Image, called: str, made: Made, start: float
    ) -> Done | Fault:
        """Put a picture where it belongs."""
        task, root = order.task, Path(order.root)
        try:
            data = png.encode(image, task, called, made)
            placed = place(root, task, data, lambda path: is_ours(path, task))
        except Exception as error:
            return self._fault(task, error)
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

    def _say(self, message: Message) -> None:
        try:
            send(self._runner, message)
        except OSError:
            os._exit(0)


def _has_mates(order: Render) -> bool:
    """Whether others may be drawn at once with it, if they are alike."""
    return not (order.alone or order.task.lean or order.task.batch > 1)


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
