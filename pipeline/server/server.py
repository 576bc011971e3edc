"""The server: a thread that serves the page, told by the runner what happens.

Owns the socket, the thread and the way between the two: what the runner's thread says is handed
to the event loop and folded there, so nothing is shared and the runner never waits.
"""

import asyncio
import errno
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import ClassVar, ParamSpec

import msgspec
import uvicorn
from starlette.applications import Starlette

from pipeline.core.events import Event
from pipeline.core.observed import Live, Stepped
from pipeline.core.state import State
from pipeline.errors import AnimeError
from pipeline.journal import Line
from pipeline.server.app import PING, Endpoints, application
from pipeline.server.board import SHOWN, Board
from pipeline.server.door import door
from pipeline.server.earlier import PATIENCE
from pipeline.server.guard import Guard, names
from pipeline.server.hub import Hub, frame
from pipeline.server.moment import Moment
from pipeline.server.topics import of_job, topic

_P = ParamSpec("_P")
_GRACE = 1
"""Seconds that an answer in the making may take once the server stops."""
_LARGEST_MESSAGE = 1024
"""Bytes of what a follower may say over a WebSocket; it means nothing."""
_MOST_AT_ONCE = 1024
"""Open connections, beyond which the next ones are told to come back."""
_COUNTED = 0.01
"""Seconds that are spent at a time on seeing which jobs of a long history are stale."""
_BETWEEN = 0.05
"""Seconds from one such time to the next, in which others have their turn."""
_TOLD = 2.0
"""Seconds between two words on how many there are, at least, as long as not all have been seen."""

_encoder = msgspec.json.Encoder()


class CannotListen(AnimeError):
    """The address for the page cannot be had."""

    exit_code: ClassVar[int] = 3


class Server:
    """The page of one run; an Audience of its runner.

    `state` is this server's own, folded from the same journal up to now. `port` 0 takes a free
    one. `token` is asked of everybody, `none` says that nobody needs one; it may be left out where
    nobody else can reach the server. `also` are Hosts besides its own by which it may be asked,
    `patience` is how many seconds a write waits for its event, `shown` how many of the finished
    jobs are in a snapshot, `ping` how often a quiet stream gives a sign of life.

    What is said before `start` counts; what is said after `stop` is ignored.
    """

    def __init__(
        self,
        *,
        inbox: Path,
        journal: Path,
        state: State,
        host: str = "127.0.0.1",
        port: int = 8328,
        token: str = "",
        also: Sequence[str] = (),
        patience: float = PATIENCE,
        shown: int = SHOWN,
        ping: float = PING,
    ) -> None:
        self.host = host
        self.port = port
        self._token = token
        self._also = tuple(also)
        self._board = Board(state, inbox=inbox.absolute(), shown=shown)
        self._moment = Moment(self._board.job_id)
        self._hub = Hub(state.seq)
        self.endpoints = Endpoints(
            self._board, self._moment, self._hub, journal, patience=patience,
            also=frozenset(map(str.lower, also)), ping=ping,
        )  # fmt: skip
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: tuple[uvicorn.Server, threading.Thread] | None = None
        self._ready = threading.Event()

    def start(self) -> str:
        """Listen, serve in a thread, and return the page's address once it answers.

        Raises:
            CannotListen: host and port cannot be had.
            NeedsToken: others could reach it, and no token is set.
        """
        door(self.host, self.port, self._token)
        listening = _listen(self.host, self.port)
        self.port = listening.getsockname()[1]
        guard = Guard(
            application(self.endpoints, self._lifespan),
            names=names(self.host, socket.gethostname(), self.port, self._also),
            door=door(self.host, self.port, self._token),
        )
        config = uvicorn.Config(
            guard,
            http="h11",
            ws="websockets-sansio",
            ws_max_size=_LARGEST_MESSAGE,
            ws_per_message_deflate=False,
            limit_concurrency=_MOST_AT_ONCE,
            loop="asyncio",
            lifespan="on",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=self._serve, args=(server, listening), name="page", daemon=True
        )
        self._running = server, thread
        thread.start()
        self._ready.wait()
        if self._loop is None:
            raise CannotListen(f"the page's server ended as it began, on {self.host}:{self.port}")
        return f"http://{_in_url(self.host)}:{self.port}"

    def stop(self) -> None:
        """Close every stream and end the thread; open tabs do not hold it."""
        if self._running is None:
            return
        server, thread = self._running
        self._post(self._hub.close)
        server.should_exit = True
        thread.join()
        self._running = None

    def recorded(self, line: Line, event: Event) -> None:
        """A fact is on disk."""
        self._post(self._fact, line, event)

    def ticked(self, tick: Stepped) -> None:
        """A step is done."""
        self._post(self._tick, tick, time.monotonic())

    def changed(self, live: Live) -> None:
        """What the workers do, or what the program suffers from, is different now."""
        self._post(self._live, live, time.monotonic())

    def _post(self, act: Callable[_P, None], *args: _P.args, **kwargs: _P.kwargs) -> None:
        """Act in the event loop's thread; in this one while there is no other."""
        if self._loop is None:
            act(*args, **kwargs)
            return
        with suppress(RuntimeError):  # The loop has ended: nobody is there to be told.
            self._loop.call_soon_threadsafe(lambda: act(*args, **kwargs))

    def _fact(self, line: Line, event: Event) -> None:
        self._board.fold(line.seq, line.at, event)
        self.endpoints.desk.heard(line, event)
        self.endpoints.earlier.heard(event)
        self._hub.fact(line, topic(self._board.state, event))

    def _tick(self, tick: Stepped, now: float) -> None:
        said = self._moment.ticked(tick, now)
        self.endpoints.earlier.moved()
        about = of_job(self._board.state, tick.task.job)
        self._hub.say(f"task {said.task}", frame("tick", _encoder.encode(said)), about)

    def _live(self, live: Live, now: float) -> None:
        self._moment.changed(live, now)
        self.endpoints.earlier.moved()
        self._hub.say("live", frame("live", _encoder.encode(self._moment.view(now))))

    async def _count(self) -> None:
        """See which jobs are stale, as long as somebody looks."""
        loop = asyncio.get_running_loop()
        changed, told = False, 0.0
        while True:
            await asyncio.sleep(_BETWEEN)
            if not self._hub.heard:
                continue
            more = self._board.doubts.look(_COUNTED)
            changed |= bool(more)
            if changed and (more is None or loop.time() >= told + _TOLD):
                changed, told = False, loop.time()
                self._hub.say(
                    "counted", frame("counted", _encoder.encode(self._board.doubts.counted))
                )

    def _serve(self, server: uvicorn.Server, listening: socket.socket) -> None:
        try:
            server.run(sockets=[listening])
        finally:
            listening.close()
            self._ready.set()

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        self._loop = asyncio.get_running_loop()
        self._ready.set()
        counting = asyncio.create_task(self._count())
        yield
        counting.cancel()
        if self._running is not None:
            for left in self._running[0].server_state.connections:
                # Whoever did not read to the end within the grace would keep its socket for ever.
                if left.transport is not None:
                    left.transport.abort()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        place = f"{_in_url(host)}:{port}"
        match error.errno:
            case errno.EADDRINUSE:
                raise CannotListen(
                    f"the page cannot be served on {place}: another program listens there",
                    "end that program, or take another port: --port 0 takes a free one",
                ) from error
            case errno.EACCES:
                raise CannotListen(
                    f"the page cannot be served on {place}: ports below 1024 are not for everyone",
                    "take a higher port, such as --port 8328",
                ) from error
            case _:
                raise CannotListen(
                    f"the page cannot be served on {place}: {error.strerror or error}",
                    "give --host an address of this machine, such as 127.0.0.1",
                ) from error


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
