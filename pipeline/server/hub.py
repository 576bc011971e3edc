"""Who listens, and what each has still to be sent: facts in order, ticks only the latest.

Owns the frames of the stream (encoded once, for everybody), a bounded queue a listener, and when
they are woken: at once where it was quiet, else all together. A listener too slow for the facts is
let go; it comes back and names the last one it has. Lives in one event loop. Never reads the
journal: what it no longer remembers is `pipeline.server.stream`'s.
"""

import asyncio
from collections import deque
from itertools import islice

from pipeline.journal import Line
from pipeline.server.topics import ALL, EVERYBODY, Topic, Wants

RECENT = 4096
"""How many frames of facts are remembered for those who come back."""
MOST = 1000
"""How many facts a listener may be behind before it is let go."""
GATHER = 0.02
"""Seconds from one waking to the next: each write to a socket costs more than what is written."""


def frame(event: str, data: bytes, seq: int | None = None) -> bytes:
    """One server-sent event; `data` is a single line, `seq` becomes its id.

    The format is that of the HTML standard, section "Server-sent events".
    """
    head = b"" if seq is None else b"id: %d\n" % seq
    return head + b"event: %s\ndata: %s\n\n" % (event.encode(), data)


def fact(line: Line) -> bytes:
    """The frame of a journal line: the line as it stands there, and its seq as id."""
    return frame("fact", line.raw, line.seq)


class Listener:
    """One open stream: what is to be sent to it. `late` is whether it was let go because it did not
    take the facts fast enough."""

    def __init__(self, most: int, wants: Wants = ALL) -> None:
        self.wants = wants
        self.late = False
        self._facts: deque[bytes] = deque()
        self._latest: dict[str, bytes] = {}
        self._most = most
        self._wake = asyncio.Event()
        self._over = False

    def fact(self, frame: bytes) -> None:
        """Queue a fact; one too many ends the stream."""
        if self._over:
            return
        if len(self._facts) >= self._most:
            self.late = True
            self.end()
        else:
            self._facts.append(frame)

    def say(self, about: str, frame: bytes) -> None:
        """Queue something that makes what was said about the same before needless."""
        if self._over:
            return
        self._latest.pop(about, None)
        self._latest[about] = frame

    def wake(self) -> None:
        """Let it read what is queued."""
        if self._facts or self._latest:
            self._wake.set()

    def end(self) -> None:
        """Send nothing more, not even what is queued: its id was not seen, so it is not lost."""
        self._over = True
        self._facts.clear()
        self._latest.clear()
        self._wake.set()

    async def read(self) -> bytes | None:
        """All frames that were queued when it was woken; None once the stream is over."""
        await self._wake.wait()
        if self._over:
            return None
        self._wake.clear()
        frames = b"".join((*self._facts, *self._latest.values()))
        self._facts.clear()
        self._latest.clear()
        return frames


class Hub:
    """Everybody who listens. `seq` is the last fact that was told."""

    def __init__(self, seq: int, *, recent: int = RECENT, most: int = MOST) -> None:
        self.seq = seq
        self._recent: deque[tuple[bytes, Topic]] = deque(maxlen=recent)
        self._most = most
        self._listeners: set[Listener] = set()
        self._woken = -GATHER
        self._waking: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def heard(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def join(self, wants: Wants = ALL) -> Listener:
        """A new listener, who is told of everything that it wants from now on."""
        listener = Listener(self._most, wants)
        if self._closed:
            listener.end()
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """It listens no more."""
        self._listeners.discard(listener)

    def fact(self, line: Line, topic: Topic = EVERYBODY) -> None:
        """Tell everybody who wants it of a recorded fact."""
        if line.seq <= self.seq:
            return
        self.seq = line.seq
        ready = fact(line)
        self._recent.append((ready, topic))
        for listener in self._listeners:
            if listener.wants.takes(topic):
                listener.fact(ready)
        self._wake()

    def say(self, about: str, frame: bytes, topic: Topic = EVERYBODY) -> None:
        """Tell everybody who wants it of something that lasts only until the next word about the
        same."""
        for listener in self._listeners:
            if listener.wants.takes(topic):
                listener.say(about, frame)
        self._wake()

    def since(self, after: int, wants: Wants = ALL) -> list[bytes] | None:
        """The facts behind seq `after` that are wanted, or None where that is longer ago than is
        remembered."""
        missed = self.seq - after
        if missed > len(self._recent):
            return None
        told = islice(self._recent, len(self._recent) - missed, None)
        return [ready for ready, topic in told if wants.takes(topic)]

    def close(self) -> None:
        """End every stream, and those that are still to come."""
        self._closed = True
        for listener in self._listeners:
            listener.end()

    def _wake(self) -> None:
        if self._waking is not None or not self._listeners:
            return
        loop = asyncio.get_running_loop()
        due = self._woken + GATHER
        if loop.time() < due:
            self._waking = loop.call_at(due, self._wake_all)
        else:
            self._wake_all()

    def _wake_all(self) -> None:
        self._waking, self._woken = None, asyncio.get_running_loop().time()
        for listener in self._listeners:
            listener.wake()
