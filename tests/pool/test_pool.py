"""What the pool makes of silence and of deaths; the test plays keeper and workers, and the clock.

The sockets are the pool's own, and where the keeper stands is a process that only sleeps.
"""

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from pipeline.core.observed import Broken, Lost, Painted, Report, Stepped, WorkerWarm
from pipeline.pool import WorkerPool
from pipeline.wire import (
    Died,
    Done,
    Hello,
    Message,
    Recycle,
    Render,
    Spawned,
    Step,
    Warm,
    pack,
    unpack,
)
from tests.fakes import FAKE_MADE
from tests.render.conftest import task

KILLED = -signal.SIGKILL
pytestmark = pytest.mark.timeout(60)


class _Machine:
    """A machine whose time and whose kernel the test decides."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.kills = 3
        self.flags: Sequence[str] = ()
        self.keepers: list[subprocess.Popen[bytes]] = []

    def clock(self) -> float:
        return self.now

    def start_keeper(self, flags: Sequence[str]) -> subprocess.Popen[bytes]:
        self.flags = flags
        self.keepers.append(subprocess.Popen(["sleep", "600"]))
        return self.keepers[-1]

    def kill(self, pid: int) -> None:
        pass  # The workers' processes are made up.

    def memory_kills(self) -> int:
        return self.kills


class _Stage:
    """A pool of two workers, and the other ends of its streams."""

    def __init__(self, root: Path) -> None:
        self.machine = _Machine()
        self.reports: list[Report] = []
        self._woken = threading.Event()
        self.pool = WorkerPool(
            root, root / "model", workers=2, device="cpu", threads=1, wake=self._woken.set,
            sha256="ab" * 32, hashes=root / "hashes.json", machine=self.machine,
        )  # fmt: skip
        self.pool.start()
        self.streams: dict[str, socket.socket] = {}
        self._next_pid = 1
        self.pids: dict[str, int] = {}
        self.enter("keeper", Hello(name="keeper", pid=0))
        for name in ("worker-1", "worker-2"):
            self.bear(name)

    def enter(self, name: str, *words: Message) -> None:
        """Connect and say something."""
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stream.settimeout(10)
        stream.connect(self.machine.flags[self.machine.flags.index("--socket") + 1])
        self.streams[name] = stream
        self.say(name, *words)

    def bear(self, name: str) -> None:
        """The keeper starts a worker, which is warm when this returns."""
        pid, self._next_pid = self._next_pid, self._next_pid + 1
        self.pids[name] = pid
        self.say("keeper", Spawned(worker=name, pid=pid))
        self.enter(name, Hello(name=name, pid=pid), Warm())
        self.until(lambda: any(isinstance(r, WorkerWarm) and r.pid == pid for r in self.reports))

    def say(self, name: str, *words: Message) -> None:
        self.streams[name].sendall(b"".join(pack(word) for word in words))

    def told(self, name: str) -> Message:
        """The next word of the pool to one of them."""
        (word,) = unpack(bytearray(self.streams[name].recv(65536)))
        return word

    def until(self, so: Callable[[], object]) -> None:
        """Poll until `so()`, at a time that stands still."""
        deadline = time.monotonic() + 10
        self.reports += self.pool.poll()
        while not so():
            assert time.monotonic() < deadline, f"waited in vain; reported: {self.reports}"
            self._woken.wait(0.05)
            self._woken.clear()
            self.reports += self.pool.poll()

    def hear(self, kind: type[Report], count: int = 1) -> None:
        """Wait until there are so many reports of a kind."""
        self.until(lambda: sum(isinstance(report, kind) for report in self.reports) == count)

    def draw(self, name: str) -> None:
        """A worker gets something to draw."""
        self.pool.submit(name, task(name))
        assert isinstance(self.told(name), Render)

    def later(self, seconds: float) -> None:
        """So many seconds pass, in which the pool is polled as it should be."""
        end = self.machine.now + seconds
        while self.machine.now < end:
            self.machine.now = min(end, self.machine.now + 5.0)
            self.reports += self.pool.poll()
            self.pool.step(self.machine.now)

    def die(self, name: str, exitcode: int) -> None:
        """The keeper says that a worker has died, whose stream ends."""
        self.streams.pop(name).close()
        self.say("keeper", Died(worker=name, pid=self.pids[name], exitcode=exitcode))

    def losses(self) -> list[tuple[str, str, bool]]:
        """Who was lost, to what, and whether the work is blamed, in order of their names."""
        lost = [report for report in self.reports if isinstance(report, Lost)]
        return sorted((report.worker, report.cause, report.blamed) for report in lost)

    def lost(self, count: int) -> list[tuple[str, str, bool]]:
        self.until(lambda: len(self.losses()) == count)
        return self.losses()

    def close(self) -> None:
        for stream in self.streams.values():
            stream.close()
        self.pool.kill()
        for keeper in self.machine.keepers:
            keeper.kill()
            keeper.wait()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[_Stage]:
    stage = _Stage(tmp_path)
    yield stage
    stage.close()


def _done(name: str) -> Done:
    return Done(
        task=task(name).id, file="a.png", sha256="0", seconds=1.0, shelved=False, made=FAKE_MADE
    )


def test_the_keeper_is_told_which_model_the_run_began_with(stage: _Stage, tmp_path: Path) -> None:
    flags = list(stage.machine.flags)
    assert flags[flags.index("--sha256") + 1] == "ab" * 32
    assert flags[flags.index("--hashes") + 1] == str(tmp_path / "hashes.json")


def test_a_silent_worker_is_replaced_by_its_pid_and_its_work_is_blamed(stage: _Stage) -> None:
    stage.draw("worker-1")
    stage.later(115)
    assert stage.pool.live()[0].task == task("worker-1")
    stage.later(10)
    assert stage.told("keeper") == Recycle(worker="worker-1", pid=stage.pids["worker-1"])
    stage.die("worker-1", KILLED)
    assert stage.lost(1) == [("worker-1", "deadline", True)]


def test_whoever_did_not_listen_takes_nobody_for_silent(stage: _Stage) -> None:
    """As after Ctrl-Z and fg: the workers went on meanwhile."""
    stage.draw("worker-1")
    stage.later(60)
    stage.machine.now += 3600
    stage.reports += stage.pool.poll()
    stage.pool.step(stage.machine.now)
    stage.later(55)
    # The clock has not run out: were it condemned, it could not be free after it has finished.
    stage.say("worker-1", _done("worker-1"))
    stage.hear(Painted)
    assert stage.pool.free() == ("worker-1", "worker-2")


def test_a_worker_that_finishes_while_it_is_condemned_gets_nothing_more(stage: _Stage) -> None:
    stage.draw("worker-1")
    stage.later(125)
    assert isinstance(stage.told("keeper"), Recycle)
    stage.say("worker-1", _done("worker-1"))
    stage.hear(Painted)
    assert stage.pool.free() == ("worker-2",)
    with pytest.raises(ValueError, match="not free"):
        stage.pool.submit("worker-1", task("next"))
    stage.die("worker-1", KILLED)
    assert stage.lost(1) == [("worker-1", "deadline", False)]
    stage.bear("worker-1")
    assert stage.pool.free() == ("worker-1", "worker-2")


def test_a_keeper_that_does_not_kill_whom_it_should_is_killed(stage: _Stage) -> None:
    stage.draw("worker-1")
    stage.draw("worker-2")
    keeper = stage.machine.keepers[0]
    for step in range(1, 14):
        stage.later(10)
        stage.say("worker-2", Step(task=task("worker-2").id, step=step, steps=20))
        stage.hear(Stepped, step)
    assert keeper.poll() is None
    stage.later(15)
    assert keeper.wait(10) == KILLED
    stage.streams.pop("keeper").close()
    assert stage.lost(2) == [("worker-1", "deadline", True), ("worker-2", "keeper", False)]


def test_each_kill_for_memory_explains_one_death(stage: _Stage) -> None:
    stage.draw("worker-1")
    stage.draw("worker-2")
    stage.machine.kills += 1
    stage.die("worker-1", KILLED)
    assert stage.lost(1) == [("worker-1", "out_of_memory", True)]
    stage.die("worker-2", KILLED)
    assert stage.lost(2)[1] == ("worker-2", "killed", False)


def test_two_that_are_killed_for_memory_at_once_are_both_told_so(stage: _Stage) -> None:
    stage.draw("worker-1")
    stage.draw("worker-2")
    stage.machine.kills += 2
    stage.die("worker-1", KILLED)
    stage.die("worker-2", KILLED)
    assert stage.lost(2) == [
        ("worker-1", "out_of_memory", True),
        ("worker-2", "out_of_memory", True),
    ]


def test_what_the_kernel_killed_before_the_work_began_is_not_the_works(stage: _Stage) -> None:
    stage.machine.kills += 1
    stage.draw("worker-1")
    stage.die("worker-1", KILLED)
    assert stage.lost(1) == [("worker-1", "killed", False)]


def test_nobody_is_blamed_where_the_keeper_was_killed_for_memory(stage: _Stage) -> None:
    stage.draw("worker-1")
    stage.machine.kills += 1
    stage.machine.keepers[0].kill()
    stage.machine.keepers[0].wait()
    stage.streams.pop("keeper").close()
    assert stage.lost(2) == [("worker-1", "keeper", False), ("worker-2", "keeper", False)]


def test_a_pool_that_can_hear_nobody_is_broken(tmp_path: Path) -> None:
    def wake() -> None:
        raise RuntimeError("the bell is gone")

    machine = _Machine()
    pool = WorkerPool(
        tmp_path, tmp_path, workers=1, device="cpu", threads=1, wake=wake, machine=machine
    )
    pool.start()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.connect(machine.flags[machine.flags.index("--socket") + 1])
        pause, deadline = threading.Event(), time.monotonic() + 10
        while not (reports := pool.poll()):
            assert time.monotonic() < deadline
            pause.wait(0.01)
    (broken,) = reports
    assert isinstance(broken, Broken)
    assert "the bell is gone" in broken.error
    assert pool.poll() == []
    pool.kill()
