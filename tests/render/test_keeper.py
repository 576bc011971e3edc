"""The keeper replaces workers that die, and gives up only where none can ever be had.

The children here are real processes of the spawn context, but none of them draws.
"""

import multiprocessing
import os
import signal
import time
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import pytest

from pipeline.render.keeper import READY, WARM, CannotStart, Keeper
from pipeline.wire import Died, End, Message, Recycle, Spawned

pytestmark = pytest.mark.process


class _Letters:
    """Stands where the loaded model is: what a child is sent."""

    def send(self, connection: Connection) -> None:
        connection.send("the model")


def _good(line: Connection) -> None:
    line.send(READY)
    line.send(WARM if line.recv() == "the model" else "no model came")
    try:
        line.recv()
    except EOFError:
        os._exit(0)


def _hopeless(line: Connection) -> None:
    line.send("RuntimeError: the GPU is on fire")
    os._exit(1)


class _Nursery:
    """A keeper with what it said, and a clock that a test may set forward."""

    def __init__(self, kind: str, workers: int = 1) -> None:
        self.said: list[Message] = []
        self.ahead = 0.0
        context = multiprocessing.get_context("spawn")
        target = {"good": _good, "hopeless": _hopeless}[kind]

        def start(name: str, line: Connection) -> BaseProcess:
            process = context.Process(target=target, args=(line,), name=name, daemon=True)
            process.start()
            return process

        names = [f"worker-{number}" for number in range(1, workers + 1)]
        self.keeper = Keeper(names, start, self.said.append)
        self.keeper.equip(_Letters())

    def turn(self) -> bool:
        """One turn of the loop; whoever is due later is due now."""
        self.ahead += 100.0
        more = self.keeper.step(time.monotonic() + self.ahead)
        if more:
            self.keeper.wait([], time.monotonic() + self.ahead)
        return more

    def run(self) -> None:
        while self.turn():
            pass

    def warm(self) -> bool:
        """Whether every child has said so; two may speak within one turn."""
        return all(child.warm for child in self.keeper._children)

    def pid(self) -> int:
        return [said.pid for said in self.said if isinstance(said, Spawned)][-1]

    def deaths(self) -> list[Died]:
        return [said for said in self.said if isinstance(said, Died)]


def test_a_killed_worker_is_replaced_at_once_and_ends_with_the_keeper() -> None:
    nursery = _Nursery("good", workers=2)
    while not nursery.warm():
        nursery.turn()
    first = nursery.pid()
    os.kill(first, signal.SIGKILL)
    while not nursery.deaths():
        nursery.turn()
    assert nursery.deaths() == [Died(worker="worker-2", pid=first, exitcode=-signal.SIGKILL)]
    nursery.keeper.step(time.monotonic())
    second = nursery.pid()
    assert second != first
    nursery.keeper.hear(Recycle(worker="worker-2"))
    while len(nursery.deaths()) < 2:
        nursery.turn()
    assert nursery.deaths()[1] == Died(worker="worker-2", pid=second, exitcode=-signal.SIGKILL)
    # Who is warm ends in order, told by the runner itself; here nobody tells it, so it is killed.
    nursery.keeper.hear(End())
    nursery.keeper.hear(Recycle(worker="worker-1"))
    nursery.run()
    assert [said.worker for said in nursery.said if isinstance(said, Spawned)] == [
        "worker-1",
        "worker-2",
        "worker-2",
    ]


def test_workers_that_cannot_start_are_given_up_with_what_they_said() -> None:
    nursery = _Nursery("hopeless")
    with pytest.raises(CannotStart, match="the GPU is on fire"):
        nursery.run()
    assert [death.exitcode for death in nursery.deaths()] == [1] * 5
