"""Jobs over HTTP: asked for, looked at, and followed while they are drawn.

Owns `/generate`, `/jobs/{id}` and `/ws/{id}`. A job is a manifest like any other, in the inbox.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from statistics import median

import msgspec
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from pipeline.core import events as e
from pipeline.core import manifest as m
from pipeline.core.digest import public_id
from pipeline.core.keys import character_key, stem_of
from pipeline.core.models import find_model
from pipeline.core.state import CharacterState, ProjectState, State
from pipeline.server import body
from pipeline.server.board import Board
from pipeline.server.earlier import names, places, shapes, views
from pipeline.server.earlier.clerk import Clerk
from pipeline.server.earlier.ids import Ids
from pipeline.server.earlier.told import told
from pipeline.server.moment import Moment
from pipeline.server.pulse import Pulse
from pipeline.server.refusal import Refused, refused

MOST_FOLLOWERS = 256
"""WebSockets that are open at a time."""
OFTEN, SELDOM = 0.1, 0.8
"""Seconds between two messages, at least and at most."""
_PLACED = 2.0
"""Seconds that a new job's place in the queue is waited for."""
_REMEMBERED = 20
"""Pictures by whose seconds the next ones are estimated."""
_LARGEST_SEED = 2**32


class Jobs:
    """What answers for jobs, over one board."""

    def __init__(
        self, board: Board, moment: Moment, ids: Ids, clerk: Clerk, pulse: Pulse,
        *, now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:  # fmt: skip
        self._board = board
        self._moment = moment
        self._ids = ids
        self._clerk = clerk
        self._pulse = pulse
        self._now = now
        self._followers = 0
        self._seconds = deque(_last(board.state), maxlen=_REMEMBERED)

    def heard(self, event: e.Event) -> None:
        """A fact is on disk."""
        if isinstance(event, e.ImageRendered):
            self._seconds.append(event.seconds)

    async def generate(self, request: Request) -> Response:
        """Ask for a picture; answered once the job is on disk."""
        asked = await body.read(request, shapes.GenerateAsked)
        state = self._board.state
        home, bible = self._whose(asked)
        place = places.home(state, home) if home is not None else places.Place(folder="")
        owner = home.key if home is not None else state.folders.get("")
        folder = places.desk(state, place, bible)
        stem = f"{self._now():%Y%m%d_%H%M%S}_{secrets.token_hex(4)}"
        file = f"{folder}{stem}.yaml"
        key = stem_of(file)
        spec = m.Job(
            project=place.named,
            prompt=asked.prompt,
            negative=asked.negative_prompt or "",
            characters=(_cast(state, owner, bible),) if bible is not None else (),
            style=_style(asked.style_preset),
            seed=secrets.randbelow(_LARGEST_SEED),
            size=_size(state, asked, owner),
            id=public_id("job", key),
        )
        names.complete(state, file, owner, spec)
        await self._clerk.make(file, spec, key)
        # What it comes to is recorded in the same step of the runner; only then has it a place.
        await self._pulse.until(lambda: self._board.state.jobs[key].takes or None, _PLACED)
        return told(self._taken(key, request.headers["host"]))

    async def job(self, request: Request) -> Response:
        """How a job stands."""
        key = self._ids.key("job", request.path_params["id"])
        if key is None:
            raise Refused(404, "there is no job with this id")
        view, standing = self._board.job(key), self._standing(key)
        one = self._board.state.jobs[key]
        found = views.job(self._board.state, one, view, standing, self._place(key), standing.error)
        return told(found)

    async def follow(self, socket: WebSocket) -> None:
        """Tell of a job at once and then at least every second, until it has ended."""
        key = self._ids.key("job", socket.path_params["id"])
        if key is None:
            why = Refused(404, "there is no job with this id")
            await socket.send_denial_response(await refused(socket, why))
            return
        if self._followers >= MOST_FOLLOWERS:
            why = Refused(503, f"{MOST_FOLLOWERS} jobs are followed already")
            await socket.send_denial_response(await refused(socket, why))
            return
        self._followers += 1
        try:
            await socket.accept()
            await _first(asyncio.create_task(self._tell(socket, key)),
                         asyncio.create_task(_gone(socket)))  # fmt: skip
        finally:
            self._followers -= 1

    async def _tell(self, socket: WebSocket, key: str) -> None:
        loop = asyncio.get_running_loop()
        high, due = 0, 0.0
        before: shapes.Progress | None = None
        with suppress(WebSocketDisconnect):
            while True:
                said = self._standing(key)
                high = max(high, said.progress)
                said = replace(said, progress=high)
                ended = said.status in ("completed", "failed")
                if said != before or loop.time() >= due or ended:
                    await socket.send_text(msgspec.json.encode(said).decode())
                    before, due = said, loop.time() + SELDOM
                if ended:
                    await socket.close()
                    return
                await asyncio.sleep(OFTEN)
                await self._pulse.wait(max(due - loop.time(), 0.0))

    def _standing(self, key: str) -> shapes.Progress:
        return views.progress(self._board.job(key), self._moment.workers())

    def _place(self, key: str) -> int:
        """A job's place in the queue, from 1; 0 where all of it is begun."""
        queue = self._board.queue()
        return queue.index(key) + 1 if key in queue else 0

    def _taken(self, key: str, host: str) -> shapes.Generate:
        id_, place = self._board.job_id(key), self._place(key)
        return shapes.Generate(
            job_id=id_,
            status="queued",
            queue_position=place,
            estimated_time=self._estimate(place),
            # The guard has seen that this Host is one of ours.
            websocket_url=f"ws://{host}/ws/{id_}",
        )

    def _estimate(self, place: int) -> float | None:
        """Seconds until the pictures up to this place are drawn, by those drawn last."""
        if not self._seconds:
            return None
        keys = self._board.queue()[: max(place, 1)]
        ahead = sum(self._board.job(key).left for key in keys)
        busy = sum(worker.task is not None for worker in self._moment.workers())
        rounds = (max(ahead, 1) + busy) / self._board.state.at_once
        return round(max(rounds, 1.0) * median(self._seconds), 1)

    def _whose(
        self, asked: shapes.GenerateAsked
    ) -> tuple[ProjectState | None, CharacterState | None]:
        """The project and the character that a picture is of; a character alone brings theirs."""
        state, ids = self._board.state, self._ids
        home = bible = None
        if asked.project_id is not None:
            home = names.project(state, ids, asked.project_id, status=422)
        if asked.character_id is not None:
            bible = names.character(state, ids, asked.character_id, status=422)
            if home is None:
                home = state.projects.get(views.owner(bible) or "")
        return home, bible


def _cast(state: State, project: str | None, bible: CharacterState) -> str:
    """By what name a job of a project means a character."""
    own = character_key(project, bible.key)
    if "/" not in bible.key and own != bible.key and own in state.characters:
        raise Refused(
            422, f"the project has a character of its own of the name {bible.key!r}: use that"
        )
    return bible.key


def _style(preset: str | None) -> str | None:
    """A job's style: the word for no preset is said, since its project may have one."""
    return "none" if preset is not None and names.said(preset) is None else preset


def _size(state: State, asked: shapes.GenerateAsked, owner: str | None) -> str | None:
    if asked.width is None and asked.height is None:
        return None
    project = state.projects.get(owner) if owner is not None else None
    model = find_model(state, project.spec if project is not None else None, m.Job(), [])
    if (asked.width is None or asked.height is None) and model is None:
        raise Refused(503, "no model is known yet whose size could be taken: give both sides")
    width = asked.width or (model.width if model is not None else 0)
    return f"{width}x{asked.height or (model.height if model is not None else 0)}"


def _last(state: State) -> list[float]:
    """The seconds of the pictures drawn last, oldest first."""
    images = (
        image
        for job in state.jobs.values()
        for take in job.takes
        for image in take.images.values()
        if image.worker is not None
    )
    drawn = sorted((image.at, image.seconds) for image in images)
    return [seconds for _, seconds in drawn[-_REMEMBERED:]]


async def _gone(socket: WebSocket) -> None:
    """Return when whoever follows has gone; what they say means nothing."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def _first(*tasks: asyncio.Task[None]) -> None:
    """Wait for one to end, and end the others."""
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
