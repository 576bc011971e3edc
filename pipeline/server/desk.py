"""The page's own questions beyond its snapshot, and the commands that it gives.

Owns these paths under /api and the shape of their answers. A command goes where the command line's
go, a file in the inbox, and is answered once its event is on disk. Never writes the journal, and
never takes a path from a request: pictures, projects and characters are asked for by id.
"""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline import orders
from pipeline.core import events as e
from pipeline.core.commands import Command
from pipeline.errors import AnimeError
from pipeline.journal import Line
from pipeline.server import bibles, body, older, pictures
from pipeline.server.answers import Answers
from pipeline.server.board import Board
from pipeline.server.moment import Moment
from pipeline.server.night import Night
from pipeline.server.room import room
from pipeline.server.why import Again, again, why

PATIENCE = 5.0
"""Seconds that a command's answer is waited for, as on the command line."""
LARGEST = orders.LARGEST
HOURS = (0.25, 72.0)
"""The least and the most that a timeline tells of."""

SLOW = "the runner has not answered yet; it will do it when it can"

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)


class Answered(Struct, frozen=True, kw_only=True):
    """What became of a command; `hint` says what to do about a refused one."""

    answer: str
    hint: str = ""
    refused: bool = False


class Desk:
    """What answers these paths, over one board."""

    def __init__(self, board: Board, moment: Moment, journal: Path) -> None:
        self._board = board
        self._moment = moment
        self._journal = journal
        self._answers = Answers()
        self._night = Night(journal, board.state.seq)

    def heard(self, line: Line, event: e.Event) -> None:
        """A fact is on disk, and on the board."""
        self._answers.heard(event)
        self._night.heard(line.seq, line.at, event, line.type)

    def routes(self) -> Iterable[Route]:
        """Every path of the desk."""
        return (
            Route("/api/commands", self.command, methods=["POST"]),
            Route("/api/jobs", self.jobs),
            Route("/api/pictures/{id}/why", self.why),
            Route("/api/pictures/{id}/again", self.again),
            Route("/api/characters/{id}", self.character),
            Route("/api/projects/{id}", self.project),
            Route("/api/night", self.night),
            Route("/api/room", self.room),
        )

    async def command(self, request: Request) -> Response:
        """Give a command: 200 once it is obeyed and on disk, 202 if that takes long, 409 if it
        cannot be obeyed, 422 if it is none, 503 if nothing can be recorded."""
        failed = self._moment.live.journal_failed or self._moment.live.inbox_lost
        if failed is not None:
            return _told(503, "nothing can be recorded", failed, refused=True)
        try:
            command = _decoder.decode(await body.whole(request, LARGEST))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return _told(422, f"this is no command: {error}", refused=True)
        try:
            name = await run_in_threadpool(
                orders.send, self._board.inbox, command, at=time.time_ns()
            )
        except (AnimeError, OSError) as error:
            return _told(503, f"the command cannot be written: {error}", refused=True)
        answer = await self._answers.of(name, PATIENCE)
        if answer is None:
            return _told(202, SLOW)
        status = 409 if answer.refused else 200
        return _told(status, answer.answer, answer.hint, refused=answer.refused)

    async def jobs(self, request: Request) -> Response:
        """Finished jobs, the newest first. A snapshot has the newest of them; what is older comes
        in pages, and each page says with which `before` the next one is asked for."""
        return _json(older.answer(self._board, request.query_params))

    async def why(self, request: Request) -> Response:
        """What a picture was drawn from, and where each word of it is from."""
        place = self._board.place(request.path_params["id"])
        if place is None or place[2].index == 0:
            raise HTTPException(404)
        job, take, image = place
        return _json(why(self._board.state, job, take, image.index))

    async def again(self, request: Request) -> Response:
        """The manifest that draws a picture again."""
        image = self._board.picture(request.path_params["id"])
        if image is None:
            raise HTTPException(404)
        return _json(await run_in_threadpool(_again, self._board.inbox, image.file))

    async def character(self, request: Request) -> Response:
        """A character's bible."""
        return _found(bibles.character(self._board.state, request.path_params["id"]))

    async def project(self, request: Request) -> Response:
        """A project in whole."""
        return _found(bibles.project(self._board.state, request.path_params["id"]))

    async def night(self, request: Request) -> Response:
        """What ran when; `?hours=` says how far back."""
        return _json(await self._night.story(datetime.now(UTC), _hours(request)))

    async def room(self, request: Request) -> Response:
        """The disk, and the journal on it."""
        return _json(await run_in_threadpool(room, self._journal))


def _again(inbox: Path, file: str) -> Again:
    path = pictures.within(inbox, file)
    if path is None:
        return Again(manifest=None, refused=f"{file} leaves the inbox")
    return again(path)


def _hours(request: Request) -> float:
    least, most = HOURS
    try:
        hours = float(request.query_params.get("hours", "12"))
    except ValueError:
        hours = 0.0
    if not least <= hours <= most:
        raise HTTPException(422, f"?hours= is a number from {least:g} to {most:g}")
    return hours


def _found(found: Struct | None) -> Response:
    if found is None:
        raise HTTPException(404)
    return _json(found)


def _told(status: int, answer: str, hint: str = "", *, refused: bool = False) -> Response:
    return _json(Answered(answer=answer, hint=hint, refused=refused), status)


def _json(value: Struct, status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(_encoder.encode(value), status, headers, media_type="application/json")
