"""A pool whose keeper, workers, clock and kernel a test plays.

The sockets are the pool's own, and where the keeper stands is a process that only sleeps.
"""

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.core.observed import Lost, Report, WorkerWarm
from pipeline.modelfiles import ModelFiles
from pipeline.pool import Manner, Several, WorkerPool
from pipeline.pool.manner import USUAL
from pipeline.pool.models import ALONE
from pipeline.wire import Died, Done, Hello, Message, Render, Spawned, Warm, pack, unpack
from tests.fakes import FAKE_MADE
from tests.render.conftest import task

MODEL = "ab" * 32
KILLED = -signal.SIGKILL


class Played:
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


class Stage:
    """A pool of two workers, and the other ends of its streams."""

    def __init__(self, root: Path, several: Several = ALONE, manner: Manner = USUAL) -> None:
        self.machine = Played()
        self.reports: list[Report] = []
        self._woken = threading.Event()
        self.pool = WorkerPool(
            root, ModelFiles(path=root / "model", sha256=MODEL), workers=2, device="cpu",
            threads=1, wake=self._woken.set, hashes=root / "hashes.json", machine=self.machine,
            several=several, manner=manner,
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
        self.enter(name, Hello(name=name, pid=pid), Warm(models=(MODEL,)))
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

    def draw(self, name: str, process: str = "") -> Render:
        """A worker gets something to draw, which is called after it."""
        self.pool.submit(name, task(name))
        told = self.told(process or name)
        assert isinstance(told, Render)
        return told

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


def done(name: str) -> Done:
    return Done(
        task=task(name).id, file="a.png", sha256="0", seconds=1.0, shelved=False, made=FAKE_MADE
    )
