"""The keeper replaces workers that die, and gives up only where none can ever be had.

The children here are real processes, forked or spawned as workers are, but none of them draws.
"""

import errno
import multiprocessing
import multiprocessing.connection
import os
import select
import signal
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from pipeline.render.birth import Outfit
from pipeline.render.children import BeginAfresh, Came, CannotStart, Keeper, Process
from pipeline.render.line import READY, Give, Holds, Leave
from pipeline.render.nursery import Nursery, NurseryGone
from pipeline.weights import ModelError
from pipeline.wire import CannotHold, Died, End, Hold, Message, Recycle, Spawned

pytestmark = [
    pytest.mark.process,
    # Here threads of the tests' own may be about; in the keeper there are none.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


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


def _live(outfit: Outfit, line: Connection) -> None:
    """A child of the kind that stands where the device is usually told."""
    {"good": _good, "hopeless": _hopeless, "stubborn": _stubborn}[outfit.device](line)


class _House:
    """A keeper with what it said, and a clock that a test may set forward."""

    def __init__(
        self,
        kind: str,
        workers: int = 1,
        hold: tuple[str, ...] = ("one",),
        *,
        several: bool = False,
        method: str = "fork",
    ) -> None:
        self.said: list[Message] = []
        self.ahead = 0.0
        context = multiprocessing.get_context("spawn")
        nursery = Nursery(_live, apart=lambda: None) if method == "fork" else None
        names = [f"worker-{number}" for number in range(1, workers + 1)]
        self.kinds = dict.fromkeys(names, kind)

        def start(name: str, line: Connection) -> Process:
            outfit = Outfit(
                name=name, keeper=os.getpid(), address="", device=self.kinds[name], threads=1
            )
            if nursery is not None:
                return nursery.start(outfit, line)
            process = context.Process(target=_live, args=(outfit, line), daemon=True)
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


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_killed_worker_is_replaced_at_once_and_ends_with_the_keeper(method: str) -> None:
    house = _House("good", workers=2, method=method)
    while not house.warm():
        house.turn()
    first = house.pid()
    os.kill(first, signal.SIGKILL)
    while not house.deaths():
        house.turn()
    assert house.deaths() == [Died(worker="worker-2", pid=first, exitcode=-signal.SIGKILL)]
    house.keeper.step(time.monotonic())
    second = house.pid()
    assert second != first
    house.keeper.hear(Recycle(worker="worker-2", pid=second))
    while len(house.deaths()) < 2:
        house.keeper.wait([], time.monotonic())
    assert house.deaths()[1] == Died(worker="worker-2", pid=second, exitcode=-signal.SIGTERM)
    # Who is warm ends in order, told by the runner itself; here nobody tells it, so it is killed.
    house.keeper.hear(End())
    house.keeper.hear(Recycle(worker="worker-1", pid=house.pid("worker-1")))
    house.run()
    assert [said.worker for said in house.said if isinstance(said, Spawned)] == [
        "worker-1",
        "worker-2",
        "worker-2",
    ]


def test_who_does_not_end_when_told_to_is_killed_some_seconds_later() -> None:
    house = _House("stubborn")
    while not house.warm():
        house.turn()
    told = time.monotonic()
    house.keeper.hear(Recycle(worker="worker-1", pid=house.pid()))
    house.keeper.step(told + 2.0)
    process = house.keeper._children[0].process
    assert process is not None
    assert not multiprocessing.connection.wait([process.sentinel], timeout=0.3)
    house.keeper.step(time.monotonic() + 3.5)
    while not house.deaths():
        house.keeper.wait([], time.monotonic())
    assert [death.exitcode for death in house.deaths()] == [-signal.SIGKILL]


def test_workers_that_cannot_start_are_given_up_with_what_they_said() -> None:
    house = _House("hopeless")
    with pytest.raises(CannotStart, match="the GPU is on fire"):
        house.run()
    assert [death.exitcode for death in house.deaths()] == [1] * 5


def test_a_successor_is_not_killed_in_its_predecessors_place() -> None:
    house = _House("good")
    while not house.warm():
        house.turn()
    process = house.keeper._children[0].process
    assert process is not None
    house.keeper.hear(Recycle(worker="worker-1", pid=house.pid() + 1))
    assert not multiprocessing.connection.wait([process.sentinel], timeout=0.5)
    house.end()


def test_a_worker_that_cannot_start_does_not_end_those_that_draw() -> None:
    house = _House("good", workers=2)
    while not house.warm():
        house.turn()
    house.kinds["worker-2"] = "hopeless"
    os.kill(house.pid("worker-2"), signal.SIGKILL)
    while len(house.deaths()) < 8:
        house.turn()
    assert {death.worker for death in house.deaths()} == {"worker-2"}
    house.kinds["worker-2"] = "good"
    while not house.warm():
        house.turn()
    house.end()


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


def test_workers_end_with_the_nursery_that_they_were_forked_of_and_nobody_is_blamed() -> None:
    house = _House("good", workers=2)
    while not house.warm():
        house.turn()
    pids = [house.pid("worker-1"), house.pid("worker-2")]
    ended = [os.pidfd_open(pid) for pid in pids]
    assert [_called(pid) for pid in pids] == ["anime-worker-1", "anime-worker-2"]
    parent = _parent(pids[0])
    assert (_called(parent), _parent(parent)) == ("anime-nursery", os.getpid())
    os.kill(parent, signal.SIGKILL)
    with pytest.raises(NurseryGone):
        house.run()
    for one in ended:
        assert select.select([one], [], [], 10.0)[0]
        os.close(one)
    os.waitpid(parent, 0)
    assert house.deaths() == []


def test_a_forked_worker_has_nothing_open_that_is_another_s() -> None:
    house = _House("good", workers=3)
    while not house.warm():
        house.turn()
    os.kill(house.pid("worker-1"), signal.SIGKILL)
    while not (house.deaths() and house.warm()):
        house.turn()
    names = ("worker-1", "worker-2", "worker-3")
    sockets = {name: _sockets(house.pid(name)) for name in names}
    assert all(len(own) == 1 for own in sockets.values()), sockets
    assert len(set.union(*sockets.values())) == 3
    house.end()


def _called(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _sockets(pid: int) -> set[str]:
    """The sockets that a process has and this one has not, which may have had some before."""
    return {name for name in _open(pid) - _open(os.getpid()) if name.startswith("socket:")}


def _open(pid: int) -> set[str]:
    """What a process has open; something may be closed while it is looked at."""
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(os.readlink(link))
    return found


def _settled(house: _House, *models: str) -> bool:
    """Whether every child has these models and no others."""
    return all({*child.holds} == {*models} for child in house.keeper._children)


def test_another_model_is_loaded_once_the_memory_of_the_one_that_goes_is_free() -> None:
    house = _House("good", workers=2, several=True)
    while not house.warm():
        house.turn()
    house.keeper.hear(Hold(models=("two",)))
    house.keeper.step(time.monotonic())
    assert not house.due  # Both still have the first.
    while not _settled(house, "two"):
        house.turn()
    assert (house.models["one"].freed, house.models["two"].freed) == (1, 0)
    house.keeper.hear(Hold(models=("two", "one")))
    while not _settled(house, "one", "two"):
        house.turn()
    assert house.models["two"].freed == 0
    os.kill(house.pid("worker-1"), signal.SIGKILL)
    while not house.deaths() or not house.warm():
        house.turn()
    assert _settled(house, "one", "two")
    house.end()


def test_a_model_that_is_not_there_is_said_and_the_others_are_held() -> None:
    house = _House("good", several=True)
    house.missing.add("two")
    house.keeper.hear(Hold(models=("one", "two")))
    while not house.warm():
        house.turn()
    assert CannotHold(model="two", error="there is no two", hint="mend it") in house.said
    assert _settled(house, "one")
    house.end()


def test_a_model_that_no_worker_can_take_is_given_up_and_the_others_are_not() -> None:
    house = _House("good", workers=2, several=True)
    while not house.warm():
        house.turn()
    house.keeper.hear(Hold(models=("bad",)))
    while not any(isinstance(said, CannotHold) for said in house.said):
        house.turn()
    (refused,) = [said for said in house.said if isinstance(said, CannotHold)]
    assert refused.model == "bad"
    assert "the model is on fire" in refused.error
    house.keeper.hear(Hold(models=("one",)))
    while not house.warm():
        house.turn()
    assert _settled(house, "one")
    house.end()


def test_memory_that_stays_taken_ends_the_keeper() -> None:
    house = _House("good", several=True)
    while not house.warm():
        house.turn()
    house.models["one"].stays = True
    house.keeper.hear(Hold(models=("two",)))
    with pytest.raises(BeginAfresh):
        house.run()
    house.end()
