"""A worker in the test's own process, and what it says of the pictures that it is given."""

import multiprocessing
import queue
import socket
from collections import deque
from pathlib import Path
from typing import Any

import torch

from pipeline.core.resolved import Task
from pipeline.render.birth import Outfit
from pipeline.render.orders import Orders
from pipeline.render.paint import Painter
from pipeline.render.worker import Artist, Worker
from pipeline.wire import Done, Fault, Message, Render, unpack


class Ordered(Orders):
    """Orders that are there already, so that nobody has to listen."""

    def __init__(self, orders: list[Render]) -> None:
        self._orders = queue.SimpleQueue()
        self._kept, self._cancelled, self._ended = deque(), set(), False
        for order in [*orders, None]:
            self._orders.put(order)


def answers(pipe: Any, root: Path, *tasks: Task, batch: int = 1) -> list[Message]:
    """What a worker says at the end of each picture, until it ends."""
    said = words(pipe, root, *tasks, batch=batch)
    return [one for one in said if isinstance(one, Done | Fault)]


def words(pipe: Any, root: Path, *tasks: Task, batch: int = 1, previews: int = 0) -> list[Message]:
    """All that a worker says of these pictures, of which it may draw so many at once."""
    ours, theirs = socket.socketpair()
    outfit = Outfit(
        name="worker-1", keeper=0, address="", device="cpu", threads=1, batch=batch,
        previews=previews,
    )  # fmt: skip
    orders = Ordered([Render(task=one, root=str(root)) for one in tasks])
    keeper, _ = multiprocessing.Pipe()
    with ours, theirs, keeper:
        worker = Worker(outfit, theirs, orders, keeper)
        worker.artists["ab" * 32] = Artist(Painter(pipe, torch.device("cpu")), "tiny")
        worker.run()
        theirs.shutdown(socket.SHUT_WR)
        buffer = bytearray()
        while data := ours.recv(65536):
            buffer += data
    return unpack(buffer)
