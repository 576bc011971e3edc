"""What the pool needs of the operating system: a clock, processes, and the count of kills.

Owns how the keeper's process is started. Never knows what a worker does.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from pipeline.pool import deaths

_QUIET = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONWARNINGS": "ignore",
    "PYTHONSAFEPATH": "1",
}
"""What keeps libraries from the network, from talking where the runner shows its progress, and
modules of the folder that we were started in (an inbox may be somebody else's) from being run."""


class Machine(Protocol):
    """The system below the pool."""

    def clock(self) -> float:
        """CLOCK_MONOTONIC in seconds."""

    def start_keeper(self, flags: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a keeper with these flags; it dies with the thread that calls this."""

    def kill(self, pid: int) -> None:
        """Kill a process, if it is still there."""

    def memory_kills(self) -> int:
        """How often the kernel has killed for memory; only its growth means anything."""


class RealMachine:
    """The one that we run on."""

    def clock(self) -> float:
        return time.monotonic()

    def start_keeper(self, flags: Sequence[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline.render.keeper", *flags],
            # A group of its own: Ctrl-C is for the runner, which decides what becomes of them.
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            env=os.environ | _QUIET | {"PYTHONPATH": _search_path()},
        )

    def kill(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def memory_kills(self) -> int:
        return deaths.memory_kills()


REAL: Final = RealMachine()


def _search_path() -> str:
    """Where the keeper finds this very program, installed or not."""
    here = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
