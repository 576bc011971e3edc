"""What the operating system says has happened in the inbox. Hints only: late, doubled or missing.

Owns the observer and its threads, and the event that ends a wait. Never looks into a file; what is
true is found by looking (`pipeline.inbox.watch`).
"""

import logging
import os
import platform
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver
from watchdog.observers.polling import PollingObserver

from pipeline.inbox.files import is_hidden, is_read

logger = logging.getLogger(__name__)

POLL_INTERVAL = 1.0
MOST_HINTS = 5_000
"""Paths kept; beyond it a look at everything costs less than a list of what to look at."""

_EVENTS: list[type[FileSystemEvent]] = [
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
]


class Hinted(Struct, kw_only=True):
    """Raw paths to look at: `closed` are complete, `touched` may be half written or gone,
    `folders` are to be looked through. `everything` and `root_gone` say that hints were lost."""

    closed: set[str] = set()
    touched: set[str] = set()
    folders: set[str] = set()
    everything: bool = False
    root_gone: bool = False

    def merge(self, other: "Hinted") -> None:
        """Adds what `other` says."""
        self.everything |= other.everything
        self.root_gone |= other.root_gone
        self.closed |= other.closed
        self.touched |= other.touched
        self.folders |= other.folders
        if len(self.closed) + len(self.touched) + len(self.folders) > MOST_HINTS:
            self.everything = True
            self.closed, self.touched, self.folders = set(), set(), set()


class Hints(FileSystemEventHandler):
    """Collects hints from `start` to `stop`; both may be called again. Thread-safe."""

    def __init__(
        self, root: Path, *, polling: bool, also: Callable[[str], bool] = lambda _: False
    ) -> None:
        """`also` says, in any thread, of which names hints are wanted beside those that an inbox
        reads anyway."""
        self._also = also
        self._root, self._polling = root, polling
        self._lock = threading.Lock()
        self._hinted = Hinted()
        self._wake = threading.Event()
        self._observer: BaseObserver | None = None
        self._overflow = _OverflowHandler(self)
        self.polled = polling

    def start(self) -> None:
        """Begins to watch; falls back to polling where the system has no watches left. Raises
        OSError if the inbox is not there."""
        # A folder made while its parent is being looked through is added twice, and watchdog warns
        # of that; it is harmless, but where warnings are errors it would end watchdog's thread.
        warnings.filterwarnings("ignore", "Callback with id .* already exists", RuntimeWarning)
        observer = None if self._polling else self._watching()
        self.polled = observer is None
        if observer is None:
            observer = PollingObserver(timeout=POLL_INTERVAL)
            observer.schedule(self, str(self._root), recursive=True, event_filter=_EVENTS)
            observer.start()
        self._observer = observer
        logging.getLogger(_OVERFLOW_LOGGER).addHandler(self._overflow)

    def stop(self) -> None:
        """Ends watching and its threads."""
        logging.getLogger(_OVERFLOW_LOGGER).removeHandler(self._overflow)
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join()

    @property
    def works(self) -> bool:
        """Whether the observer's threads live; one that met an error is gone without a word."""
        observer = self._observer
        return (
            observer is not None
            and observer.is_alive()
            and all(emitter.is_alive() for emitter in observer.emitters)
        )

    @property
    def waiting(self) -> bool:
        """Whether there are hints that nobody took."""
        with self._lock:
            return self._hinted != Hinted()

    def take(self) -> Hinted:
        """What was hinted since the last call; a wait that follows waits for something new."""
        with self._lock:
            self._wake.clear()
            taken, self._hinted = self._hinted, Hinted()
        return taken

    def wait(self, timeout: float) -> bool:
        """Blocks until a hint, `wake` or `timeout` seconds; whether it was not the timeout."""
        return self._wake.wait(max(timeout, 0.0))

    def wake(self) -> None:
        """Ends a wait, now or the next; from any thread."""
        self._wake.set()

    def lose(self) -> None:
        """Hints were lost: everything must be looked at."""
        self._add(Hinted(everything=True))

    def dispatch(self, event: FileSystemEvent) -> None:
        """Called by the observer's thread."""
        source, target = self._raw(event.src_path), self._raw(event.dest_path)
        match event:
            case FileClosedEvent():
                hinted = Hinted(closed=self._read(source))
            case FileMovedEvent():
                hinted = Hinted(closed=self._read(target), touched=self._read(source))
            case DirMovedEvent():
                hinted = Hinted(folders=_folders(source, target))
            case DirDeletedEvent() if source == "":
                hinted = Hinted(root_gone=True)
            case DirCreatedEvent() | DirDeletedEvent():
                hinted = Hinted(folders=_folders(source))
            case _:
                hinted = Hinted(touched=self._read(source))
        self._add(hinted)

    def _add(self, hinted: Hinted) -> None:
        if hinted == Hinted():
            return
        with self._lock:
            self._hinted.merge(hinted)
            self._wake.set()

    def _raw(self, path: bytes | str) -> str | None:
        """Relative to the inbox; None for what is outside, hidden or not named."""
        if not path:
            return None
        raw = os.path.relpath(os.fsdecode(path), self._root).replace(os.sep, "/")
        return "" if raw == "." else None if is_hidden(raw) else raw

    def _read(self, raw: str | None) -> set[str]:
        return {raw} if raw is not None and (is_read(raw) or self._also(raw)) else set()

    def _watching(self) -> BaseObserver | None:
        observer = _new_observer()
        try:
            observer.schedule(self, str(self._root), recursive=True, event_filter=_EVENTS)
            observer.start()
        except FileNotFoundError:
            observer.stop()
            raise
        except OSError as error:
            observer.stop()
            logger.warning("no watch on %s (%s): polling every second", self._root, error)
            return None
        return observer


def _new_observer() -> BaseObserver:
    """On Linux one that tells a file moved in (complete) from one created (perhaps not)."""
    if platform.system() == "Linux":
        from watchdog.observers.inotify import InotifyObserver

        return InotifyObserver(generate_full_events=True)
    return Observer()


_OVERFLOW_LOGGER = "watchdog.observers.inotify_c"


class _OverflowHandler(logging.Handler):
    """Of an overflow of the kernel's queue watchdog tells nobody but its log."""

    def __init__(self, hints: Hints) -> None:
        super().__init__(logging.WARNING)
        self._hints = hints

    def emit(self, record: logging.LogRecord) -> None:
        if "overflow" in record.msg:
            self._hints.lose()


def _folders(*raws: str | None) -> set[str]:
    return {raw for raw in raws if raw is not None}
