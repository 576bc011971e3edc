"""What the keeper is told: orders of the runner, and of its own threads what they have done.

Owns the letter box, and the thread that reads the runner's orders, which ends the process with the
runner. Never acts on an order.
"""

import os
import queue
import socket
import threading
from typing import Generic, TypeVar

from pipeline.wire import Message, unpack

_Letter = TypeVar("_Letter")


class Box(Generic[_Letter]):
    """Letters as they come; `bell` has a byte to read for each."""

    def __init__(self) -> None:
        self._letters: queue.SimpleQueue[_Letter] = queue.SimpleQueue()
        self.bell, self._ring = socket.socketpair()

    def post(self, letter: _Letter) -> None:
        """Put one in; from any thread."""
        self._letters.put(letter)
        self._ring.send(b"!")

    def empty(self) -> bool:
        """Whether there is none."""
        return self._letters.empty()

    def take(self) -> _Letter:
        """The first one; waits for it where there is none."""
        self.bell.recv(1)
        return self._letters.get()


def listen(runner: socket.socket, box: "Box[Message | _Letter]") -> None:
    """Post what the runner says, from a thread of its own, also while a model loads."""

    def hear() -> None:
        buffer = bytearray()
        while data := _read(runner):
            buffer += data
            for message in unpack(buffer):
                box.post(message)
        os._exit(0)  # The runner is gone.

    threading.Thread(target=hear, daemon=True).start()


def _read(runner: socket.socket) -> bytes:
    try:
        return runner.recv(65536)
    except OSError:
        return b""
