"""Where workers are born: a process that has all their imports and does nothing else.

Owns that process and the births and deaths in it. A worker forked from it need not import torch
and diffusers, which takes seconds, and shares with the others the memory that they take. It is
forked off before there is a second thread, a model or a context of
CUDA, none of which a fork survives. Only for Linux: elsewhere, and where the settings ask for it,
workers are spawned.
"""

import multiprocessing
import multiprocessing.connection
import os
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from typing import TYPE_CHECKING

from pipeline.render.birth import Outfit, begin

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

Life = Callable[[Outfit, Connection], None]
"""What a worker does from its first moment, with its line to the keeper; it never returns."""


class NurseryGone(Exception):
    """The process is dead, and all workers with it."""


class Forked:
    """A worker as the keeper sees it; of `multiprocessing.Process` what it needs."""

    def __init__(self, pid: int, told: Connection) -> None:
        self.pid = pid
        self.exitcode: int | None = None
        self._told = told

    @property
    def sentinel(self) -> int:
        """Readable once the worker is dead."""
        return self._told.fileno()

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._send(signal.SIGKILL)

    def join(self) -> None:
        """Wait until it is dead; its exit code is known then, as `multiprocessing` has it.

        Raises:
            NurseryGone: nobody can say any more what it died of.
        """
        if self.exitcode is None:
            self.exitcode = _hear(self._told)

    def close(self) -> None:
        """Let go of it."""
        self._told.close()

    def _send(self, number: int) -> None:
        # One whose death was told has a number that may be another's by now.
        if self.exitcode is None and not self._told.poll():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Nursery:
    """The keeper's end of it."""

    def __init__(self, life: Life, apart: Callable[[], None]) -> None:
        """Fork it off; `apart` is called in it, to let go of what is the keeper's alone."""
        self._line, theirs = multiprocessing.Pipe()

        keeper = os.getpid()
        # Not by multiprocessing, which at its end would wait for the end of this one.
        if os.fork() == 0:
            try:
                begin(keeper, "anime-nursery")
                self._line.close()
                apart()
                _serve(theirs, life)
            except Exception:
                traceback.print_exc()
            os._exit(1)
        theirs.close()

    def start(self, outfit: Outfit, line: Connection) -> Forked:
        """Have a worker born, with the other end of its line to us.

        Raises:
            OSError: the system gives no process.
            NurseryGone: this one is dead.
        """
        told, tells = multiprocessing.Pipe(duplex=False)
        try:
            with tells:
                self._line.send(outfit)
                for end in (line, tells):
                    send_handle(self._line, end.fileno(), None)
            return Forked(_hear(told), told)
        except BrokenPipeError:
            raise NurseryGone from None
        except OSError:
            told.close()
            raise


def _hear(told: Connection) -> int:
    try:
        said = told.recv()
    except (EOFError, ConnectionError):
        raise NurseryGone from None
    if isinstance(said, OSError):
        raise said
    return int(said)


def _serve(line: Connection, life: Life) -> None:
    """Life of the nursery: until the keeper ends."""
    children: dict[int, tuple[BaseProcess, Connection]] = {}
    while True:
        for ready in multiprocessing.connection.wait([line, *children]):
            if isinstance(ready, int):
                _bury(*children.pop(ready))
                continue
            try:
                outfit = line.recv()
                ours, tells = (Connection(recv_handle(line)) for _ in range(2))
            except (EOFError, ConnectionError):
                os._exit(0)
            strange = [line, tells, *(other for _, other in children.values())]
            with ours:
                try:
                    process = _bear(outfit, ours, life, strange)
                except OSError as error:
                    tells.send(error)
                    tells.close()
                    continue
            children[process.sentinel] = process, tells
            _say(tells, process.pid or 0)


def _bear(outfit: Outfit, line: Connection, life: Life, strange: list[Connection]) -> "BaseProcess":
    """Fork a worker, which lets go of what is `strange` to it."""
    nursery = os.getpid()

    def live() -> None:
        begin(nursery, f"anime-{outfit.name}")
        for end in strange:
            end.close()
        life(outfit, line)

    process = multiprocessing.get_context("fork").Process(target=live, name=outfit.name)
    process.start()
    return process


def _bury(process: "BaseProcess", tells: Connection) -> None:
    process.join()
    _say(tells, process.exitcode or 0)
    tells.close()
    process.close()


def _say(tells: Connection, number: int) -> None:
    with suppress(BrokenPipeError):  # The keeper wants to know no more.
        tells.send(number)
