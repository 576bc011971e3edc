"""What systemd is told of a run: that it is ready, what it does, that it lives, that it stops.

Owns the words of sd_notify(3) and when they are said. An Audience of the runner; silent where no
service manager asked to be told. Never fails a run: a word that cannot be sent is lost.
"""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

from pipeline.core.events import Event
from pipeline.core.observed import Live, Stepped, WorkerLive
from pipeline.core.pending import queue
from pipeline.core.state import State
from pipeline.journal import Line
from pipeline.telling import clean, counted

SHORTEST = 1.0
"""Seconds between two lines of status that differ in nothing but progress."""


class Notifier:
    """Tells the service manager at an address; made by `notifier`."""

    def __init__(self, address: str, state: State, *, every: float | None) -> None:
        """`state` is the runner's own, read between its steps; `every` is how many seconds may pass
        between two signs of life, None if nobody waits for them."""
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)
        self._state, self._every = state, every
        self._live = Live()
        self._ready = self._stopping = False
        self._said, self._said_at, self._lived_at = "", 0.0, -1e9

    def recorded(self, line: Line, event: Event) -> None:
        """The status follows at the end of the turn."""

    def ticked(self, tick: Stepped) -> None:
        """The same."""

    def changed(self, live: Live) -> None:
        self._live = live
        if (live.model_preloaded or live.unloaded) and not self._ready:
            self._ready = True
            self._send("READY=1")
        if live.draining and not self._stopping:
            self._stopping = True
            self._send("STOPPING=1")

    def turned(self, now: float, workers: tuple[WorkerLive, ...]) -> None:
        """The loop has turned once more; `now` is monotonic seconds."""
        if self._every is not None and now - self._lived_at >= self._every:
            self._lived_at = now
            self._send("WATCHDOG=1")
        if now - self._said_at >= SHORTEST:
            said = _status(self._state, self._live, workers)
            if said != self._said:
                self._said, self._said_at = said, now
                self._send(f"STATUS={said}")

    def close(self) -> None:
        """Say nothing more."""
        self._socket.close()

    def _send(self, word: str) -> None:
        with suppress(OSError):
            self._socket.sendto(word.encode(), self._address)


def notifier(environment: Mapping[str, str], state: State) -> Notifier | None:
    """Whoever tells the service manager that started this process, if there is one.

    Signs of life are given three times as often as they are waited for.
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return None
    every = None
    if environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid()):
        with suppress(KeyError, ValueError):
            every = int(environment["WATCHDOG_USEC"]) / 3e6
    return Notifier(address, state, every=every)


def _status(state: State, live: Live, workers: tuple[WorkerLive, ...]) -> str:
    """One line: what is wrong, else what is drawn, and what is left."""
    if live.inbox_lost is not None:
        return f"the inbox is lost: {clean(live.inbox_lost)}"
    if live.journal_failed is not None:
        return f"the journal cannot be written: {clean(live.journal_failed)}"
    drawn = [w for w in workers if w.task is not None]
    said = [f"{clean(w.task.job)} {w.step}/{w.steps}" for w in drawn if w.task is not None]
    if live.unloaded:
        said.insert(0, "the model is unloaded")
    elif not live.model_preloaded:
        said.insert(0, "loading the model")
    if state.paused is not None:
        said.insert(0, f"paused: {clean(state.paused)}")
    waiting = len(queue(state)) - len({w.task.job for w in drawn if w.task is not None})
    left = f"{counted(max(0, waiting), 'job')} queued, {counted(state.finished, 'picture')} drawn"
    return "; ".join([", ".join(said) or "idle", left])
