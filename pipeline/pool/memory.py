"""Shared memory that a killed keeper leaves: torch names what it shares of a GPU by its own pid.

Owns the names `torch_PID_…` in /dev/shm of keepers that are dead, and a note of which keepers there
were, so that the next run finds those of a runner that was killed too. On the CPU there are none.
"""

import contextlib
import os
from pathlib import Path
from typing import Final

from pipeline.alive import alive

SHARED: Final = Path("/dev/shm")  # noqa: S108 - torch's choice; nothing is made there
_KEEPERS = "keepers"


def note(folder: Path, keeper: int) -> None:
    """Remember in a runner's private folder that this keeper was its own."""
    with (folder / _KEEPERS).open("a") as stream:
        stream.write(f"{keeper}\n")


def noted(folder: Path) -> list[int]:
    """The keepers that a runner had; none if it says nothing of them."""
    try:
        words = (folder / _KEEPERS).read_text().split()
    except (OSError, UnicodeDecodeError):
        return []
    return [int(word) for word in words if word.isdecimal()]


def sweep(keeper: int, shared: Path = SHARED) -> None:
    """Remove what a keeper of ours has left, unless a process of its pid lives."""
    if alive(keeper):
        return
    for path in shared.glob(f"torch_{keeper}_*"):
        with contextlib.suppress(OSError):
            if path.lstat().st_uid == os.getuid():
                path.unlink()
