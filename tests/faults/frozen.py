"""Processes held still, so that what is on the disk can be looked at before one of them is killed.

Owns SIGSTOP and SIGCONT, and what /proc says of processes.
"""

import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def still(pids: Iterable[int]) -> Iterator[None]:
    """While this lasts none of these does anything; they are stopped in the order given."""
    held = list(pids)
    for pid in held:
        _send(pid, signal.SIGSTOP)
    try:
        deadline, pause = time.monotonic() + 10.0, threading.Event()
        while any(_state(pid) not in "TtZX" for pid in held):
            if time.monotonic() > deadline:
                raise TimeoutError("a process does not stop")
            pause.wait(0.001)
        yield
    finally:
        for pid in held:
            _send(pid, signal.SIGCONT)


def kill(pid: int) -> None:
    """Send kill -9, if it is still there."""
    _send(pid, signal.SIGKILL)


def draws(pid: int) -> bool:
    """Whether a process has the weights mapped, as only a worker that can draw has."""
    try:
        return "anime-weights" in Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return False


def is_worker(pid: int) -> bool:
    """Whether it was started by the keeper to draw."""
    return called(pid).startswith("anime-worker")


def called(pid: int) -> str:
    """What `ps` calls a process by; nothing if there is none."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def bearing(mark: str) -> set[int]:
    """The living processes whose environment holds `mark`, whoever their parent is now."""
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and _state(int(folder.name)) not in "ZX":
            with suppress(OSError):
                if mark.encode() in (folder / "environ").read_bytes():
                    found.add(int(folder.name))
    return found


def _state(pid: int) -> str:
    """One letter, as proc(5) has it; X if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return "X"


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
