"""Whose turn it is to denoise, where only so many workers may at once; the others encode words,
decode, pack and write meanwhile.

A place is a file that a worker has locked (flock(2)), so that one that is killed lets go of it.
Owns the places. Nobody stands in line: whoever asks when one is free has it.
"""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

AGAIN = 0.005
"""Seconds between two tries."""


class Turn:
    """One process's turn among those that have the same `folder`; of `places` 0 everybody has one.

    Raises OSError if the folder takes no files.
    """

    def __init__(self, folder: Path, places: int) -> None:
        # Opened by each for itself: a lock belongs to the opening.
        self._places = [
            os.open(folder / f"turn-{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            for number in range(places)
        ]
        self._held: int | None = None

    @property
    def limited(self) -> bool:
        """Whether there may be none."""
        return bool(self._places)

    def take(self, wait: Callable[[], None]) -> None:
        """Have it from now on; `wait` is called before each try but the first, and what it raises
        comes out of here."""
        if self._held is not None or not self._places:
            return
        while not self._try():
            wait()
            time.sleep(AGAIN)

    def leave(self) -> None:
        """Have it no longer."""
        if self._held is not None:
            fcntl.flock(self._held, fcntl.LOCK_UN)
            self._held = None

    def _try(self) -> bool:
        for place in self._places:
            try:
                fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            self._held = place
            return True
        return False
