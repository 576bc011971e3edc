"""What must not grow while the program runs on: memory and open descriptors.

Owns the samples. The first tenth is compared with the last, so that what a start needs once does
not count; processes that have only just begun are passed over.
"""

import os
import statistics
from collections.abc import Iterable
from pathlib import Path

_SETTLED = 30.0
"""Seconds after which a process has what it needs."""
_MEMORY = 48 * 2**20
"""Bytes by which the middle of the samples may differ: allocators do not give all back at once."""
_DESCRIPTORS = 12


class Meter:
    """Samples of a kind of process: resident bytes and open descriptors, over time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._since: dict[int, float] = {}
        self._memory: list[int] = []
        self._descriptors: list[int] = []

    def sample(self, pids: Iterable[int], now: float) -> None:
        """Look at these processes; `now` is monotonic seconds."""
        for pid in pids:
            if now - self._since.setdefault(pid, now) < _SETTLED:
                continue
            try:
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                opened = len(os.listdir(f"/proc/{pid}/fd"))
            except (OSError, IndexError):
                continue
            self._memory.append(pages * os.sysconf("SC_PAGE_SIZE"))
            self._descriptors.append(opened)

    def grows(self) -> list[str]:
        """What has grown by more than it may."""
        found = []
        for what, samples, most in (
            ("memory", self._memory, _MEMORY),
            ("descriptors", self._descriptors, _DESCRIPTORS),
        ):
            first, last = _tenths(samples)
            if last - first > most:
                found.append(f"{what} of the {self.name} grows: {first:.0f} to {last:.0f}")
        return found

    def row(self) -> str:
        """First and last tenth, in words."""
        memory = " to ".join(f"{value / 2**20:.0f}" for value in _tenths(self._memory))
        opened = " to ".join(f"{value:.0f}" for value in _tenths(self._descriptors))
        return f"{self.name:8} {memory} MiB resident, {opened} descriptors"


def _tenths(samples: list[int]) -> tuple[float, float]:
    tenth = max(1, len(samples) // 10)
    if not samples:
        return 0.0, 0.0
    return statistics.median(samples[:tenth]), statistics.median(samples[-tenth:])
