"""The routes: what may be asked for, and what answers it.

Owns the table of paths, the page's files (read once) and the shape of each answer. Reads the board
and the moment in the event loop that changes them, so no lock is needed; never changes either.
"""

import re
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager
from functools import partial
from importlib.resources import files
from pathlib import Path, PurePath

import msgspec
from sse_starlette.sse import EventSourceResponse, SendTimeoutError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from pipeline.history import event_of
from pipeline.server import pictures
from pipeline.server.board import Board
from pipeline.server.desk import Desk
from pipeline.server.earlier import Earlier
from pipeline.server.health import health
from pipeline.server.hub import Hub
from pipeline.server.moment import Moment
from pipeline.server.openapi import describe
from pipeline.server.refusal import Refused, refused
from pipeline.server.small import Small, media_type
from pipeline.server.stream import stream
from pipeline.server.topics import ALL, Wants, topic, wants

LARGEST_PICTURE = 256 * 1024 * 1024
LONGEST_NAME = 1000
PING = 15.0
"""Seconds from one sign of life on a quiet stream to the next."""
_STALLED = 30.0
_STATIC = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
"""What of the page's folder is served, and as what."""
_SEQ = re.compile(r"[0-9]{1,18}")

_encoder = msgspec.json.Encoder()


class _Stream(EventSourceResponse):
    """A stream that drops a listener which has taken nothing for half a minute."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            return


class Endpoints:
    """What answers each path, over one board."""

    def __init__(
        self, board: Board, moment: Moment, hub: Hub, journal: Path, *, patience: float,
        also: Collection[str] = (), ping: float = PING,
    ) -> None:  # fmt: skip
        self._board = board
        self._moment = moment
        self._hub = hub
        self._journal = journal
        self.desk = Desk(board, moment, journal)
        self.earlier = Earlier(board, moment, patience=patience, also=also)
        self._ping = ping
        self._small = Small()
        page = files("pipeline.server") / "page"
        self._index = (page / "index.html").read_bytes()
        self._static = {
            file.name: (file.read_bytes(), kind)
            for file in page.iterdir()
            if (kind := _STATIC.get(PurePath(file.name).suffix)) is not None
        }

    async def index(self, request: Request) -> Response:
        """The page."""
        return _answer(self._index, "text/html", cache="no-cache")

    async def static(self, request: Request) -> Response:
        """One of the page's files."""
        name = request.path_params["name"]
        if name not in self._static:
            raise HTTPException(404)
        body, kind = self._static[name]
        return _answer(body, kind, cache="no-cache")

    async def state(self, request: Request) -> Response:
        """Everything there is to show, as of now."""
        return _answer(self.snapshot(), "application/json")

    async def events(self, request: Request) -> Response:
        """What happens, as it happens; `?project=` and `?job=`, keys or ids, leave only theirs."""
        state = self._board.state
        named = _named(request, "project"), _named(request, "job")
        asked = wants(state, *named, self._board.key)
        frames = stream(
            self._hub, self._journal, _after(request),
            snapshot=partial(self.snapshot, asked), live=self.live,
            wants=asked, topic_of=lambda line: topic(state, event_of(line)),
        )  # fmt: skip
        return _Stream(frames, ping=self._ping, sep="\n", send_timeout=_STALLED)

    async def picture(self, request: Request) -> Response:
        """A finished picture, by its id; with `?small`, a small version of it."""
        image = self._board.picture(request.path_params["id"])
        if image is None:
            raise HTTPException(404)
        small = "small" in request.query_params
        end = '-small"' if small else '"'
        said = request.headers.get("if-none-match", "")
        known = said.removesuffix(end) + '"' if said.endswith(end) else ""
        found = await run_in_threadpool(self._read, image.file, known)
        if found is None:
            raise HTTPException(404)
        # Asked again each time, because a person may retouch the file.
        headers = {"ETag": found.tag.removesuffix('"') + end, "Cache-Control": "no-cache"}
        if found.data is None:
            return Response(status_code=304, headers=headers)
        data = await self._small.of(found.tag, found.data) if small else found.data
        return Response(data, media_type=media_type(data), headers=headers)

    async def preview(self, request: Request) -> Response:
        """What a worker's picture looks like by now; `?n=` is the number that a tick gave it."""
        said = request.query_params.get("n", "")
        data = None
        if _SEQ.fullmatch(said):
            data = self._moment.preview(request.path_params["worker"], int(said))
        if data is None:
            raise HTTPException(404)
        return _answer(data, "image/jpeg")

    async def health(self, request: Request) -> Response:
        """Whether all is well."""
        shown = self._moment.view(time.monotonic())
        told = health(self._board, self._moment.live, shown)
        status = 503 if told.status == "degraded" else 200
        return _answer(_encoder.encode(told), "application/json", status=status)

    def snapshot(self, asked: Wants = ALL) -> bytes:
        """Everything the page shows, or as much of it as is asked for, as JSON."""
        drawing = self._moment.workers()
        return self._board.snapshot(self._moment.view(time.monotonic()), asked, drawing)

    def live(self) -> bytes:
        """What the workers do, as JSON."""
        return _encoder.encode(self._moment.view(time.monotonic()))

    def _read(self, file: str, known: str) -> pictures.Picture | None:
        return pictures.read(self._board.inbox, file, most=LARGEST_PICTURE, known=known)


def routes(on: Endpoints) -> Iterable[BaseRoute]:
    """Every path there is; all answer GET and HEAD, but where something is written."""
    return (
        Route("/", on.index),
        Route("/static/{name}", on.static),
        Route("/api/state", on.state),
        Route("/events", on.events),
        Route("/pictures/{id}", on.picture),
        Route("/api/workers/{worker}/preview", on.preview),
        Route("/health", on.health),
        *on.desk.routes(),
        *on.earlier.routes(),
    )


def application(
    on: Endpoints, lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]]
) -> Starlette:
    """The app; it must stand behind a `Guard`."""
    paths = tuple(routes(on))
    description = describe(paths)

    async def openapi(request: Request) -> Response:
        """The description of everything that may be asked for."""
        return _answer(description, "application/json")

    app = Starlette(
        routes=[*paths, Route("/openapi.json", openapi)],
        lifespan=lifespan,
        exception_handlers={Refused: refused},
    )
    app.router.redirect_slashes = False
    return app


def _after(request: Request) -> int | None:
    """The last fact the listener has; its header is newer than the address it once asked for."""
    said = request.headers.get("last-event-id") or request.query_params.get("after")
    if said is None:
        return None
    if not _SEQ.fullmatch(said):
        raise HTTPException(400, "Last-Event-ID and ?after= are the seq of a fact: a number")
    return int(said)


def _named(request: Request, kind: str) -> str | None:
    """The project or job that is asked for."""
    said = request.query_params.get(kind)
    if said is not None and not 0 < len(said) <= LONGEST_NAME:
        raise HTTPException(400, f"?{kind}= is a key or an id")
    return said


def _answer(body: bytes, kind: str, *, status: int = 200, cache: str = "no-store") -> Response:
    return Response(body, status, {"Cache-Control": cache}, media_type=kind)
