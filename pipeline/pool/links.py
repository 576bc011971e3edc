"""The runner's ends of the sockets that keeper and workers speak on.

Owns the socket in its private folder and the one thread that reads. What it hears it hands over in
order; it never decides anything. Torch-free.
"""

import contextlib
import os
import re
import selectors
import shutil
import socket
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from pipeline.alive import alive
from pipeline.pool import memory
from pipeline.wire import Died, Message, pack, unpack

_FOLDER = re.compile(r"^anime-(\d+)-\w+$")
_LONGEST = 100
"""A Unix socket's path may have 107 bytes (unix(7))."""
_AFTERMATH = 0.5
"""So many seconds after a death the owner is woken every `_BEAT`, to see what is still to come."""
_BEAT = 0.05
_PATIENCE = 5.0
"""A process that takes no frame for so many seconds is taken for dead."""


class Link:
    """One process's stream."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self.buffer = bytearray()

    def send(self, message: Message) -> bool:
        """Say something; false if the other end is gone or does not listen."""
        try:
            self._stream.sendall(pack(message))
        except OSError:
            self.drop()
            return False
        return True

    def drop(self) -> None:
        """End the stream; its end is heard like any other."""
        with contextlib.suppress(OSError):
            self._stream.shutdown(socket.SHUT_RDWR)


Heard = tuple[Link, Message | None]
"""What came on which link; None is the end of the stream."""


class Links:
    """Accepts connections and reads them until closed."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._heard: deque[Heard] = deque()
        self._nudge_until = 0.0
        self.failed: str | None = None
        """Why nothing is heard any more."""
        self.folder = _private_folder()
        self.address = str(self.folder / "pool")
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._door.bind(self.address)
        self._door.listen(64)
        self._bell, self._ring = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._door, selectors.EVENT_READ)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="links", daemon=True)
        self._thread.start()

    def heard(self) -> Iterator[Heard]:
        """What was heard since the last time, in order; never waits."""
        while self._heard:
            yield self._heard.popleft()

    def close(self) -> None:
        """End every stream, remove the socket and its folder."""
        self._ring.send(b"!")
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._selector.close()
        self._ring.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self) -> None:
        try:
            self._listen()
        except Exception as error:  # A thread that only ended would leave its owner waiting.
            self.failed = f"{type(error).__name__}: {error}"

    def _listen(self) -> None:
        """Until the bell rings and all that was said before is heard."""
        while True:
            nudging = time.monotonic() < self._nudge_until
            ready = [key for key, _ in self._selector.select(_BEAT if nudging else None)]
            rung = any(key.fileobj is self._bell for key in ready)
            talk = [self._attend(key) for key in ready if key.fileobj is not self._bell]
            self._wake()
            if rung and not any(talk):
                return

    def _attend(self, key: selectors.SelectorKey) -> bool:
        """Accept or read; whether there was anything to it."""
        if key.fileobj is self._door:
            return self._accept()
        assert isinstance(key.fileobj, socket.socket)
        self._read(key.fileobj, key.data)
        return True

    def _accept(self) -> bool:
        try:
            stream, _ = self._door.accept()
        except OSError:
            # Too many open files, most likely: whoever knocks stays at the door until some close.
            time.sleep(_BEAT)
            return False
        stream.settimeout(_PATIENCE)
        self._selector.register(stream, selectors.EVENT_READ, Link(stream))
        return True

    def _read(self, stream: socket.socket, link: Link) -> None:
        try:
            data = stream.recv(65536)
            link.buffer += data
            messages = unpack(link.buffer)
        except (OSError, ValueError, msgspec.MsgspecError):
            data, messages = b"", []
        for message in messages:
            self._heard.append((link, message))
        ended = not data
        if ended:
            self._heard.append((link, None))
            self._selector.unregister(stream)
            stream.close()
        if ended or any(isinstance(message, Died) for message in messages):
            self._nudge_until = time.monotonic() + _AFTERMATH


def sweep() -> None:
    """Remove the folders that runners now dead have left, and what their keepers shared."""
    for base in _bases():
        for folder in base.glob("anime-*"):
            match = _FOLDER.match(folder.name)
            # Another runner may be sweeping at this moment, too.
            with contextlib.suppress(OSError):
                if match and not alive(int(match[1])) and folder.lstat().st_uid == os.getuid():
                    for keeper in memory.noted(folder):
                        memory.sweep(keeper)
                    shutil.rmtree(folder, ignore_errors=True)


def _private_folder() -> Path:
    """A folder of our own, 0700, whose name says whose it is; an inbox's path may be too long."""
    sweep()
    for base in _bases():
        folder = tempfile.mkdtemp(prefix=f"anime-{os.getpid()}-", dir=base)
        if len(os.fsencode(folder)) < _LONGEST:
            return Path(folder)
        os.rmdir(folder)
    raise OSError("no folder for temporary files has a path short enough for a socket")


def _bases() -> list[Path]:
    # The last where the others' names are too long; what is made there is private, too.
    named = [os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp"]  # noqa: S108
    return [Path(name) for name in named if name and os.access(name, os.W_OK | os.X_OK)]
