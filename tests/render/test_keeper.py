"""The keeper replaces workers that die, and gives up only where none can ever be had.

The children here are real processes of the spawn context, but none of them draws.
"""

import errno
import multiprocessing
import multiprocessing.connection
import os
import signal
import time
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import pytest

from pipeline.render.children import BeginAfresh, Came, CannotStart, Keeper
from pipeline.render.line import READY, Give, Holds, Leave
from pipeline.weights import ModelError
from pipeline.wire import CannotHold, Died, End, Hold, Message, Recycle, Spawned

pytestmark = pytest.mark.process


class _Letters:
    """Stands where a loaded model is: what a child is sent."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.freed = 0
        self.stays = False

    def send(self, connection: Connection) -> None:
        connection.send(f"the model {self.name}")

    def free(self) -> bool:
        self.freed += 1
        return not self.stays


def _good(line: Connection) -> None:
    """Takes what it is given and lets go of what it is to let go of, until the keeper ends."""
    models: list[str] = []
    line.send(READY)
    while True:
        try:
            said = line.recv()
        except EOFError:
            os._exit(0)
        if isinstance(said, Give):
            came = line.recv()
            if said.model == "bad":
                line.send("RuntimeError: the model is on fire")
                os._exit(1)
            assert came == f"the model {said.called}"
            models.append(said.model)
        elif isinstance(said, Leave):
            models.remove(said.model)
        line.send(Holds(models=tuple(models)))


def _stubborn(line: Connection) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _good(line)


def _hopeless(line: Connection) -> None:
    line.send("RuntimeError: the GPU is on fire")
    os._exit(1)


class _Nursery:
    """A keeper with what it said, and a clock that a test may set forward."""

    def __init__(
        self,
        kind: str,
        workers: int = 1,
        hold: tuple[str, ...] = ("one",),
        *,
        several: bool = False,
    ) -> None:
        self.said: list[Message] = []
        self.ahead = 0.0
        context = multiprocessing.get_context("spawn")
        names = [f"worker-{number}" for number in range(1, workers + 1)]
        self.kinds = dict.fromkeys(names, kind)

        def start(name: str, line: Connection) -> BaseProcess:
            target = {"good": _good, "hopeless": _hopeless, "stubborn": _stubborn}[self.kinds[name]]
            process = context.Process(target=target, args=(line,), name=name, daemon=True)
            process.start()
            return process

        self.due: list[str] = []
        self.models: dict[str, _Letters] = {}
        self.missing: set[str] = set()
        self.keeper = Keeper(
            names, start, self.said.append, self.due.append, hold, several=len(hold) > 1 or several
        )

    def load(self) -> None:
        """What is to be loaded is there at once, or is missing."""
        while self.due:
            name = self.due.pop(0)
            error = ModelError(f"there is no {name}", "mend it") if name in self.missing else None
            self.models[name] = _Letters(name)
            loaded = None if error else self.models[name]
            self.keeper.take(Came(model=name, loaded=loaded, error=error))
            self.keeper.step(time.monotonic() + self.ahead)

    def turn(self) -> bool:
        """One turn of the loop; whoever is due later is due now."""
        self.ahead += 100.0
        more = self.keeper.step(time.monotonic() + self.ahead)
        self.load()
        if more:
            self.keeper.wait([], time.monotonic() + self.ahead)
        return more

    def run(self) -> None:
        while self.turn():
            pass

    def end(self) -> None:
        """Have everybody killed, and wait for it."""
        self.keeper.hear(End())
        for child in self.keeper._children:
            if child.process is not None:
                child.process.kill()
        self.run()

    def warm(self) -> bool:
        """Whether every child has said so; two may speak within one turn."""
        return all(child.warm for child in self.keeper._children)

    def pid(self, name: str = "") -> int:
        """Of the one of that name that was started last, or of the last of all."""
        spawned = [said for said in self.said if isinstance(said, Spawned)]
        return [said.pid for said in spawned if name in ("", said.worker)][-1]

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
    nursery.keeper.hear(Recycle(worker="worker-2", pid=second))
    while len(nursery.deaths()) < 2:
        nursery.keeper.wait([], time.monotonic())
    assert nursery.deaths()[1] == Died(worker="worker-2", pid=second, exitcode=-signal.SIGTERM)
    # Who is warm ends in order, told by the runner itself; here nobody tells it, so it is killed.
    nursery.keeper.hear(End())
    nursery.keeper.hear(Recycle(worker="worker-1", pid=nursery.pid("worker-1")))
    nursery.run()
    assert [said.worker for said in nursery.said if isinstance(said, Spawned)] == [
        "worker-1",
        "worker-2",
        "worker-2",
    ]


def test_who_does_not_end_when_told_to_is_killed_some_seconds_later() -> None:
    nursery = _Nursery("stubborn")
    while not nursery.warm():
        nursery.turn()
    told = time.monotonic()
    nursery.keeper.hear(Recycle(worker="worker-1", pid=nursery.pid()))
    nursery.keeper.step(told + 2.0)
    process = nursery.keeper._children[0].process
    assert process is not None
    assert not multiprocessing.connection.wait([process.sentinel], timeout=0.3)
    nursery.keeper.step(time.monotonic() + 3.5)
    while not nursery.deaths():
        nursery.keeper.wait([], time.monotonic())
    assert [death.exitcode for death in nursery.deaths()] == [-signal.SIGKILL]


def test_workers_that_cannot_start_are_given_up_with_what_they_said() -> None:
    nursery = _Nursery("hopeless")
    with pytest.raises(CannotStart, match="the GPU is on fire"):
        nursery.run()
    assert [death.exitcode for death in nursery.deaths()] == [1] * 5


def test_a_successor_is_not_killed_in_its_predecessors_place() -> None:
    nursery = _Nursery("good")
    while not nursery.warm():
        nursery.turn()
    process = nursery.keeper._children[0].process
    assert process is not None
    nursery.keeper.hear(Recycle(worker="worker-1", pid=nursery.pid() + 1))
    assert not multiprocessing.connection.wait([process.sentinel], timeout=0.5)
    nursery.end()


def test_a_worker_that_cannot_start_does_not_end_those_that_draw() -> None:
    nursery = _Nursery("good", workers=2)
    while not nursery.warm():
        nursery.turn()
    nursery.kinds["worker-2"] = "hopeless"
    os.kill(nursery.pid("worker-2"), signal.SIGKILL)
    while len(nursery.deaths()) < 8:
        nursery.turn()
    assert {death.worker for death in nursery.deaths()} == {"worker-2"}
    nursery.kinds["worker-2"] = "good"
    while not nursery.warm():
        nursery.turn()
    nursery.end()


def test_processes_that_the_system_refuses_are_tried_again_and_then_given_up() -> None:
    tried: list[str] = []

    def refuse(name: str, _: Connection) -> BaseProcess:
        tried.append(name)
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    keeper = Keeper(["worker-1"], refuse, lambda _: None, lambda _: None, ("one",))
    opened = len(os.listdir("/proc/self/fd"))
    for now in (0.0, 0.1, 0.2, 5.0, 5.1):
        keeper.step(now)
    assert len(tried) == 3  # The second at once, the others after a pause that grows.
    keeper.step(10.0)
    with pytest.raises(CannotStart, match="temporarily unavailable"):
        keeper.step(20.0)
    assert len(tried) == 5
    assert len(os.listdir("/proc/self/fd")) == opened


def _settled(nursery: _Nursery, *models: str) -> bool:
    """Whether every child has these models and no others."""
    return all({*child.holds} == {*models} for child in nursery.keeper._children)


def test_another_model_is_loaded_once_the_memory_of_the_one_that_goes_is_free() -> None:
    nursery = _Nursery("good", workers=2, several=True)
    while not nursery.warm():
        nursery.turn()
    nursery.keeper.hear(Hold(models=("two",)))
    nursery.keeper.step(time.monotonic())
    assert not nursery.due  # Both still have the first.
    while not _settled(nursery, "two"):
        nursery.turn()
    assert (nursery.models["one"].freed, nursery.models["two"].freed) == (1, 0)
    nursery.keeper.hear(Hold(models=("two", "one")))
    while not _settled(nursery, "one", "two"):
        nursery.turn()
    assert nursery.models["two"].freed == 0
    os.kill(nursery.pid("worker-1"), signal.SIGKILL)
    while not nursery.deaths() or not nursery.warm():
        nursery.turn()
    assert _settled(nursery, "one", "two")
    nursery.end()


def test_a_model_that_is_not_there_is_said_and_the_others_are_held() -> None:
    nursery = _Nursery("good", several=True)
    nursery.missing.add("two")
    nursery.keeper.hear(Hold(models=("one", "two")))
    while not nursery.warm():
        nursery.turn()
    assert CannotHold(model="two", error="there is no two", hint="mend it") in nursery.said
    assert _settled(nursery, "one")
    nursery.end()


def test_a_model_that_no_worker_can_take_is_given_up_and_the_others_are_not() -> None:
    nursery = _Nursery("good", workers=2, several=True)
    while not nursery.warm():
        nursery.turn()
    nursery.keeper.hear(Hold(models=("bad",)))
    while not any(isinstance(said, CannotHold) for said in nursery.said):
        nursery.turn()
    (refused,) = [said for said in nursery.said if isinstance(said, CannotHold)]
    assert refused.model == "bad"
    assert "the model is on fire" in refused.error
    nursery.keeper.hear(Hold(models=("one",)))
    while not nursery.warm():
        nursery.turn()
    assert _settled(nursery, "one")
    nursery.end()


def test_memory_that_stays_taken_ends_the_keeper() -> None:
    nursery = _Nursery("good", several=True)
    while not nursery.warm():
        nursery.turn()
    nursery.models["one"].stays = True
    nursery.keeper.hear(Hold(models=("two",)))
    with pytest.raises(BeginAfresh):
        nursery.run()
    nursery.end()
