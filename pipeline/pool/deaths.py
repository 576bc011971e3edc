"""Why a process has died, and whether its work was to blame.

Owns the reading of exit codes and of the kernel's count of kills for memory. Never kills anything.
"""

import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from msgspec import Struct

Cause = Literal["crash", "exit", "deadline", "out_of_memory", "killed", "keeper"]

_CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)


class Verdict(Struct, frozen=True, kw_only=True):
    """`blamed` is whether what the process was doing brought it down."""

    cause: Cause
    blamed: bool
    detail: str


def judge(exitcode: int | None, *, condemned: bool, keeper_died: bool, starved: bool) -> Verdict:
    """What an exit code means; negative is a signal, None unknown.

    `condemned` is whether we had it killed for its silence, `keeper_died` whether it went with its
    keeper, and `starved` whether it is one that the kernel has killed for memory.
    """
    if condemned:
        return Verdict(cause="deadline", blamed=True, detail="it was silent for too long")
    if exitcode is not None and exitcode >= 0 and not keeper_died:
        return Verdict(cause="exit", blamed=True, detail=f"it ended with status {exitcode}")
    if exitcode is not None and -exitcode in _CRASHES:
        return Verdict(cause="crash", blamed=True, detail=name_of(-exitcode))
    if starved:
        return Verdict(
            cause="out_of_memory", blamed=True, detail="the kernel killed it to free memory"
        )
    if keeper_died:
        return Verdict(cause="keeper", blamed=False, detail="its keeper died")
    detail = "its stream ended" if exitcode is None else name_of(-exitcode)
    return Verdict(cause="killed", blamed=False, detail=detail)


def name_of(number: int) -> str:
    """A signal's name, also of one that has none here."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def memory_kills(counters: Iterable[Path] | None = None) -> int:
    """How often the kernel has killed a process of our memory group, or of the machine, for memory.

    The first of the files `counters` that says it decides; by default those of this system. 0
    where nothing says so. Read before and after a death, only its growth means anything.
    """
    for file in _counters() if counters is None else counters:
        try:
            lines = file.read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            key, _, value = line.partition(" ")
            if key == "oom_kill" and value.strip().isdigit():
                return int(value)
    return 0


def _counters() -> Iterator[Path]:
    """Where the count may stand: control groups, version 2 then 1, then the whole machine.

    See the kernel's admin-guide/cgroup-v2.rst (memory.events) and cgroup-v1/memory.rst.
    """
    root = Path("/sys/fs/cgroup")
    try:
        groups = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in groups:
        _, controllers, path = line.split(":", 2)
        for place in (path.lstrip("/"), ""):
            if controllers == "":
                yield root / place / "memory.events"
            elif controllers == "memory":
                yield root / "memory" / place / "memory.oom_control"
    yield Path("/proc/vmstat")
