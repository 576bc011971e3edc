"""The program as a person runs it: real processes, watched through the journal, and killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from pipeline.core import events as e
from pipeline.journal import JOURNAL_NAME, Tail

START = 120.0
"""Seconds within which a started program has drawn something, on a busy machine."""


class Program:
    """One `anime run` on an inbox, and the facts that its journal tells."""

    def __init__(
        self,
        root: Path,
        *flags: str,
        env: Mapping[str, str] | None = None,
        module: str = "pipeline",
    ) -> None:
        """`env` is added to our own environment; `module` is what stands for the program."""
        self.root = root
        self.facts: list[e.Event] = []
        self._log = (root.parent / f"{root.name}.log").open("ab")
        self._tail = Tail(root / ".pipeline" / JOURNAL_NAME)
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, "run", "--inbox", str(root), "--port", "0",
             "--device", "cpu", *flags],
            stdout=self._log, stderr=subprocess.STDOUT, env=os.environ | (env or {}),
        )  # fmt: skip

    def log(self) -> str:
        return (self.root.parent / f"{self.root.name}.log").read_text(errors="replace")

    def read(self) -> list[e.Event]:
        """Facts that are new since the last look."""
        fresh = [e.decode(line.raw) for line in self._tail.read()]
        self.facts += fresh
        return fresh

    def until(
        self, done: Callable[[e.Event], bool], seconds: float = START, *, pause: float = 0.01
    ) -> e.Event:
        """The next fact of which `done` is true; looks every `pause` seconds.

        Raises:
            TimeoutError: none came in time, or the program has ended; with what it printed.
        """
        deadline = time.monotonic() + seconds
        while True:
            for fact in self.read():
                if done(fact):
                    return fact
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise TimeoutError(f"no such fact; it printed:\n{self.log()}")
            time.sleep(pause)

    def until_any(self, kind: type[e.Event], seconds: float = START) -> e.Event:
        return self.until(lambda fact: isinstance(fact, kind), seconds)

    def children(self) -> list[int]:
        """All processes that descend from the program."""
        return descendants(self.process.pid)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        self._log.close()


@contextmanager
def program(root: Path, *flags: str) -> Iterator[Program]:
    """A running program, ended on the way out."""
    running = Program(root, *flags)
    try:
        yield running
    finally:
        running.close()


def descendants(pid: int) -> list[int]:
    """Processes whose parent, or parent's parent and so on, is this one."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
    found: list[int] = []
    level = [pid]
    while level:
        level = [child for child, parent in parents.items() if parent in level]
        found += level
    return found


def gone(pids: list[int], seconds: float = 5.0) -> bool:
    """Whether all these processes end within so many seconds; a zombie has ended."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while time.monotonic() < deadline:
        if not any(_alive(pid) for pid in pids):
            return True
        pause.wait(0.02)
    return False


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False


def facts(root: Path) -> list[e.Event]:
    """Everything a journal says."""
    return [e.decode(line.raw) for line in Tail(root / ".pipeline" / JOURNAL_NAME).read()]


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def shown(event: e.Event) -> str:
    """An event in a line, for a failing test's eyes."""
    return msgspec.json.encode(event).decode()
