"""What the head does with files while the loop goes on: inputs are read, pictures put in place.

Owns the threads for that. A picture that came is compared with its sha256 and placed just as a
worker of this machine would. Never speaks to a station, and never decides anything.
"""

import errno
import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from pipeline.cluster import words as w
from pipeline.cluster.needs import pictures_of, weights_of
from pipeline.core.observed import Failed, Painted
from pipeline.core.resolved import Task
from pipeline.errors import AnimeError
from pipeline.inscription import is_ours
from pipeline.model import Told
from pipeline.pictures import place

THREADS = 4
"""A flush waits for the disk, and pictures of several nodes may come at once."""
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}

Landed = Painted | Failed


class Desk:
    """`told` has the files that the settings name; `wake` is called from another thread."""

    def __init__(self, root: Path, told: Told, wake: Callable[[], None]) -> None:
        self._root, self._told, self._wake = root, told, wake
        self._threads = ThreadPoolExecutor(THREADS, "desk")
        self._landed: deque[Landed] = deque()

    def landed(self) -> Iterator[Landed]:
        """The pictures that were put in place, or could not be, since the last time."""
        while self._landed:
            yield self._landed.popleft()

    def pack(self, number: int, worker: str, task: Task, then: Callable[[w.Draw], None]) -> None:
        """Read what a picture is drawn from; then the order to draw it is given to `then`, in
        another thread."""

        def work() -> None:
            then(
                w.Draw(
                    number=number, worker=worker, task=task,
                    weights=weights_of(task, self._root, self._told),
                    pictures=pictures_of(task, self._root),
                )
            )  # fmt: skip

        if task.resolved.pictures:
            self._threads.submit(work)
        else:
            work()  # It opens nothing.

    def land(self, worker: str, task: Task, drawn: w.Drawn) -> None:
        """Put a picture in place; what became of it is told by `landed`."""

        def work() -> Landed:
            return self._place(worker, task, drawn)

        def done(future: Future[Landed]) -> None:
            self._landed.append(future.result())
            self._wake()

        self._threads.submit(work).add_done_callback(done)

    def close(self) -> None:
        """Return when all that came is in place."""
        self._threads.shutdown()

    def _place(self, worker: str, task: Task, drawn: w.Drawn) -> Landed:
        if hashlib.sha256(drawn.data).hexdigest() != drawn.sha256:
            error = f"what {worker} sent is not the picture that it drew; draw it again"
            return Failed(worker=worker, task=task, kind="error", error=error)
        try:
            placed = place(self._root, task, drawn.data, lambda path: is_ours(path, task))
        except Exception as error:
            full = isinstance(error, OSError) and error.errno in _NO_ROOM
            said = str(error) if isinstance(error, AnimeError) else repr(error)
            return Failed(
                worker=worker, task=task, kind="disk_full" if full else "error",
                error=f"{type(error).__name__}: {said}",
            )  # fmt: skip
        return Painted(
            worker=worker, task=task, file=placed.file, sha256=placed.sha256,
            seconds=drawn.seconds, shelved=placed.shelved, made=drawn.made,
        )  # fmt: skip
