"""How much memory there is, and which models fit into it together.

Owns the reckoning only; who asks decides. Never imports torch, so that of a GPU it knows what it is
told. A model alone always counts as fitting: whether it does, loading it shows.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

SHARE = 2
"""Several models together take at most one part in so many of what is free before the first is
loaded: the rest is for drawing."""
CPU_BYTES, GPU_BYTES = 4, 2
"""Of one weight: single precision on the CPU, half on a GPU."""
GROUP = Path("/sys/fs/cgroup")


class Room(Struct, frozen=True, kw_only=True):
    """`weights` has how many each model has, by its sha256; `most` is how many models may be held
    at once, 0 for as many as fit; `free` are the bytes free on the device, where each weight takes
    `each` bytes. What is not known counts as none."""

    weights: Mapping[str, int]
    most: int = 0
    free: int = 0
    each: int = CPU_BYTES

    def fits(self, models: tuple[str, ...]) -> bool:
        """Whether these may be held together."""
        if len(models) <= 1:
            return True
        if self.most:
            return len(models) <= self.most
        return SHARE * self.each * sum(self.weights.get(one, 0) for one in models) <= self.free


NOTHING_KNOWN: Final = Room(weights={})


def has_gpu() -> bool:
    """Whether there seems to be a GPU that torch may find, by the devices that drivers make."""
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/kfd").exists()


def free_memory(group: Path = GROUP) -> int:
    """Bytes that are free for us: of the machine, and of our control `group`; 0 if nothing says so.

    Sources: proc(5), and the kernel's admin-guide/cgroup-v2.rst for memory.max and memory.current.
    """
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found = next(line for line in lines if line.startswith("MemAvailable:"))
        free = int(found.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        return 0
    try:
        most, used = ((group / f"memory.{name}").read_text() for name in ("max", "current"))
        return max(0, min(free, int(most) - int(used)))
    except (OSError, ValueError):
        return free  # No group, or one without a limit, which says "max".
