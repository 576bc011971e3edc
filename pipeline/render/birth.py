"""The first moments of a process of ours: it must not outlive the one that started it.

Torch-free, since importing torch takes seconds in which that one may die. Linux kills a process
with its parent (prctl(2), PR_SET_PDEATHSIG); elsewhere the streams that it watches end.
"""

import ctypes
import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from msgspec import Struct
from tqdm import tqdm

from pipeline.model import NOTHING_TOLD, Told

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15


class Outfit(Struct, frozen=True, kw_only=True):
    """What a worker is started with; `threads` counts for the CPU only, and a preview is made every
    `previews` steps, 0 is never."""

    name: str
    keeper: int
    """The keeper's pid."""
    address: str
    """Path of the runner's socket."""
    device: str
    threads: int
    previews: int = 0
    batch: int = 1
    """How many pictures it draws at once, at most."""
    denoising: int = 0
    """How many workers denoise at once; 0 is all."""
    several: bool = False
    """Whether there is more than one model; else any picture is drawn with the one there is."""
    told: Told = NOTHING_TOLD
    """What shows reference pictures to the models."""


def enter(outfit: Outfit, keeper: Connection) -> None:
    """Where a worker process begins that was spawned; `keeper` is its own line to the keeper."""
    begin(outfit.keeper, f"anime-{outfit.name}")
    with growing():
        from pipeline.render import worker

    worker.main(outfit, keeper)


@contextmanager
def growing() -> Iterator[None]:
    """For imports that take seconds: of what they make nothing is garbage, and to look for some is
    a fifth of their time. What is there at the end is never looked at again."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def begin(parent: int, name: str) -> None:
    """Have this process killed when `parent`, a pid, dies; ends at once if it already has.

    On Linux `ps` and `top` call it by its `name`, of which they show 15 letters. Ctrl-C is for the
    runner, which decides what becomes of us.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        system = ctypes.CDLL(None, use_errno=True)
        system.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        system.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)
    # The lock that a progress bar makes to share with other processes is a file in /dev/shm, which
    # a killed one leaves there; nobody shares bars with us.
    tqdm.set_lock(threading.RLock())
