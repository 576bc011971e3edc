"""What the system lets this process have.

Owns the limit of open files, and how cores are shared out. Never lifts what an administrator has
set (the hard limit).
"""

import contextlib
import os
import resource


def allow_open_files() -> None:
    """Let this process, and those it starts, have as many files open as they may.

    The soft limit is often 1024 for the sake of select(2), which nothing here uses; many watched
    folders and open pages need more. Where the system says no, it stays as it is.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def threads_each(workers: int) -> int:
    """CPU threads for each of so many workers: the cores that this process may use, shared out."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, cores // workers)
