"""What a worker is told, while it draws and in between.

Owns the thread that hears the runner, and what is still to be done, in order. Never acts on it; the
process ends with the runner.
"""

import os
import queue
import socket
import threading
import time
from collections import deque
from collections.abc import Callable

from pipeline.render.line import Broke, Given, Leave
from pipeline.wire import Cancel, End, Message, Render, unpack

Order = Render | Given | Leave | Broke


class Orders:
    """What the runner says, read by a thread of its own, so that it is heard while drawing; and
    what the keeper says of models, in between pictures."""

    def __init__(self, runner: socket.socket) -> None:
        self._runner = runner
        self._orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._kept: deque[Order | None] = deque()
        """What came while mates were looked for, and is none."""
        self._cancelled: set[str] = set()
        self._ended = False
        threading.Thread(target=self._listen, daemon=True).start()

    def next(self) -> Order | None:
        """Wait for something to do; None is the end."""
        if self._ended:
            return None
        return self._kept.popleft() if self._kept else self._orders.get()

    def mates(
        self, first: Render, alike: Callable[[Render], bool], most: int, patience: float
    ) -> list[Render]:
        """`first`, and up to `most` in all of those that are `alike`, also such as come within
        `patience` seconds; what came between them is kept in order."""
        found, others = [first], deque[Order | None]()
        until = time.monotonic() + patience
        # Whoever has all that it is given at most need not wait for more.
        while len(found) < most and len(found) + len(others) < most:
            try:
                left = max(0.0, until - time.monotonic())
                order = self._kept.popleft() if self._kept else self._orders.get(timeout=left)
            except queue.Empty:
                break
            if isinstance(order, Render) and alike(order):
                found.append(order)
            else:
                others.append(order)
        self._kept.extendleft(reversed(others))
        return found

    def put(self, order: Given | Leave | Broke) -> None:
        """Have something done after what was ordered before."""
        self._orders.put(order)

    def unwanted(self, task: str) -> bool:
        """Whether this task is to be stopped."""
        return self._ended or task in self._cancelled

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
                self._cancelled.discard(message.task.id)
                self._orders.put(message)
            case Cancel(task=task):
                self._cancelled.add(task)
            case End():
                self._ended = True
                self._orders.put(None)
            case _:
                os._exit(1)
